//! The limits on concurrent long responses: for each share, and in all.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{ApiError, Code};
use crate::reads::Share;

/// Counts long responses.
pub(crate) struct Slots {
    most: usize,
    most_per_share: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_share: HashMap<Share, usize>,
}

/// Counts one long response until it is dropped.
pub(crate) struct Slot {
    share: Share,
    taken: Arc<Mutex<Taken>>,
}

impl Slots {
    pub(crate) fn new(most: usize, most_per_share: usize) -> Slots {
        Slots { most, most_per_share, taken: Arc::default() }
    }

    /// Takes a slot.
    pub(crate) fn take(&self, share: &Share) -> Result<Slot, ApiError> {
        let mut taken = self.taken.lock();
        let own = taken.by_share.get(share).copied().unwrap_or(0);
        if own >= self.most_per_share {
            let detail = "the account has as many exports, imports, reports and bundles in \
                          progress as it may; retry when one has ended";
            return Err(ApiError::new(Code::Overloaded, detail));
        }
        if taken.all >= self.most {
            let detail =
                "as many exports, imports, reports and bundles are in progress as may be; retry";
            return Err(ApiError::new(Code::Overloaded, detail));
        }
        taken.all += 1;
        *taken.by_share.entry(share.clone()).or_default() += 1;
        Ok(Slot { share: share.clone(), taken: Arc::clone(&self.taken) })
    }

    /// The number of slots that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.lock().all
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        taken.all -= 1;
        if let Some(own) = taken.by_share.get_mut(&self.share) {
            *own -= 1;
            if *own == 0 {
                taken.by_share.remove(&self.share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_share_leaves_room_for_others_and_gives_back_what_it_took() {
        let slots = Slots::new(3, 2);
        let (a, b) = (Share::AllAccounts, Share::Account("b".parse().unwrap()));
        let held = [slots.take(&a).unwrap(), slots.take(&a).unwrap()];
        assert_eq!(slots.take(&a).err().unwrap().code, Code::Overloaded);
        let other = slots.take(&b).unwrap();
        assert_eq!(slots.take(&b).err().unwrap().code, Code::Overloaded, "three are all");
        drop(held);
        drop(slots.take(&a).unwrap());
        drop(other);
        assert_eq!(slots.taken(), 0);
        assert!(slots.taken.lock().by_share.is_empty());
    }
}
