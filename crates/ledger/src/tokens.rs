//! The service's own tokens: which were made or seen, and which were ended before their time.
//!
//! A projection of the access journal, and what verifiers of tokens look at. Who remembers a token
//! holds its row: looking there costs one load, and an end is seen there at once.

mod reach;
mod row;
mod rules;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keys::{Subject, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

pub(crate) use self::reach::Reach;
pub use self::row::TokenRow;
use self::table::{Bounds, Entry, Made, Table};
pub use self::table::{NotGood, TokenPlace};

use crate::caller::{Caller, Scope};
use crate::error::Error;
use crate::keyring::Keyring;
use crate::page::Page;
use crate::record::access::{Access, AccessEvent};
use crate::record::token::{OwnToken, TokenRange};

/// What is held in memory: a row takes some 400 bytes.
const BOUNDS: Bounds = Bounds {
    tokens: 131_072,
    tokens_of_one: 10_000,
    sweep_from: 16_384,
    rules: 16_384,
    rules_of_one: 1_024,
};
/// How far clocks may differ, as with the time of every token.
const LEEWAY_S: u64 = 30;
/// The most rows that are looked at for one page.
const LOOKED_AT: usize = 4_096;

/// All tokens.
pub struct Tokens {
    table: Mutex<Table>,
    /// Counts the times that tokens were ended.
    changed: watch::Sender<u64>,
    /// How often an ended token was shown.
    refused: AtomicU64,
    max_ttl_s: u64,
}

/// A token, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    /// The token.
    pub token: OwnToken,
    /// When it was last used, to within a minute; after a restart to within a day.
    pub last_used_at: Option<Timestamp>,
    /// When it was ended before its time.
    pub ended_at: Option<Timestamp>,
}

/// Which tokens to list; what is missing does not matter.
#[derive(Clone, Debug, Default)]
pub struct TokenFilter {
    /// Bound to this account, or to all.
    pub account: Option<Scope>,
    /// Of this subject.
    pub subject: Option<Subject>,
    /// Whether it was ended before its time.
    pub ended: Option<bool>,
}

/// Numbers of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenStats {
    /// In memory and in lists.
    pub listed: u64,
    /// Ended before their time, of these.
    pub ended: u64,
    /// How often an ended one was shown since the start.
    pub refused: u64,
}

impl TokenView {
    fn new(row: &TokenRow) -> TokenView {
        TokenView {
            token: row.token.clone(),
            last_used_at: row.last_used_at(),
            ended_at: row.ended_at(),
        }
    }

    pub(crate) fn unused(token: OwnToken) -> TokenView {
        TokenView { token, last_used_at: None, ended_at: None }
    }
}

impl TokenFilter {
    fn selects(&self, row: &TokenRow) -> bool {
        let TokenFilter { account, subject, ended } = self;
        let token = &row.token;
        account.as_ref().is_none_or(|scope| scope.account() == token.account.as_ref())
            && subject.as_ref().is_none_or(|subject| *subject == token.subject)
            && ended.is_none_or(|ended| ended == row.is_ended())
    }
}

/// What a request to make a token comes to.
pub(crate) enum Reserved {
    /// It has a place, and is to be recorded.
    New(OwnToken),
    /// The same request made it before.
    Replayed {
        /// The token.
        view: TokenView,
        /// Whether this process did.
        made_here: bool,
    },
}

impl Tokens {
    /// None yet; none lives longer than `max_ttl_s`.
    #[must_use]
    pub fn new(max_ttl_s: u64, keyring: Arc<Keyring>) -> Tokens {
        Tokens {
            table: Mutex::new(Table::new(BOUNDS, max_ttl_s, keyring)),
            changed: watch::Sender::new(0),
            refused: AtomicU64::new(0),
            max_ttl_s,
        }
    }

    /// The longest life of a token, in seconds.
    #[must_use]
    pub fn max_ttl_s(&self) -> u64 {
        self.max_ttl_s
    }

    /// The row of a token whose signature is good, to be remembered with it. The first time it is
    /// recorded that it was seen, within a second.
    ///
    /// # Errors
    ///
    /// [`NotGood`]
    pub fn see(&self, token: &OwnToken) -> Result<Arc<TokenRow>, NotGood> {
        self.table.lock().see(token)
    }

    /// Counts that an ended token was shown.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Notifies when tokens were ended.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How many there are.
    #[must_use]
    pub fn stats(&self) -> TokenStats {
        let table = self.table.lock();
        TokenStats {
            listed: table.len() as u64,
            ended: table.ended() as u64,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// A page of tokens that have nothing that the caller has not itself, in the order of having been
    /// made. Those whose time is over by `now` are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]
    pub fn page(
        &self,
        caller: &Caller,
        filter: &TokenFilter,
        after: Option<&TokenPlace>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<TokenView, TokenPlace>, Error> {
        let reach = Reach::of(caller)?;
        let shown = |row: &TokenRow| {
            is_current(&row.token, now) && reach.covers(&row.token) && filter.selects(row)
        };
        let table = self.table.lock();
        let (mut items, mut next, mut looked_at) = (Vec::new(), None, 0);
        for Entry { row, .. } in table.after(after) {
            if items.len() >= limit || looked_at >= LOOKED_AT {
                return Ok(Page { items, next });
            }
            looked_at += 1;
            next = Some((row.token.made_at, Arc::clone(&row.token.jti)));
            if shown(row) {
                items.push(TokenView::new(row));
            }
        }
        Ok(Page { items, next: None })
    }

    /// Applies what is on record; returns how many tokens that are known it ended.
    pub(crate) fn apply(&self, entry: &Access) -> usize {
        let mut table = self.table.lock();
        let ended = match &entry.event {
            AccessEvent::TokenMade { token, request } => {
                if !token.is_erased() {
                    table.was_made(token, *request, entry.at);
                }
                return 0;
            }
            AccessEvent::TokenSeen(token) => {
                if !token.is_erased() {
                    table.was_seen(token, entry.at);
                }
                return 0;
            }
            AccessEvent::TokenEnded { token, .. } => {
                usize::from(table.was_ended(token, entry.mac, entry.at))
            }
            AccessEvent::TokensEnded { range, .. } => table.were_ended(range, entry.mac, entry.at),
            AccessEvent::Read(_)
            | AccessEvent::SubjectHeld(_)
            | AccessEvent::SubjectReleased(_)
            | AccessEvent::SubjectErased(_) => return 0,
        };
        drop(table);
        self.changed.send_modify(|count| *count += 1);
        ended
    }

    /// Forgets a subject: its tokens are as if they had never been seen, but those that were ended
    /// stay so.
    pub(crate) fn erase(&self, subject: &Subject) {
        self.table.lock().erase(subject);
    }

    /// What could not be recorded did not happen.
    pub(crate) fn not_recorded(&self, event: &AccessEvent) {
        let mut table = self.table.lock();
        match event {
            AccessEvent::TokenMade { token, .. } => table.unmake(token),
            AccessEvent::TokenSeen(token) => table.not_recorded(Arc::clone(&token.jti)),
            AccessEvent::Read(_)
            | AccessEvent::TokenEnded { .. }
            | AccessEvent::TokensEnded { .. }
            | AccessEvent::SubjectHeld(_)
            | AccessEvent::SubjectReleased(_)
            | AccessEvent::SubjectErased(_) => {}
        }
    }

    /// The uses that are to be recorded, at most `most`, each with its moment.
    pub(crate) fn take_unrecorded(&self, most: usize) -> Vec<(OwnToken, Timestamp)> {
        self.table.lock().take_unrecorded(most)
    }

    /// Has the use of tokens recorded again whose last use is `interval_s` behind the recorded one.
    pub(crate) fn record_again(&self, interval_s: u64) {
        self.table.lock().record_again(interval_s);
    }

    /// Forgets what is over by `now`, a time that did not just jump, if there is much.
    pub(crate) fn forget(&self, now: Timestamp) {
        self.table.lock().forget(now);
    }

    /// Gives a token that is to be made its place.
    ///
    /// # Errors
    ///
    /// [`Error::IdempotencyMismatch`], [`Error::Overloaded`] while the same request is under way,
    /// [`Error::TooManyTokens`].
    pub(crate) fn reserve(
        &self,
        mut token: OwnToken,
        request: Option<[u8; 32]>,
        dry_run: bool,
    ) -> Result<Reserved, Error> {
        let mut table = self.table.lock();
        if let Some(entry) = table.get(&token.jti) {
            return match entry.made {
                Made::Recorded | Made::Here if request.is_some() && entry.request == request => {
                    let (view, made_here) = (TokenView::new(&entry.row), entry.made == Made::Here);
                    Ok(Reserved::Replayed { view, made_here })
                }
                Made::Unrecorded => Err(Error::Overloaded),
                Made::Recorded | Made::Here | Made::Elsewhere => Err(Error::IdempotencyMismatch),
            };
        }
        if table.was_of_erased(&token) {
            return Err(Error::IdempotencyMismatch);
        }
        if !table.has_room(token.account.as_ref()) {
            return Err(Error::TooManyTokens);
        }
        // One that is made right after others were ended must be good, though a clock was set back.
        token.made_at = table.earliest(&token).map_or(token.made_at, |it| it.max(token.made_at));
        if !dry_run {
            table.make(token.clone(), request);
        }
        Ok(Reserved::New(token))
    }

    /// The row of a token that `reach` covers.
    ///
    /// # Errors
    ///
    /// [`Error::TokenNotFound`], and [`Error::TokenEnded`] if it was ended before.
    pub(crate) fn to_end(
        &self,
        reach: &Reach,
        jti: &str,
        now: Timestamp,
    ) -> Result<TokenView, Error> {
        let row = self.table.lock().find(jti).filter(|row| reach.covers(&row.token));
        let row = row.filter(|row| is_current(&row.token, now)).ok_or(Error::TokenNotFound)?;
        if row.is_ended() { Err(Error::TokenEnded) } else { Ok(TokenView::new(&row)) }
    }

    /// How many tokens of `range` are not ended yet, and when the newest of them was made.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyTokens`] if there is no room to remember the range.
    pub(crate) fn range_to_end(
        &self,
        range: &TokenRange,
    ) -> Result<(usize, Option<Timestamp>), Error> {
        let table = self.table.lock();
        if !table.has_room_for(range) {
            return Err(Error::TooManyTokens);
        }
        Ok(table.living(range))
    }
}

/// Whether its time is not over.
fn is_current(token: &OwnToken, now: Timestamp) -> bool {
    now < token.ends_at.plus_secs(LEEWAY_S)
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
