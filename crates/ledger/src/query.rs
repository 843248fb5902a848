//! Reading: keys and verify. Nothing here writes, and nothing waits for the writer.

use std::sync::Arc;

use keys::{Digest, KeyId, Question, Status, Verdict, judge};

use crate::api::{Ask, Error, KeyFilter, KeyView, Page, Verified};
use crate::caller::{Caller, READ, Scope, VERIFY};
use crate::command::view;
use crate::ledger::Ledger;

/// Keys looked at for one page: bounds the work of one call.
const MOST_LOOKED_AT: usize = 10_000;
/// Keys copied out under one hold of a lock.
const SLICE: usize = 256;

impl Ledger {
    /// One key.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`] also for a key of an account that the caller does not see.
    pub fn key(&self, caller: &Caller, id: KeyId) -> Result<KeyView, Error> {
        caller.require(READ)?;
        let key = self.find(caller, id, &Ask::default())?;
        Ok(view(&key, key.state().standing, self.now()))
    }

    /// A page of keys in the order they were made, from position `after` on (0 is the start).
    ///
    /// A page can be short, even empty, and not the last: `next` says.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn keys(
        &self,
        caller: &Caller,
        filter: &KeyFilter,
        after: u64,
        limit: usize,
    ) -> Result<Page<KeyView, u64>, Error> {
        caller.require(READ)?;
        let scope = match (&caller.identity.scope, &filter.account) {
            (Scope::All, None) => None,
            (Scope::All, Some(asked)) => Some(asked),
            (Scope::Account(own), None) => Some(own),
            (Scope::Account(own), Some(asked)) if own == asked => Some(own),
            (Scope::Account(_), Some(_)) => return Ok(Page { items: Vec::new(), next: None }),
        };
        let now = self.now();
        let table = &self.state().table;
        let account = match scope {
            None => None,
            Some(account) => match table.account(account.as_str()) {
                Some(keys) => Some(keys),
                None => return Ok(Page { items: Vec::new(), next: None }),
            },
        };
        let mut place = usize::try_from(after).unwrap_or(usize::MAX);
        let last = place.saturating_add(MOST_LOOKED_AT);
        let mut items = Vec::new();
        while items.len() < limit && place < last {
            let slice = match &account {
                Some(keys) => keys.slice(place, SLICE),
                None => table.slice(place, SLICE),
            };
            let end = slice.len() < SLICE;
            for key in slice {
                if items.len() == limit {
                    break;
                }
                place += 1;
                let view = view(&key, key.state().standing, now);
                if matches(filter, &view) {
                    items.push(view);
                }
            }
            if end && items.len() < limit {
                return Ok(Page { items, next: None });
            }
        }
        let length = account.map_or_else(|| table.len(), |keys| keys.len());
        Ok(Page { items, next: (place < length).then_some(place as u64) })
    }

    /// Judges a presented key, and counts the use if it is valid. Memory only.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn verify(
        &self,
        caller: &Caller,
        presented: &str,
        question: &Question,
    ) -> Result<Verified, Error> {
        caller.require(VERIFY)?;
        // Before the lookup: the answer has seen at least this much.
        let log_size = self.state().size();
        let nothing = |verdict| Verified {
            verdict,
            key: None,
            expires_at: None,
            remaining_today: None,
            log_size,
        };
        let Some(digest) = Digest::of_presented(presented) else {
            return Ok(nothing(Verdict::Malformed));
        };
        let Some(key) = self.state().table.by_digest(&digest) else {
            return Ok(nothing(Verdict::NotFound));
        };
        if !caller.sees(&key.made.account) {
            return Ok(nothing(Verdict::NotFound));
        }
        let now = self.now();
        let standing = key.state().standing;
        let mut verdict = judge(&key.made, &standing, question, now);
        let mut remaining_today = None;
        if verdict == Verdict::Valid {
            (verdict, remaining_today) = match key.uses.count(now, key.made.daily_limit) {
                Ok(remaining) => (Verdict::Valid, remaining),
                Err(()) => (Verdict::UsageExceeded, Some(0)),
            };
        }
        Ok(Verified {
            verdict,
            key: Some(Arc::clone(&key.made)),
            expires_at: standing.expires_at,
            remaining_today,
            log_size,
        })
    }
}

fn matches(filter: &KeyFilter, view: &KeyView) -> bool {
    let KeyView { key, standing, status, .. } = view;
    filter.status.is_none_or(|wanted: Status| wanted == *status)
        && filter.environment.is_none_or(|wanted| wanted == key.environment)
        && filter.kind.is_none_or(|wanted| wanted == key.kind)
        && filter.dialect.is_none_or(|wanted| wanted == key.dialect)
        && filter.owner.as_ref().is_none_or(|wanted| *wanted == key.owner)
        && filter.project.as_ref().is_none_or(|wanted| Some(wanted) == key.project.as_ref())
        && filter.role.as_ref().is_none_or(|wanted| Some(wanted) == key.role.as_ref())
        && filter.prefix.as_ref().is_none_or(|wanted| key.prefix.as_str().starts_with(&**wanted))
        && filter.expires_before.is_none_or(|wanted| standing.expires_at < Some(wanted))
        && (filter.expires_before.is_none() || standing.expires_at.is_some())
        && filter.q.as_ref().is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            key.name.as_str().to_lowercase().contains(&wanted)
                || key
                    .description
                    .as_ref()
                    .is_some_and(|text| text.as_str().to_lowercase().contains(&wanted))
        })
}
