//! Recording that keys are due.

use keys::{Account, KeyId};

use crate::caller::{Caller, EXPIRE};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::outcomes::Outcome;
use crate::record::Idempotency;
use crate::write::batch::{Batch, Idempotent};
use crate::write::job::WriteCommand;
use crate::write::reply::Expirations;
use crate::write::request::{RequestContext, RequestOptions};

/// Records at most `limit` keys that are due, soonest first.
struct ExpireDue {
    limit: usize,
}

impl WriteCommand for ExpireDue {
    type Reply = Idempotent<Vec<KeyId>>;

    fn account(&self) -> Option<&Account> {
        None
    }

    fn decide(
        &self,
        context: &RequestContext,
        batch: &mut Batch<'_>,
    ) -> Result<Idempotent<Vec<KeyId>>, Error> {
        batch.once(context, |batch| batch.expire_due(context, self.limit))
    }
}

impl Ledger {
    /// Records what is due, at most `limit` keys, soonest first.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn expire_due(
        &self,
        caller: &Caller,
        limit: usize,
        idempotency: Option<Idempotency>,
    ) -> Result<Expirations, Error> {
        caller.require_role(EXPIRE)?;
        let options = RequestOptions { idempotency, ..RequestOptions::default() };
        let context = RequestContext::new(caller, &options);
        let (expired, replayed) = match self.submit(context, ExpireDue { limit }).await? {
            Idempotent::Decided(expired) => (expired, false),
            Idempotent::Earlier(Outcome { first, count, .. }) => {
                let records = self.read_chunk(first, count as usize).await?;
                (records.into_iter().map(|read| read.record.links.own.key).collect(), true)
            }
        };
        let next_due = self.state().table.next_due();
        let more = next_due.is_some_and(|due| due <= self.now());
        Ok(Expirations { expired, more, next_due, replayed })
    }
}
