//! Editing a key: a new state of its attributes, with the old one on record.

use std::sync::Arc;

use keys::{Account, KeyId};

use crate::caller::{Caller, MANAGE};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::key_view::KeyView;
use crate::projection::table::Key;
use crate::write::batch::{Batch, Decided, Idempotent};
use crate::write::job::WriteCommand;
use crate::write::reply::Updated;
use crate::write::request::{KeyEdits, RequestContext, RequestOptions};

/// Edits `key`.
pub(crate) struct Update {
    pub(crate) key: Arc<Key>,
    pub(crate) edits: KeyEdits,
}

impl WriteCommand for Update {
    /// `None` where nothing would change.
    type Reply = Idempotent<Option<Decided>>;

    fn account(&self) -> Option<&Account> {
        Some(&self.key.made.account)
    }

    fn decide(
        &self,
        context: &RequestContext,
        batch: &mut Batch<'_>,
    ) -> Result<Idempotent<Option<Decided>>, Error> {
        let key = batch.again(&self.key);
        batch.once(context, |batch| batch.update(context, &key, &self.edits))
    }
}

impl Ledger {
    /// Edits a key. Where nothing would change, nothing is recorded.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    /// [`Error::Forbidden`] also for a caller that sees only its own keys and gives one away.
    pub async fn update(
        &self,
        caller: &Caller,
        id: KeyId,
        edits: KeyEdits,
        options: RequestOptions,
    ) -> Result<Updated, Error> {
        let grant = caller.require(MANAGE)?;
        let key = self.find(grant, id, &options)?;
        if let (Some(own), Some(owner)) = (grant.owner(), &edits.edits.owner)
            && own != owner
        {
            return Err(Error::Forbidden);
        }
        let command = Update { key: Arc::clone(&key), edits };
        match self.submit(RequestContext::new(caller, &options), command).await? {
            Idempotent::Decided(None) => {
                let key = self.state().table.again(&key);
                Ok(Updated::Unchanged(KeyView::present(&key, self.judged_at())))
            }
            Idempotent::Decided(Some(decided)) => {
                let reply = Idempotent::Decided(decided);
                self.changed(&key, reply).await.map(Updated::Changed)
            }
            Idempotent::Earlier(outcome) => {
                let reply = Idempotent::Earlier(outcome);
                self.changed(&key, reply).await.map(Updated::Changed)
            }
        }
    }
}
