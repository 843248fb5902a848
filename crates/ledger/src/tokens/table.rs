//! The rows of all tokens, and the rules that end others. Bounded; time comes from the caller.
//!
//! A row whose time is over is dropped when there are many, by a clock that did not just jump: the
//! next moment it may be right again, and an ended token must not be good then. In a full table
//! more tokens are taken all the same, but only for as long as somebody remembers them: they are not
//! listed, and end by rules or while they are remembered.

mod erased;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, Weak};

use hashbrown::HashMap;
use keys::{Account, Timestamp};

use super::row::TokenRow;
use super::rules::Rules;
use crate::keyring::{Keyring, Mac};
use crate::record::token::{OwnToken, TokenRange};

/// How far two clocks may differ, with which a token may outlive its time.
const LEEWAY_S: u64 = 120;
/// The least time between two looks for rows whose time is over.
const SWEEP_S: u64 = 60;

/// How much is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Rows that are listed.
    pub(super) tokens: usize,
    /// Rows of one account, as far as its own callers make more.
    pub(super) tokens_of_one: usize,
    /// Up to so many rows and rules, those whose time is over stay.
    pub(super) sweep_from: usize,
    /// Rules.
    pub(super) rules: usize,
    /// Rules of one account.
    pub(super) rules_of_one: usize,
}

/// The place of a token in lists: when it was made, and its id.
pub type TokenPlace = (Timestamp, Arc<str>);

pub(super) struct Table {
    bounds: Bounds,
    /// The longest life of a token.
    max_ttl_s: u64,
    rows: HashMap<Arc<str>, Entry>,
    order: BTreeSet<TokenPlace>,
    of_account: HashMap<Option<Account>, usize>,
    rules: Rules,
    /// Tokens that were ended, and whose bearers were erased since: when each ended.
    ended_of_erased: HashMap<Mac, Timestamp>,
    keyring: Arc<Keyring>,
    /// Rows beyond the bound.
    unlisted: Vec<Weak<TokenRow>>,
    /// The ids of tokens whose use is to be recorded.
    unrecorded: Vec<Arc<str>>,
    swept_at: Option<Timestamp>,
    /// How many of the rows were ended.
    ended: usize,
}

pub(super) struct Entry {
    pub(super) row: Arc<TokenRow>,
    /// The request that made it.
    pub(super) request: Option<[u8; 32]>,
    /// Whether it is on record that it was made.
    pub(super) made: Made,
    /// When it was last used, as far as that is on record; [`Timestamp::MIN`] while it waits for
    /// being recorded.
    sighted: Option<Timestamp>,
}

/// What the journal says of a token's making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// Not here.
    Elsewhere,
    /// It is about to.
    Unrecorded,
    /// It does.
    Recorded,
    /// It does, and this process made it.
    Here,
}

/// Why a token is not good, though it was signed here and its time is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotGood {
    /// It was ended.
    Ended,
    /// Another token has the same id.
    SameId,
}

impl Table {
    pub(super) fn new(bounds: Bounds, max_ttl_s: u64, keyring: Arc<Keyring>) -> Table {
        Table {
            bounds,
            max_ttl_s,
            rows: HashMap::new(),
            order: BTreeSet::new(),
            of_account: HashMap::new(),
            rules: Rules::default(),
            ended_of_erased: HashMap::new(),
            keyring,
            unlisted: Vec::new(),
            unrecorded: Vec::new(),
            swept_at: None,
            ended: 0,
        }
    }

    /// How many of the rows were ended before their time.
    pub(super) fn ended(&self) -> usize {
        self.ended
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, jti: &str) -> Option<&Entry> {
        self.rows.get(jti)
    }

    /// The row of a token whose signature is good.
    pub(super) fn see(&mut self, token: &OwnToken) -> Result<Arc<TokenRow>, NotGood> {
        if let Some(entry) = self.rows.get(&token.jti) {
            if !entry.row.token.is(token) {
                return Err(NotGood::SameId);
            }
            let row = Arc::clone(&entry.row);
            if entry.sighted.is_none() && !row.is_ended() {
                self.await_record(&row);
            }
            return Ok(row);
        }
        let is_early = self.earliest(token).is_some_and(|earliest| token.made_at < earliest);
        if is_early || self.was_of_erased(token) {
            return Err(NotGood::Ended);
        }
        let row = Arc::new(TokenRow::new(token.clone()));
        if self.rows.len() >= self.bounds.tokens {
            self.remember_unlisted(&row);
            return Ok(row);
        }
        self.insert(Arc::clone(&row), None, Made::Elsewhere);
        self.await_record(&row);
        Ok(row)
    }

    fn remember_unlisted(&mut self, row: &Arc<TokenRow>) {
        if self.unlisted.len() == self.unlisted.capacity() {
            self.unlisted.retain(|row| row.strong_count() > 0);
            // Twice what lives, so that this is seldom done.
            self.unlisted.reserve(self.unlisted.len().max(64));
        }
        self.unlisted.push(Arc::downgrade(row));
    }

    fn await_record(&mut self, row: &TokenRow) {
        let Some(entry) = self.rows.get_mut(&row.token.jti) else { return };
        entry.sighted = Some(Timestamp::MIN);
        self.unrecorded.push(Arc::clone(&row.token.jti));
    }

    fn insert(&mut self, row: Arc<TokenRow>, request: Option<[u8; 32]>, made: Made) {
        let token = &row.token;
        self.order.insert((token.made_at, Arc::clone(&token.jti)));
        *self.of_account.entry(token.account.clone()).or_default() += 1;
        let jti = Arc::clone(&token.jti);
        self.rows.insert(jti, Entry { row, request, made, sighted: None });
    }

    /// Takes a row out: the token was not made.
    pub(super) fn unmake(&mut self, token: &OwnToken) {
        if self.rows.get(&token.jti).is_some_and(|entry| entry.made == Made::Unrecorded) {
            self.remove(&token.jti);
        }
    }

    fn remove(&mut self, jti: &str) {
        let Some(entry) = self.rows.remove(jti) else { return };
        self.ended -= usize::from(entry.row.is_ended());
        let token = &entry.row.token;
        self.order.remove(&(token.made_at, Arc::clone(&token.jti)));
        if let Some(count) = self.of_account.get_mut(&token.account) {
            *count -= 1;
            if *count == 0 {
                self.of_account.remove(&token.account);
            }
        }
    }

    /// Whether there is room for one more token that is made for `account`.
    pub(super) fn has_room(&self, account: Option<&Account>) -> bool {
        let of_one = self.of_account.get(&account.cloned()).copied().unwrap_or(0);
        self.rows.len() < self.bounds.tokens && of_one < self.bounds.tokens_of_one
    }

    /// Whether there is room for the rule of `range`.
    pub(super) fn has_room_for(&self, range: &TokenRange) -> bool {
        let Table { bounds, rules, .. } = self;
        let has_room =
            || rules.len() < bounds.rules && rules.of(range.account.as_ref()) < bounds.rules_of_one;
        rules.has_like(range, &self.keyring) || has_room()
    }

    /// Adds a token that is about to be recorded as made.
    pub(super) fn make(&mut self, token: OwnToken, request: Option<[u8; 32]>) {
        self.insert(Arc::new(TokenRow::new(token)), request, Made::Unrecorded);
    }

    /// From when on a token like this one must have been made.
    pub(super) fn earliest(&self, token: &OwnToken) -> Option<Timestamp> {
        self.rules.earliest(token, &self.keyring)
    }

    /// It is on record that `token` was made.
    pub(super) fn was_made(&mut self, token: &OwnToken, request: Option<[u8; 32]>, at: Timestamp) {
        match self.rows.get_mut(&token.jti) {
            Some(entry) if entry.row.token.is(token) => {
                let here = matches!(entry.made, Made::Unrecorded | Made::Here);
                entry.made = if here { Made::Here } else { Made::Recorded };
                entry.request = request;
            }
            Some(_) => {}
            None => self.restore(token, request, Made::Recorded, at),
        }
    }

    /// Adds a token that the journal names `at` a moment. It may have been ended with others before
    /// that was written.
    fn restore(&mut self, token: &OwnToken, request: Option<[u8; 32]>, made: Made, at: Timestamp) {
        if self.rows.len() >= self.bounds.tokens {
            // A start, which reads entries of years.
            self.sweep(at);
        }
        if self.rows.len() >= self.bounds.tokens {
            return;
        }
        let row = Arc::new(TokenRow::new(token.clone()));
        let is_early = self.earliest(token).is_some_and(|earliest| token.made_at < earliest);
        if is_early || self.was_of_erased(token) {
            row.end(at);
            self.ended += 1;
        }
        self.insert(row, request, made);
    }

    /// It is on record that `token` was used.
    pub(super) fn was_seen(&mut self, token: &OwnToken, at: Timestamp) {
        if !self.rows.contains_key(&token.jti) {
            self.restore(token, None, Made::Elsewhere, at);
        }
        if let Some(entry) = self.rows.get_mut(&token.jti).filter(|it| it.row.token.is(token)) {
            entry.row.saw(at);
            entry.sighted = entry.sighted.max(Some(at));
        }
    }

    /// It is on record that `token` was ended. `false` if it had ended.
    pub(super) fn was_ended(&mut self, token: &OwnToken, mac: Option<Mac>, at: Timestamp) -> bool {
        if let Some(mac) = mac.filter(|_| token.is_erased()) {
            self.ended_of_erased.insert(mac, at);
            return false;
        }
        let of_the_id = |row: &&Arc<TokenRow>| row.token.jti == token.jti;
        let unlisted: Vec<_> = self.unlisted.iter().filter_map(Weak::upgrade).collect();
        for row in unlisted.iter().filter(of_the_id) {
            row.end(at);
        }
        if !self.rows.contains_key(&token.jti) {
            // Past the bound too: it must be known.
            self.insert(Arc::new(TokenRow::new(token.clone())), None, Made::Elsewhere);
        }
        let first = self.rows.get(&token.jti).is_some_and(|entry| entry.row.end(at));
        self.ended += usize::from(first);
        first
    }

    /// It is on record that all of `range` were ended. How many of those that are known.
    pub(super) fn were_ended(
        &mut self,
        range: &TokenRange,
        mac: Option<Mac>,
        at: Timestamp,
    ) -> usize {
        self.rules.add(range, mac);
        let covered = |row: &Arc<TokenRow>| range.covers(&row.token);
        for row in self.unlisted.iter().filter_map(Weak::upgrade).filter(covered) {
            row.end(at);
        }
        let rows = self.rows.values().map(|entry| &entry.row);
        let ended = rows.filter(|row| covered(row) && row.end(at)).count();
        self.ended += ended;
        ended
    }

    /// How many of `range` would be ended, and when the newest of those was made.
    pub(super) fn living(&self, range: &TokenRange) -> (usize, Option<Timestamp>) {
        let rows = self.rows.values().map(|entry| &entry.row);
        let living = rows.filter(|row| !row.is_ended() && range.covers(&row.token));
        living.fold((0, None), |(count, newest), row| {
            (count + 1, newest.max(Some(row.token.made_at)))
        })
    }

    /// The row of a token, listed or not.
    pub(super) fn find(&self, jti: &str) -> Option<Arc<TokenRow>> {
        let listed = self.rows.get(jti).map(|entry| Arc::clone(&entry.row));
        let mut unlisted = self.unlisted.iter().filter_map(Weak::upgrade);
        listed.or_else(|| unlisted.find(|row| &*row.token.jti == jti))
    }

    /// The rows behind `after`, in the order of having been made.
    pub(super) fn after(&self, after: Option<&TokenPlace>) -> impl Iterator<Item = &Entry> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let places = self.order.range::<TokenPlace, _>((from, Bound::Unbounded));
        places.filter_map(|(_, jti)| self.rows.get(jti))
    }

    /// The tokens whose use is to be recorded, at most `most`, each with when it was last used.
    pub(super) fn take_unrecorded(&mut self, most: usize) -> Vec<(OwnToken, Timestamp)> {
        let rest = self.unrecorded.len().saturating_sub(most);
        let taken = self.unrecorded.drain(rest..).filter_map(|jti| {
            let row = &self.rows.get(&jti)?.row;
            Some((row.token.clone(), row.last_used_at().unwrap_or(row.token.made_at)))
        });
        taken.collect()
    }

    /// Its use was not recorded: it is to be tried again.
    pub(super) fn not_recorded(&mut self, jti: Arc<str>) {
        self.unrecorded.push(jti);
    }

    /// Has the use of tokens recorded again whose last use is `interval_s` behind the recorded one.
    pub(super) fn record_again(&mut self, interval_s: u64) {
        let Table { rows, unrecorded, .. } = self;
        for entry in rows.values_mut() {
            let (Some(used), Some(sighted)) = (entry.row.last_used_at(), entry.sighted) else {
                continue;
            };
            // One that waits is not put there twice.
            if sighted > Timestamp::MIN && used >= sighted.plus_secs(interval_s) {
                entry.sighted = Some(Timestamp::MIN);
                unrecorded.push(Arc::clone(&entry.row.token.jti));
            }
        }
    }

    /// Forgets what is over by `now`, if there is much.
    pub(super) fn forget(&mut self, now: Timestamp) {
        if self.rows.len() + self.rules.len() >= self.bounds.sweep_from {
            self.sweep(now);
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        // Later than a clock that was set back since.
        let lately = |at: Timestamp| at <= now && now < at.plus_secs(SWEEP_S);
        if self.swept_at.is_some_and(lately) {
            return;
        }
        self.swept_at = Some(now);
        let longest = self.max_ttl_s.saturating_add(LEEWAY_S);
        let over = |row: &TokenRow| {
            let ends_at = row.token.ends_at.plus_secs(LEEWAY_S);
            // The end of an id holds for as long as any token of that id.
            let ended = row.ended_at().map(|at| at.plus_secs(longest));
            ended.map_or(ends_at, |ended| ended.max(ends_at)) < now
        };
        let over = self.rows.values().map(|entry| &entry.row).filter(|row| over(row));
        let over: Vec<_> = over.map(Arc::clone).collect();
        for row in over {
            self.remove(&row.token.jti);
            // Whoever still remembers it must see its end.
            if Arc::strong_count(&row) > 1 {
                self.remember_unlisted(&row);
            }
        }
        self.ended_of_erased.retain(|_, at| at.plus_secs(longest) >= now);
        let oldest = now.micros().saturating_sub(micros(longest));
        self.rules.forget(Timestamp::from_micros(oldest));
    }
}

fn micros(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}
