//! Changing a key's status.

use std::sync::Arc;

use keys::{Account, Command, KeyId, Refusal};

use crate::caller::{Caller, Grant, MANAGE};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::key_view::KeyView;
use crate::projection::table::Key;
use crate::write::batch::{Batch, Decided, Idempotent};
use crate::write::job::WriteCommand;
use crate::write::reply::Changed;
use crate::write::request::{Change, RequestContext, RequestOptions};

/// Changes the status of `key`.
pub(crate) struct ChangeStatus {
    pub(crate) key: Arc<Key>,
    pub(crate) command: Command,
}

impl WriteCommand for ChangeStatus {
    type Reply = Idempotent<Decided>;

    fn account(&self) -> Option<&Account> {
        Some(&self.key.made.account)
    }

    fn decide(
        &self,
        context: &RequestContext,
        batch: &mut Batch<'_>,
    ) -> Result<Idempotent<Decided>, Error> {
        let key = batch.again(&self.key);
        batch.once(context, |batch| batch.change(context, &key, self.command.clone()))
    }
}

impl Ledger {
    /// Changes a key's status.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn change(
        &self,
        caller: &Caller,
        id: KeyId,
        change: Change,
        options: RequestOptions,
    ) -> Result<Changed, Error> {
        let key = self.find(caller.require(MANAGE)?, id, &options)?;
        let command = ChangeStatus { key: Arc::clone(&key), command: change.into() };
        let reply = self.submit(RequestContext::new(caller, &options), command).await?;
        self.changed(&key, reply).await
    }

    /// What a change of `key` came to, for whoever wanted it.
    pub(crate) async fn changed(
        &self,
        key: &Arc<Key>,
        reply: Idempotent<Decided>,
    ) -> Result<Changed, Error> {
        let key = &self.state().table.again(key);
        match reply {
            Idempotent::Decided(Decided { seq, recorded, record, state, attributes }) => {
                let view = KeyView::new(key, (state, attributes), record.at);
                let entry = key.entry(seq, record);
                Ok(Changed { key: view, entry, recorded, replayed: false })
            }
            Idempotent::Earlier(outcome) => {
                let entry = self.entry_at(outcome.first).await?;
                let view = self.key_after(key, outcome.first, entry.record.at).await?;
                Ok(Changed { key: view, entry, recorded: true, replayed: true })
            }
        }
    }

    /// The key, if the caller may know of it.
    pub(crate) fn find(
        &self,
        grant: Grant<'_>,
        id: KeyId,
        options: &RequestOptions,
    ) -> Result<Arc<Key>, Error> {
        self.state()
            .table
            .get(id)
            .filter(|key| grant.covers(&key.attributes()))
            .filter(|key| options.only.is_none_or(|dialect| dialect == key.made.dialect))
            .ok_or(Error::Refused(Refusal::UnknownKey))
    }
}
