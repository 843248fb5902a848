//! Questions over many keys: what falls due, who held what, the table as one number.

use std::sync::Arc;

use eventlog::Seq;
use keys::{Account, Timestamp};

use crate::api::{Error, Held, KeyView};
use crate::caller::{AUDIT, Caller, READ};
use crate::command::view;
use crate::ledger::Ledger;
use crate::state::State;
use crate::table::Key;

impl Ledger {
    /// Keys whose time runs out within `within_s` seconds, soonest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn expiring(
        &self,
        caller: &Caller,
        within_s: u64,
        limit: usize,
    ) -> Result<Vec<KeyView>, Error> {
        caller.require(READ)?;
        let now = self.now();
        let table = &self.state().table;
        let due = table.due(now.plus_secs(within_s), usize::MAX);
        let keys = due.into_iter().filter_map(|id| table.get(id));
        let seen = keys.filter(|key| caller.sees(&key.made.account));
        Ok(seen.take(limit).map(|key| view(&key, key.state().standing, now)).collect())
    }

    /// Who held which usable key between two moments, by key id. Reads the log.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], or a fault of the storage.
    pub fn held(
        &self,
        caller: &Caller,
        account: Option<&Account>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Held>, Error> {
        caller.require(READ)?;
        let mut held = Vec::new();
        for key in self.state().table.slice(0, usize::MAX) {
            let wanted = caller.sees(&key.made.account)
                && account.is_none_or(|account| *account == key.made.account)
                && key.created_at < to;
            if wanted {
                self.spans(&key, (from, to), &mut held)?;
            }
        }
        held.sort_by_key(|held| (held.key.id, held.from));
        Ok(held)
    }

    /// The times between `from` and `to` in which `key` was enabled and not due.
    fn spans(
        &self,
        key: &Arc<Key>,
        (from, to): (Timestamp, Timestamp),
        held: &mut Vec<Held>,
    ) -> Result<(), Error> {
        let chain = self.chain(key)?;
        let records = chain.iter().map(|entry| &entry.record).take_while(|record| record.at < to);
        let records: Vec<_> = records.collect();
        let mut spans: Vec<(Timestamp, Timestamp)> = Vec::new();
        let mut last = None;
        for count in 1..=records.len() {
            let upto = records.iter().take(count).copied();
            let Some(standing) = crate::trail::fold(key, upto) else { continue };
            let start = standing.updated_at;
            let next = records.get(count).map_or(to, |record| record.at);
            let end = standing.expires_at.map_or(next, |due| due.min(next));
            last = Some(standing);
            if standing.status == keys::Status::Enabled && start < end && from < end {
                let start = start.max(from);
                match spans.last_mut() {
                    Some((_, until)) if *until == start => *until = end,
                    Some(_) | None => spans.push((start, end)),
                }
            }
        }
        let Some(last) = last else { return Ok(()) };
        held.extend(spans.into_iter().map(|(from, until)| Held {
            key: Arc::clone(&key.made),
            from,
            until,
            status: last.status_at(to),
        }));
        Ok(())
    }

    /// SHA-256 over the key table as of a length of the log (now, if `None`), and that length.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts; [`Error::BeyondTheLog`].
    pub fn table_digest(
        &self,
        caller: &Caller,
        length: Option<Seq>,
    ) -> Result<(Seq, [u8; 32]), Error> {
        caller.require_all(AUDIT)?;
        let size = self.state().size();
        let length = length.unwrap_or(size);
        if length > size {
            return Err(Error::BeyondTheLog { length: size });
        }
        // Replayed, not read off the live table: that one moves while it is walked.
        let (log, clock) = (Arc::clone(&self.state().log), Arc::clone(&self.state().clock));
        let state = State::new(log, clock, None);
        state.catch_up(length).map_err(Error::fault)?;
        Ok((length, state.table.digest()))
    }
}
