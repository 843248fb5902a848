//! Pages of the events of one filter, in either direction.

use ledger::{Caller, Entry, EventFilter, Ledger, Page, Seq, Walk};

/// The events of one filter, as one caller sees them.
#[derive(Clone)]
pub(crate) struct EventWalk {
    pub(crate) caller: Caller,
    pub(crate) filter: EventFilter,
    /// Only events after this place.
    pub(crate) after: Option<Seq>,
}

impl EventWalk {
    /// The next events, at most `limit`; a page may be short although more follow.
    pub(crate) fn read(
        &self,
        ledger: &Ledger,
        walk: Walk,
        limit: usize,
    ) -> Result<Page<Entry, Walk>, ledger::Error> {
        let mut page = ledger.events(&self.caller, &self.filter, walk, limit)?;
        if let (Some(after), Walk::Down(_)) = (self.after, walk) {
            let whole = page.items.len();
            page.items.retain(|entry| entry.seq > after);
            let passed = matches!(page.next, Some(Walk::Down(next)) if next <= after.next());
            if page.items.len() < whole || passed {
                page.next = None;
            }
        }
        Ok(page)
    }
}
