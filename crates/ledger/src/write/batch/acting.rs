//! A key that acts must be good when that is written down, and not only when its request came in.

use keys::Status;

use super::Batch;
use crate::caller::{OWN_KEY, Via};
use crate::error::Error;
use crate::write::request::RequestContext;

impl Batch<'_> {
    /// Refuses a caller that is a key which is not good any more. One that ends itself is judged by
    /// what it does.
    pub(super) fn still_acts(&self, context: &RequestContext) -> Result<(), Error> {
        let identity = &context.caller.identity;
        let Via::Key(id) = &identity.via else { return Ok(()) };
        if identity.roles.any(OWN_KEY) {
            return Ok(());
        }
        let key = self.state.table.get(*id).ok_or(Error::Forbidden)?;
        let status = self.chained_state(&key).state.status_at(self.now);
        if status == Status::Enabled { Ok(()) } else { Err(Error::Forbidden) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eventlog::Log;
    use eventlog::memory::MemoryLog;
    use keys::Dialect;

    use crate::caller::{Identity, Via};
    use crate::testing::{ManualClock, draft, open, owner};
    use crate::{Caller, Change, Error, RequestOptions};

    /// Its request was let in a moment before it was switched off.
    #[tokio::test]
    async fn a_key_that_was_switched_off_meanwhile_changes_nothing() {
        let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
        let ledger = open(&log, &clock);
        let caller = Caller { dialect: Dialect::Covosign, ..owner() };
        let options = RequestOptions::default;
        let id = ledger.create(&caller, draft(None), options()).await.unwrap().key.key.id;
        let identity = Identity { via: Via::Key(id), ..Identity::clone(&caller.identity) };
        let key = Caller { identity: Arc::new(identity), ..caller.clone() };
        ledger.create(&key, draft(None), options()).await.unwrap();
        ledger.change(&caller, id, Change::Disable, options()).await.unwrap();
        let refused = ledger.create(&key, draft(None), options()).await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{refused:?}");
        ledger.change(&caller, id, Change::Enable, options()).await.unwrap();
        ledger.change(&key, id, Change::Expire, options()).await.unwrap();
        let refused = ledger.create(&key, draft(None), options()).await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{refused:?}");
    }
}
