//! A request that is sent again has the outcome that it had.

use super::{Batch, Idempotent};
use crate::error::Error;
use crate::projection::outcomes::Outcome;
use crate::record::Idempotency;
use crate::write::request::RequestContext;

impl<'s> Batch<'s> {
    /// Decides a command, unless the same request was answered before.
    pub(crate) fn once<R>(
        &mut self,
        context: &RequestContext,
        decide: impl FnOnce(&mut Batch<'s>) -> Result<R, Error>,
    ) -> Result<Idempotent<R>, Error> {
        if let Some(outcome) = self.earlier(context)? {
            return Ok(Idempotent::Earlier(outcome));
        }
        self.still_acts(context)?;
        decide(self).map(Idempotent::Decided)
    }

    /// The earlier outcome of the same request, if there is one.
    fn earlier(&self, context: &RequestContext) -> Result<Option<Outcome>, Error> {
        let Some(Idempotency { key, request }) = context.idempotency else { return Ok(None) };
        let mut remembered = self.state.outcomes.lock();
        match self.outcomes.get(&key).copied().or_else(|| remembered.find(&key, self.now)) {
            Some(outcome) if outcome.request == request => Ok(Some(outcome)),
            Some(_) => Err(Error::IdempotencyMismatch),
            None if remembered.has_room(&context.caller.holder(), self.outcomes.len()) => Ok(None),
            None => Err(Error::OutcomesFull),
        }
    }
}
