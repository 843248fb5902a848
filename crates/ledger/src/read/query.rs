//! Reading: keys and verify, as they are and as they were. Nothing here writes, and nothing waits
//! for the writer.

use std::sync::Arc;

use eventlog::Seq;
use keys::{
    Account, Dialect, Digest, Environment, KeyId, KeyRole, KeyState, Kind, NewKey, Project,
    Question, Refusal, Status, Subject, Timestamp, Verdict, judge,
};

use crate::caller::{AUDIT, Caller, READ, Scope, VERIFY};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Page;
use crate::projection::key_view::KeyView;
use crate::projection::table::{AccountKeys, Key, KeyTable};
use crate::read::as_of::Moment;
use crate::write::request::RequestOptions;

/// Keys looked at, or records read, for one page: bounds the work of one call.
const MOST_LOOKED_AT: usize = 10_000;
/// Keys copied out under one hold of a lock.
const SLICE: usize = 256;

/// Which keys to list. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each is the attribute of the same name, equal to what is asked")]
pub struct KeyFilter {
    pub account: Option<Account>,
    pub status: Option<Status>,
    pub environment: Option<Environment>,
    pub kind: Option<Kind>,
    pub owner: Option<Subject>,
    pub project: Option<Project>,
    pub role: Option<KeyRole>,
    pub dialect: Option<Dialect>,
    /// The shown prefix begins with this.
    pub prefix: Option<Box<str>>,
    /// Name or description contain this, whatever the case.
    pub q: Option<Box<str>>,
    /// The due time lies before this.
    pub expires_before: Option<Timestamp>,
}

/// The answer to a verify.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The first verdict that holds.
    pub verdict: Verdict,
    /// The key; `None` if it is malformed or not found.
    pub key: Option<Arc<NewKey>>,
    /// Its due time now, which a rotation may have brought forward.
    pub expires_at: Option<Timestamp>,
    /// How often it may still be used today; `None` without a limit.
    pub remaining_today: Option<u32>,
    /// The length of the log that the answer has seen.
    pub log_size: Seq,
}

impl Ledger {
    /// One key.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`] also for a key of an account that the caller does not see.
    pub fn key(&self, caller: &Caller, id: KeyId) -> Result<KeyView, Error> {
        caller.require(READ)?;
        let key = self.find(caller, id, &RequestOptions::default())?;
        Ok(KeyView::new(&key, key.state().standing, self.judged_at()))
    }

    /// One key as it was at `moment`. Reads the log if the key has changed since.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`] also for a key that was made later or of an account that the caller
    /// does not see; a fault of the storage.
    pub fn key_as_of(&self, caller: &Caller, id: KeyId, moment: &Moment) -> Result<KeyView, Error> {
        caller.require(READ)?;
        let key = self.find(caller, id, &RequestOptions::default())?;
        let (standing, _) = self.standing_at(&key, moment)?;
        let standing = standing.ok_or(Error::Refused(Refusal::UnknownKey))?;
        Ok(view_at(&key, standing, moment))
    }

    /// A page of keys in the order they were made, from position `after` on (0 is the start).
    /// Memory only.
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
        self.keys_as_of(caller, filter, after, limit, &Moment::present(self.judged_at()))
    }

    /// A page of keys as they were at `moment`; a position is the same at every moment. Reads the
    /// log for keys that have changed since.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], or a fault of the storage.
    pub fn keys_as_of(
        &self,
        caller: &Caller,
        filter: &KeyFilter,
        after: u64,
        limit: usize,
        moment: &Moment,
    ) -> Result<Page<KeyView, u64>, Error> {
        caller.require(READ)?;
        let kept = self.kept(caller, filter.account.as_ref());
        let mut place = usize::try_from(after).unwrap_or(usize::MAX);
        let last = place.saturating_add(MOST_LOOKED_AT);
        let (mut items, mut read) = (Vec::new(), 0);
        while items.len() < limit && place < last && read < MOST_LOOKED_AT {
            let slice = kept.slice(place, SLICE);
            if slice.is_empty() {
                return Ok(Page { items, next: None });
            }
            self.still_wanted()?;
            for key in slice {
                if items.len() == limit || read >= MOST_LOOKED_AT {
                    break;
                }
                place += 1;
                if !is_of(filter, &key.made) {
                    continue;
                }
                let (standing, cost) = self.standing_at(&key, moment)?;
                read += cost;
                // Keys are in the order they were made: all that follow were made later, too.
                let Some(standing) = standing else { return Ok(Page { items, next: None }) };
                if stands_so(filter, &standing, moment) {
                    items.push(view_at(&key, standing, moment));
                }
            }
        }
        let more = kept.slice(place, 1).first().is_some_and(|key| !moment.precedes(key));
        Ok(Page { items, next: more.then_some(place as u64) })
    }

    /// The keys of `account`, or of all that the caller sees.
    pub(crate) fn kept(&self, caller: &Caller, account: Option<&Account>) -> Kept<'_> {
        let table = &self.state().table;
        match caller.identity.scope.narrowed(account) {
            Some(Scope::All) => Kept::All(table),
            Some(Scope::Account(account)) => Kept::Of(table.account(account.as_str())),
            None => Kept::Of(None),
        }
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
        let key = match self.bearing(caller, presented) {
            Ok(key) => key,
            Err(verdict) => return Ok(Verified::without_key(verdict, log_size)),
        };
        let now = self.judged_at();
        let standing = key.state().standing;
        if let Some(due) = standing.expires_at.filter(|due| *due <= now) {
            self.state().reached.met_due(due);
        }
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

    /// Judges a presented key as it was at `moment`. Counts no use, and knows of none: counts are
    /// not in the log, so that no answer is [`Verdict::UsageExceeded`]. Reads the log if the key
    /// has changed since.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins; a fault of the storage.
    pub fn verify_as_of(
        &self,
        caller: &Caller,
        presented: &str,
        question: &Question,
        moment: &Moment,
    ) -> Result<Verified, Error> {
        caller.require(AUDIT)?;
        let nothing = |verdict| Ok(Verified::without_key(verdict, moment.length));
        let key = match self.bearing(caller, presented) {
            Ok(key) => key,
            Err(verdict) => return nothing(verdict),
        };
        let (Some(standing), _) = self.standing_at(&key, moment)? else {
            return nothing(Verdict::NotFound);
        };
        Ok(Verified {
            verdict: judge(&key.made, &standing, question, moment.at),
            key: Some(Arc::clone(&key.made)),
            expires_at: standing.expires_at,
            remaining_today: None,
            log_size: moment.length,
        })
    }

    /// The key of that text, as far as the caller may know of it.
    fn bearing(&self, caller: &Caller, presented: &str) -> Result<Arc<Key>, Verdict> {
        let digest = Digest::of_presented(presented).ok_or(Verdict::Malformed)?;
        let key = self.state().table.by_digest(&digest).ok_or(Verdict::NotFound)?;
        if caller.sees(&key.made.account) { Ok(key) } else { Err(Verdict::NotFound) }
    }
}

impl Verified {
    fn without_key(verdict: Verdict, log_size: Seq) -> Verified {
        Verified { verdict, key: None, expires_at: None, remaining_today: None, log_size }
    }
}

/// The keys that a list goes through, in the order they were made.
pub(crate) enum Kept<'t> {
    All(&'t KeyTable),
    /// Those of one account, if it has any.
    Of(Option<Arc<AccountKeys>>),
}

impl Kept<'_> {
    /// Up to `limit` keys from position `after` on.
    pub(crate) fn slice(&self, after: usize, limit: usize) -> Vec<Arc<Key>> {
        match self {
            Kept::All(table) => table.slice(after, limit),
            Kept::Of(keys) => keys.as_ref().map(|k| k.slice(after, limit)).unwrap_or_default(),
        }
    }
}

fn view_at(key: &Key, standing: KeyState, moment: &Moment) -> KeyView {
    let view = KeyView::new(key, standing, moment.at);
    // The log does not know of uses.
    let last_used_at = view.last_used_at.filter(|_| moment.is_present());
    KeyView { last_used_at, ..view }
}

/// Whether what never changes about a key is as the filter wants it.
fn is_of(filter: &KeyFilter, key: &NewKey) -> bool {
    filter.environment.is_none_or(|wanted| wanted == key.environment)
        && filter.kind.is_none_or(|wanted| wanted == key.kind)
        && filter.dialect.is_none_or(|wanted| wanted == key.dialect)
        && filter.owner.as_ref().is_none_or(|wanted| *wanted == key.owner)
        && filter.project.as_ref().is_none_or(|wanted| Some(wanted) == key.project.as_ref())
        && filter.role.as_ref().is_none_or(|wanted| Some(wanted) == key.role.as_ref())
        && filter.prefix.as_ref().is_none_or(|wanted| key.prefix.as_str().starts_with(&**wanted))
        && filter.q.as_ref().is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            key.name.as_str().to_lowercase().contains(&wanted)
                || key
                    .description
                    .as_ref()
                    .is_some_and(|text| text.as_str().to_lowercase().contains(&wanted))
        })
}

/// Whether a key stands as the filter wants it.
fn stands_so(filter: &KeyFilter, standing: &KeyState, moment: &Moment) -> bool {
    let KeyFilter { status, expires_before, .. } = filter;
    status.is_none_or(|wanted: Status| wanted == standing.status_at(moment.at))
        && expires_before.is_none_or(|end| standing.expires_at.is_some_and(|due| due < end))
}
