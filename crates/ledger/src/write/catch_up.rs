//! Reading what another writer of the same log appends.

use std::time::Duration;

use keys::Account;

use crate::caller::worker;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::write::batch::Batch;
use crate::write::job::WriteCommand;
use crate::write::request::RequestContext;

/// Our own appends are applied within moments of their being there.
const SOON: Duration = Duration::from_millis(50);

/// Has the writer look at the log: a batch without records reads what others appended.
struct CatchUp;

impl WriteCommand for CatchUp {
    type Reply = ();

    fn account(&self) -> Option<&Account> {
        None
    }

    fn decide(&self, _: &RequestContext, _: &mut Batch<'_>) -> Result<(), Error> {
        Ok(())
    }
}

impl Ledger {
    /// Reads what another writer of the same log appends, until the ledger is closed.
    pub async fn keep_up(&self) {
        let state = self.state();
        let mut length = state.log.stored().length();
        let mut published = state.log.published();
        loop {
            let wanted = *length.borrow_and_update();
            let applied = published.wait_for(|size| *size >= wanted);
            if tokio::time::timeout(SOON, applied).await.is_err() {
                self.catch_up().await;
            }
            tokio::select! {
                changed = length.changed() => if changed.is_err() { return },
                () = self.closed() => return,
            }
        }
    }

    pub(crate) async fn catch_up(&self) {
        // Refused by a full queue or a broken log: the next change of the length tries again.
        let _ = self.submit(RequestContext::plain(worker()), CatchUp).await;
    }
}
