//! Reading the trail: events by place, by filter, by key. Nothing here writes.

use std::sync::Arc;

use eventlog::Seq;
use keys::{Account, EventKind, KeyId, Refusal, Subject, Timestamp};

use crate::caller::{Caller, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::{Page, Walk};
use crate::projection::history::List;
use crate::projection::key_view::KeyView;
use crate::projection::places::Found;
use crate::projection::table::{ChainedState, Key};
use crate::read::as_of::{Moment, first};
use crate::read::chain::{Chain, Linked};
use crate::record::Entry;
use crate::record::replay::{Read, read};
use crate::write::request::RequestOptions;

/// Records read for one page: bounds the work of one call.
const MOST_READ: usize = 1_000;
/// An owner of more keys has records looked for among its account's, not along the links of each key.
const FEW: usize = if cfg!(test) { 12 } else { 4_096 };
/// Records of such keys that only reading finds.
const FEW_READ: usize = if cfg!(test) { 12 } else { 1_024 };
/// Looks at lists of places for one page.
const MOST_LOOKS: usize = 64;

/// Which events to list. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// The account of the key.
    pub account: Option<Account>,
    /// The owner of the key.
    pub owner: Option<Subject>,
    /// The key.
    pub key: Option<KeyId>,
    /// The event's type.
    pub kind: Option<EventKind>,
    /// The subject that acted.
    pub actor: Option<Subject>,
    /// Recorded at this moment or later.
    pub from: Option<Timestamp>,
    /// Recorded before this moment.
    pub to: Option<Timestamp>,
}

impl Ledger {
    /// Every event of a key, oldest first, a page from place `from` on. Reads the log; a bounded
    /// part of it, so that the page of a key with very many events can be short and not the last.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`], or a fault of the storage.
    pub fn history(
        &self,
        caller: &Caller,
        id: KeyId,
        from: Seq,
        limit: usize,
    ) -> Result<Page<Entry, Walk>, Error> {
        self.find(caller.require(READ)?, id, &RequestOptions::default())?;
        let filter = EventFilter { key: Some(id), ..EventFilter::default() };
        self.events(caller, &filter, Walk::Up(from), limit)
    }

    /// One event. Reads the log.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`] also for an event of an account that the caller does not see.
    pub fn event(&self, caller: &Caller, seq: Seq) -> Result<Entry, Error> {
        let grant = caller.require(READ)?;
        let beyond = || Error::BeyondTheLog { length: self.state().size() };
        if seq >= self.state().size() {
            return Err(beyond());
        }
        let entry = self.read_entries(seq, 1)?.pop().ok_or_else(beyond)?;
        let key = self.state().table.get(entry.record.links.own.key);
        if key.is_some_and(|key| grant.covers(&key.attributes())) {
            Ok(entry)
        } else {
            Err(beyond())
        }
    }

    /// What `filter` leaves of what the caller sees; `None` is nothing. Whoever follows events shows
    /// it those of this filter alone.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn event_filter(
        &self,
        caller: &Caller,
        filter: &EventFilter,
    ) -> Result<Option<EventFilter>, Error> {
        let Some(grant) = caller.require(READ)?.within(filter.account.as_ref()) else {
            return Ok(None);
        };
        let owner = match (grant.owner(), &filter.owner) {
            (Some(own), Some(owner)) if own != owner => return Ok(None),
            (own, owner) => own.or(owner.as_ref()).cloned(),
        };
        Ok(Some(EventFilter { account: grant.account().cloned(), owner, ..filter.clone() }))
    }

    /// A page of events. Reads the log; a bounded part of it, so that a page can be short, even
    /// empty, and not the last.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], or a fault of the storage.
    pub fn events(
        &self,
        caller: &Caller,
        filter: &EventFilter,
        walk: Walk,
        limit: usize,
    ) -> Result<Page<Entry, Walk>, Error> {
        let Some(filter) = self.event_filter(caller, filter)? else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let size = self.state().size();
        let (low, high) = self.bounds(&filter, size)?;
        let walk = match walk {
            Walk::Up(from) => Walk::Up(from.max(low)),
            Walk::Down(before) => Walk::Down(before.min(high)),
        };
        let mut page = Page { items: Vec::new(), next: Some(walk) };
        let (mut read, mut looks) = (0, 0);
        while let Some(walk) = page.next
            && page.items.len() < limit
            && read < MOST_READ
            && looks < MOST_LOOKS
        {
            self.still_wanted()?;
            let found = self.places(&filter, walk, (low, high), limit - page.items.len())?;
            for run in runs(&found.places) {
                let entries = self.read_run(run)?.into_iter();
                page.items.extend(entries.filter(|entry| is_wanted(&filter, entry)));
            }
            (read, looks) = (read + found.places.len(), looks + 1);
            page.next = found.next;
        }
        Ok(page)
    }

    /// Up to `limit` places between `low` and `high`, in the walk's order, that can hold what is
    /// wanted, and where to look for more.
    fn places(
        &self,
        filter: &EventFilter,
        walk: Walk,
        (low, high): (Seq, Seq),
        limit: usize,
    ) -> Result<Found, Error> {
        let nothing = Found { places: Vec::new(), next: None };
        let mut account = filter.account.clone();
        let mut first_listed = None;
        if let Some(id) = filter.key {
            let Some(key) = self.state().table.get(id) else { return Ok(nothing) };
            if account.is_some_and(|account| account != key.made.account) {
                return Ok(nothing);
            }
            account = None;
            let Some(first) = self.state().history.first_listed(id) else {
                return self.along(self.chain(&key), filter, walk, (low, high), limit);
            };
            let is_older = match walk {
                Walk::Up(from) => from < first && low < first,
                Walk::Down(before) => before <= first,
            };
            if is_older {
                let (chain, bounds) = (self.chain_at(&key, first), (low, high.min(first)));
                let mut found = self.along(chain, filter, walk, bounds, limit)?;
                if let (Walk::Up(_), None) = (walk, found.next) {
                    found.next = Some(Walk::Up(first)).filter(|_| first < high);
                }
                return Ok(found);
            }
            first_listed = Some(first);
        }
        if let (Some(account), Some(owner), None) = (&account, &filter.owner, filter.key)
            && let Some(keys) = self.few_records_of(account, owner)
        {
            return self.along_all(&keys, filter, walk, (low, high), limit);
        }
        let lists = [
            account.as_ref().map(List::Account),
            filter.actor.as_ref().map(List::Actor),
            filter.kind.map(List::Kind),
            filter.key.map(List::Key),
        ];
        let lists: Vec<_> = lists.into_iter().flatten().collect();
        let mut found = if lists.is_empty() {
            everything(walk, (low, high), limit)
        } else {
            self.state().history.common(&lists, walk, limit)
        };
        let all = found.places.len();
        found.places.retain(|seq| *seq >= low && *seq < high);
        // What lies beyond the one end is not followed by anything that does not.
        let over = found.places.len() < all;
        if let (Walk::Down(_), None) = (walk, found.next) {
            found.next = first_listed.map(Walk::Down);
        }
        found.next = found.next.filter(|next| !over && is_between(*next, (low, high)));
        Ok(found)
    }

    /// Places between `low` and `high` along the chain of a key: what is found is what is wanted.
    fn along(
        &self,
        chain: Chain<'_>,
        filter: &EventFilter,
        walk: Walk,
        bounds: (Seq, Seq),
        limit: usize,
    ) -> Result<Found, Error> {
        let (low, high) = ahead(walk, bounds);
        let mut places = Vec::new();
        for linked in chain {
            let Linked { seq, record, .. } = linked?;
            if seq < low {
                break;
            }
            // Of a rotation the new key's, which may be somebody else's by now.
            let entry = self.state().entry(seq, record);
            if seq < high && entry.is_some_and(|entry| is_wanted(filter, &entry)) {
                places.push(seq);
            }
        }
        if let Walk::Up(_) = walk {
            places.reverse();
        }
        let more = places.len() > limit;
        places.truncate(limit);
        let next = after(walk, places.last().copied()).filter(|_| more);
        Ok(Found { places, next })
    }

    /// The keys of `owner`, if they have few records.
    fn few_records_of(&self, account: &Account, owner: &Subject) -> Option<Vec<Arc<Key>>> {
        let account = self.state().table.account(account.as_str());
        let keys = account.map(|keys| keys.owned(owner, 0, FEW)).unwrap_or_default();
        let revisions = keys.iter().map(|key| key.state().revision as usize);
        let read = revisions.filter(|revision| *revision > 1).sum::<usize>();
        (keys.len() < FEW && read < FEW_READ).then_some(keys)
    }

    /// Places along the chains of all of `keys`, as [`Ledger::along`] that of one.
    fn along_all(
        &self,
        keys: &[Arc<Key>],
        filter: &EventFilter,
        walk: Walk,
        bounds: (Seq, Seq),
        limit: usize,
    ) -> Result<Found, Error> {
        let (mut places, (low, high)) = (Vec::new(), ahead(walk, bounds));
        for key in keys {
            self.still_wanted()?;
            if let Some(seq) = only_record(key) {
                // Of what kind it is need not be read; the rest is looked at when it is.
                let is_made = filter.kind.is_none_or(|kind| kind == EventKind::Created);
                places.extend(Some(seq).filter(|seq| is_made && (low..high).contains(seq)));
                continue;
            }
            let along = self.along(self.chain(key), filter, walk, bounds, usize::MAX)?;
            places.extend(along.places);
        }
        places.sort_unstable();
        // A rotation is a record of two of them.
        places.dedup();
        if let Walk::Down(_) = walk {
            places.reverse();
        }
        let more = places.len() > limit;
        places.truncate(limit);
        let next = after(walk, places.last().copied()).filter(|_| more);
        Ok(Found { places, next })
    }

    /// The part of the log in which `from` and `to` lie: its times never go backwards.
    fn bounds(&self, filter: &EventFilter, size: Seq) -> Result<(Seq, Seq), Error> {
        let log = self.state().log.stored();
        let low = filter.from.map_or(Ok(Seq(0)), |from| first(log, size, |at| at >= from))?;
        let high = filter.to.map_or(Ok(size), |to| first(log, size, |at| at >= to))?;
        Ok((low, high))
    }

    fn read_run(&self, run: &[Seq]) -> Result<Vec<Entry>, Error> {
        let (Some(first), Some(last)) = (run.iter().min(), run.iter().max()) else {
            return Ok(Vec::new());
        };
        let mut entries = self.read_entries(*first, run.len())?;
        if run.first() == Some(last) && run.len() > 1 {
            entries.reverse();
        }
        Ok(entries)
    }

    pub(crate) fn read_entries(&self, from: Seq, limit: usize) -> Result<Vec<Entry>, Error> {
        let log = self.state().log.stored();
        let found = read(log, from, limit, &mut self.state().interner()).map_err(Error::fault)?;
        let size = self.state().size();
        let published = found.into_iter().filter(|read| read.seq < size);
        let entry = |Read { seq, record }| self.state().entry(seq, record);
        Ok(published.filter_map(entry).collect())
    }

    pub(crate) async fn entry_at(&self, seq: Seq) -> Result<Entry, Error> {
        let ledger = self.clone();
        let read = tokio::task::spawn_blocking(move || ledger.read_entries(seq, 1)).await;
        read.map_err(Error::fault)??.pop().ok_or(Error::BeyondTheLog { length: seq })
    }

    pub(crate) async fn read_chunk(&self, from: Seq, limit: usize) -> Result<Vec<Read>, Error> {
        let ledger = self.clone();
        let job = move || {
            let state = ledger.state();
            read(state.log.stored(), from, limit, &mut state.interner()).map_err(Error::fault)
        };
        tokio::task::spawn_blocking(job).await.map_err(Error::fault)?
    }

    /// The key as it was right after the record of it at `seq`, which was made `at`.
    pub(crate) async fn key_after(
        &self,
        key: &Arc<Key>,
        seq: Seq,
        at: Timestamp,
    ) -> Result<KeyView, Error> {
        let (ledger, key) = (self.clone(), Arc::clone(key));
        let job = move || {
            let (found, _) = ledger.key_at(&key, &Moment { length: seq.next(), at })?;
            let (state, attributes) = found.ok_or(Error::Refused(Refusal::UnknownKey))?;
            Ok(KeyView::new(&key, (state, attributes.shared()), at))
        };
        tokio::task::spawn_blocking(job).await.map_err(Error::fault)?
    }
}

/// The place of the record that made a key, if nothing happened to it since.
fn only_record(key: &Key) -> Option<Seq> {
    let ChainedState { state, head: (seq, _) } = key.chained_state();
    (state.revision == 1).then_some(seq)
}

/// What of the log's part between two places is in front of the walk.
fn ahead(walk: Walk, (low, high): (Seq, Seq)) -> (Seq, Seq) {
    match walk {
        Walk::Up(from) => (low.max(from), high),
        Walk::Down(before) => (low, high.min(before)),
    }
}

fn after(walk: Walk, reached: Option<Seq>) -> Option<Walk> {
    match walk {
        Walk::Up(_) => reached.map(|seq| Walk::Up(seq.next())),
        Walk::Down(_) => reached.map(Walk::Down),
    }
}

/// All places between `low` and `high`, from `walk` on, at most `limit`.
fn everything(walk: Walk, (low, high): (Seq, Seq), limit: usize) -> Found {
    let places: Vec<_> = match walk {
        Walk::Up(from) => (from.0..high.0).take(limit).map(Seq).collect(),
        Walk::Down(before) => (low.0..before.0).rev().take(limit).map(Seq).collect(),
    };
    let next = after(walk, places.last().copied());
    Found { places, next }
}

/// Whether a walk from there can find anything between `low` and `high`.
fn is_between(walk: Walk, (low, high): (Seq, Seq)) -> bool {
    match walk {
        Walk::Up(from) => from < high,
        Walk::Down(before) => before > low,
    }
}

/// Cuts places into runs of neighbours, each read in one go.
fn runs(places: &[Seq]) -> impl Iterator<Item = &[Seq]> {
    places.chunk_by(|a, b| a.0.abs_diff(b.0) == 1).flat_map(|run| run.chunks(512))
}

fn is_wanted(filter: &EventFilter, entry: &Entry) -> bool {
    let EventFilter { account, owner, key, kind, actor, from, to } = filter;
    owner.as_ref().is_none_or(|owner| Some(owner) == entry.owner.as_ref())
        && account.as_ref().is_none_or(|account| *account == entry.account)
        && key.is_none_or(|key| entry.record.links.of(key).is_some())
        && kind.is_none_or(|kind| kind == entry.record.event.kind())
        && actor.as_ref().is_none_or(|actor| *actor == entry.record.actor.subject)
        && from.is_none_or(|from| entry.record.at >= from)
        && to.is_none_or(|to| entry.record.at < to)
}
