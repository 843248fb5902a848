//! That a caller reads a part of the trail: recorded before it is shown.

use ledger::{Entry, EventFilter, Range, Reading};

use crate::app::App;
use crate::error::ApiError;
use crate::request::authenticated::Reader;

impl Reader {
    /// Records that this caller reads a part of the trail, before it is shown.
    ///
    /// Where it cannot be recorded because a disk failed or is full, it is shown all the same, and
    /// the answer says so: the journal tells the operator, and a fault must not blind those who look
    /// into it.
    pub(crate) async fn record(
        &self,
        app: &App,
        reading: Reading,
        range: Range,
    ) -> Result<(), ApiError> {
        match app.journal().record(&self.caller, reading, range).await {
            Ok(()) => return Ok(()),
            Err(error @ ledger::Error::Overloaded) => return Err(error.into()),
            Err(ledger::Error::Broken | ledger::Error::Full) => {}
            Err(error) => {
                tracing::error!(%error, reading = reading.as_str(), "a reading was not recorded");
            }
        }
        self.connection.say_unrecorded();
        Ok(())
    }
}

/// The places from the first to the last of what is shown; nothing shown is an empty range.
pub(crate) fn range_of<'e>(shown: impl Iterator<Item = &'e Entry> + Clone) -> Range {
    let first = shown.clone().map(|entry| entry.seq).min();
    let last = shown.map(|entry| entry.seq.next()).max();
    let from = first.unwrap_or_default();
    Range { from, until: Some(last.unwrap_or(from)), ..Range::default() }
}

/// What an account's or a key's events are recorded as.
pub(crate) fn range_for(filter: &EventFilter) -> Range {
    Range { account: filter.account.clone(), key: filter.key, ..Range::default() }
}
