//! Reading the trail: events by place, by filter, by key. Nothing here writes.

use std::sync::Arc;

use eventlog::Seq;
use keys::{KeyId, Refusal, Standing};

use crate::api::{Ask, Entry, Error, EventFilter, Page, Walk};
use crate::as_of::first;
use crate::caller::{Caller, READ};
use crate::chain::Linked;
use crate::codec::Interner;
use crate::history::List;
use crate::ledger::Ledger;
use crate::state::{Read, read};
use crate::table::Key;

/// Places looked at for one page: bounds the work of one call.
const MOST_LOOKED_AT: usize = 10_000;

impl Ledger {
    /// Every event of a key, oldest first. Walks the key's links; reads the log.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`], or a fault of the storage.
    pub fn history(&self, caller: &Caller, id: KeyId) -> Result<Vec<Entry>, Error> {
        caller.require(READ)?;
        let key = self.find(caller, id, &Ask::default())?;
        let entries = self.chain(&key).map(|linked| {
            let Linked { seq, record, .. } = linked?;
            Ok(Entry { seq, record, account: key.made.account.clone() })
        });
        let mut entries = entries.collect::<Result<Vec<_>, Error>>()?;
        entries.reverse();
        Ok(entries)
    }

    /// One event. Reads the log.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`] also for an event of an account that the caller does not see.
    pub fn event(&self, caller: &Caller, seq: Seq) -> Result<Entry, Error> {
        caller.require(READ)?;
        let beyond = || Error::BeyondTheLog { length: self.state().size() };
        if seq >= self.state().size() {
            return Err(beyond());
        }
        let entry = self.read_entries(seq, 1)?.pop().ok_or_else(beyond)?;
        if caller.sees(&entry.account) { Ok(entry) } else { Err(beyond()) }
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
        caller.require(READ)?;
        let Some(scope) = caller.identity.scope.narrowed(filter.account.as_ref()) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let filter = EventFilter { account: scope.account().cloned(), ..filter.clone() };
        let size = self.state().size();
        let (low, high) = self.bounds(&filter, size)?;
        let walk = match walk {
            Walk::Up(from) => Walk::Up(from.max(low)),
            Walk::Down(before) => Walk::Down(before.min(high)),
        };
        let places = self.places(&filter, walk, (low, high))?;
        let full = places.len() >= MOST_LOOKED_AT;
        let mut items = Vec::new();
        let mut reached = None;
        for chunk in runs(&places) {
            for entry in self.read_run(chunk)? {
                reached = Some(entry.seq);
                if is_wanted(&filter, &entry) {
                    items.push(entry);
                    if items.len() == limit {
                        let next = after(walk, reached);
                        let more = reached != places.last().copied() || full;
                        return Ok(Page { items, next: more.then_some(next).flatten() });
                    }
                }
            }
        }
        Ok(Page { items, next: full.then(|| after(walk, reached)).flatten() })
    }

    /// The places that can hold what is wanted, in the walk's order, at most [`MOST_LOOKED_AT`].
    fn places(
        &self,
        filter: &EventFilter,
        walk: Walk,
        (low, high): (Seq, Seq),
    ) -> Result<Vec<Seq>, Error> {
        let history = &self.state().history;
        if let Some(id) = filter.key {
            let Some(key) = self.state().table.get(id) else { return Ok(Vec::new()) };
            let places = self.chain(&key).map(|linked| Ok(linked?.seq));
            let mut places = places.collect::<Result<Vec<_>, Error>>()?;
            places.reverse();
            places.retain(|seq| *seq >= low && *seq < high);
            match walk {
                Walk::Up(from) => places.retain(|seq| *seq >= from),
                Walk::Down(before) => {
                    places.retain(|seq| *seq < before);
                    places.reverse();
                }
            }
            places.truncate(MOST_LOOKED_AT);
            return Ok(places);
        }
        let lists = [
            filter.account.as_ref().map(List::Account),
            filter.actor.as_ref().map(List::Actor),
            filter.kind.map(List::Kind),
        ];
        let shortest = lists.into_iter().flatten().min_by_key(|list| history.count(*list));
        Ok(match (shortest, walk) {
            (Some(list), Walk::Up(from)) => {
                let mut places = history.up(list, from, MOST_LOOKED_AT);
                places.retain(|seq| *seq < high);
                places
            }
            (Some(list), Walk::Down(before)) => {
                let mut places = history.down(list, before, MOST_LOOKED_AT);
                places.retain(|seq| *seq >= low);
                places
            }
            (None, Walk::Up(from)) => (from.0..high.0).take(MOST_LOOKED_AT).map(Seq).collect(),
            (None, Walk::Down(before)) => {
                (low.0..before.0).rev().take(MOST_LOOKED_AT).map(Seq).collect()
            }
        })
    }

    /// The part of the log in which `from` and `to` lie: its times never go backwards.
    fn bounds(&self, filter: &EventFilter, size: Seq) -> Result<(Seq, Seq), Error> {
        let log = self.state().log.as_ref();
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
        let log = self.state().log.as_ref();
        let found = read(log, from, limit, &mut Interner::default()).map_err(Error::fault)?;
        let size = self.state().size();
        let published = found.into_iter().filter(|read| read.seq < size);
        Ok(published.filter_map(|read| self.entry(read)).collect())
    }

    fn entry(&self, Read { seq, record, .. }: Read) -> Option<Entry> {
        let key = self.state().table.get(record.link.key)?;
        Some(Entry { seq, record, account: key.made.account.clone() })
    }

    pub(crate) async fn entry_at(&self, seq: Seq) -> Result<Entry, Error> {
        let ledger = self.clone();
        let read = tokio::task::spawn_blocking(move || ledger.read_entries(seq, 1)).await;
        read.map_err(Error::fault)??.pop().ok_or(Error::BeyondTheLog { length: seq })
    }

    pub(crate) async fn read_chunk(&self, from: Seq, limit: usize) -> Result<Vec<Read>, Error> {
        let ledger = self.clone();
        let job = move || {
            read(ledger.state().log.as_ref(), from, limit, &mut Interner::default())
                .map_err(Error::fault)
        };
        tokio::task::spawn_blocking(job).await.map_err(Error::fault)?
    }

    /// The key's state right after the record at `seq`.
    pub(crate) async fn standing_after(&self, key: &Arc<Key>, seq: Seq) -> Result<Standing, Error> {
        let (ledger, key) = (self.clone(), Arc::clone(key));
        let job = move || ledger.states(&key, seq.next()).next().transpose();
        let standing = tokio::task::spawn_blocking(job).await.map_err(Error::fault)??;
        standing.ok_or(Error::Refused(Refusal::UnknownKey))
    }
}

fn after(walk: Walk, reached: Option<Seq>) -> Option<Walk> {
    match walk {
        Walk::Up(_) => reached.map(|seq| Walk::Up(seq.next())),
        Walk::Down(_) => reached.map(Walk::Down),
    }
}

/// Cuts places into runs of neighbours, each read in one go.
fn runs(places: &[Seq]) -> impl Iterator<Item = &[Seq]> {
    places.chunk_by(|a, b| a.0.abs_diff(b.0) == 1).flat_map(|run| run.chunks(512))
}

fn is_wanted(filter: &EventFilter, entry: &Entry) -> bool {
    let EventFilter { account, key, kind, actor, from, to } = filter;
    account.as_ref().is_none_or(|account| *account == entry.account)
        && key.is_none_or(|key| entry.record.links().any(|link| link.key == key))
        && kind.is_none_or(|kind| kind == entry.record.event.kind())
        && actor.as_ref().is_none_or(|actor| *actor == entry.record.actor.subject)
        && from.is_none_or(|from| entry.record.at >= from)
        && to.is_none_or(|to| entry.record.at < to)
}
