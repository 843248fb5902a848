//! Reads that end when nobody waits for them any more.

use crate::cancellation::Cancellation;
use crate::error::Error;
use crate::ledger::Ledger;

impl Ledger {
    /// A handle on the same ledger whose reads end with [`Error::Cancelled`] once `cancellation`
    /// is cancelled. Commands are not affected.
    #[must_use]
    pub fn until(&self, cancellation: &Cancellation) -> Ledger {
        self.with_cancellation(cancellation.clone())
    }

    /// Whether nobody waits any more for what is read with this handle.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancellation().is_some_and(Cancellation::is_cancelled)
    }

    /// Lets a walk go on, unless nobody waits for it any more. Asked between steps of about a
    /// millisecond at most.
    pub(crate) fn still_wanted(&self) -> Result<(), Error> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eventlog::memory::MemoryLog;
    use eventlog::{Log, Seq};
    use keys::Timestamp;

    use super::*;
    use crate::testing::{ManualClock, caller, draft, open_with, owner};
    use crate::{EventFilter, KeyFilter, Options, RequestOptions, Role, Signing, Walk};

    type Read<'r> = &'r dyn Fn(&Ledger) -> Result<(), Error>;

    #[tokio::test]
    async fn what_nobody_waits_for_ends_at_its_next_step() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let signing = Some(Arc::new(Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap()));
        let options = Options { signing, ..Options::default() };
        let ledger = open_with(log, &ManualClock::new(), options).unwrap();
        let id = ledger
            .create(&owner(), draft(None), RequestOptions::default())
            .await
            .unwrap()
            .key
            .key
            .id;
        let (auditor, owner) = (caller(None, Role::Auditor), owner());
        let moment = ledger.moment(&auditor, None).unwrap();
        let (ever, all) = ((Timestamp::MIN, Timestamp::MAX), KeyFilter::default());
        let reads: [(&str, Read<'_>); 8] = [
            ("keys", &|ledger| ledger.keys(&owner, &all, 0, 9).map(drop)),
            ("keys as of", &|ledger| ledger.keys_as_of(&owner, &all, 0, 9, &moment).map(drop)),
            ("expiring", &|ledger| ledger.expiring(&owner, 9, None, 9).map(drop)),
            ("history", &|ledger| ledger.history(&owner, id, Seq(0), 9).map(drop)),
            ("events", &|ledger| {
                ledger.events(&owner, &EventFilter::default(), Walk::Up(Seq(0)), 9).map(drop)
            }),
            ("report", &|ledger| ledger.active_periods(&owner, None, ever, &moment).map(drop)),
            ("digest", &|ledger| ledger.table_digest(&auditor, None).map(drop)),
            ("table note", &|ledger| ledger.table_note(&auditor).map(drop)),
        ];
        let cancellation = Cancellation::new();
        let handle = ledger.until(&cancellation);
        cancellation.cancel();
        for (name, read) in reads {
            assert!(matches!(read(&handle), Err(Error::Cancelled)), "{name}");
            // Other handles are not touched by that.
            read(&ledger).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
