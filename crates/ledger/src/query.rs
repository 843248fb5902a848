//! Reading: keys, verify, events. Nothing here writes, and nothing waits for the writer.

use std::sync::Arc;

use eventlog::Seq;
use keys::{Digest, Event, KeyId, Question, Refusal, Standing, Status, Timestamp, Verdict, judge};

use crate::api::{Ask, Entry, Error, EventFilter, KeyFilter, KeyView, Page, Verified, Walk};
use crate::caller::{Caller, READ, Scope, VERIFY};
use crate::codec::Interner;
use crate::history::List;
use crate::ledger::{Ledger, view};
use crate::record::Record;
use crate::state::{Read, read};
use crate::table::Key;

/// Keys or places looked at for one page: bounds the work of one call.
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
            match key.uses.count(now, key.made.daily_limit) {
                Ok(remaining) => remaining_today = remaining,
                Err(()) => (verdict, remaining_today) = (Verdict::UsageExceeded, Some(0)),
            }
        }
        Ok(Verified {
            verdict,
            key: Some(Arc::clone(&key.made)),
            expires_at: standing.expires_at,
            remaining_today,
            log_size,
        })
    }

    /// Every event of a key, oldest first. Walks the key's links; reads the log.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`], or a fault of the storage.
    pub fn history(&self, caller: &Caller, id: KeyId) -> Result<Vec<Entry>, Error> {
        caller.require(READ)?;
        let key = self.find(caller, id, &Ask::default())?;
        self.chain(&key)
    }

    pub(crate) fn chain(&self, key: &Key) -> Result<Vec<Entry>, Error> {
        let mut interner = Interner::default();
        let mut head = Some(key.state().head);
        let mut entries = Vec::new();
        while let Some((seq, leaf)) = head {
            let found = read(self.state().log.as_ref(), seq, 1, &mut interner);
            let Some(found) = found.map_err(Error::fault)?.pop() else { break };
            if found.leaf != leaf {
                return Err(Error::fault(BrokenChain(seq)));
            }
            head = found
                .record
                .links()
                .find(|link| link.key == key.made.id)
                .and_then(|link| link.previous);
            entries.push(Entry { seq, record: found.record, account: key.made.account.clone() });
        }
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
        let none = Page { items: Vec::new(), next: None };
        let account = match (&caller.identity.scope, &filter.account) {
            (Scope::Account(own), Some(asked)) if own != asked => return Ok(none),
            (Scope::Account(own), _) => Some(own.clone()),
            (Scope::All, asked) => asked.clone(),
        };
        let filter = EventFilter { account, ..filter.clone() };
        let size = self.state().size();
        let (low, high) = self.bounds(&filter, size)?;
        let walk = match walk {
            Walk::Up(from) => Walk::Up(from.max(low)),
            Walk::Down(before) => Walk::Down(before.min(high)),
        };
        let places = self.places(&filter, walk, (low, high));
        let full = places.len() >= MOST_LOOKED_AT;
        let mut items = Vec::new();
        let mut reached = None;
        for chunk in runs(&places) {
            for entry in self.read_run(chunk)? {
                reached = Some(entry.seq);
                if self.is_wanted(&filter, &entry) {
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

    fn is_wanted(&self, filter: &EventFilter, entry: &Entry) -> bool {
        let EventFilter { account, key, kind, actor, from, to } = filter;
        account.as_ref().is_none_or(|account| *account == entry.account)
            && key.is_none_or(|key| entry.record.links().any(|link| link.key == key))
            && kind.is_none_or(|kind| kind == entry.record.event.kind())
            && actor.as_ref().is_none_or(|actor| *actor == entry.record.actor.subject)
            && from.is_none_or(|from| entry.record.at >= from)
            && to.is_none_or(|to| entry.record.at < to)
    }

    /// The places that can hold what is wanted, in the walk's order, at most [`MOST_LOOKED_AT`].
    fn places(&self, filter: &EventFilter, walk: Walk, (low, high): (Seq, Seq)) -> Vec<Seq> {
        let history = &self.state().history;
        if let Some(id) = filter.key {
            let chain = self.state().table.get(id).map(|key| self.chain(&key));
            let mut places: Vec<Seq> = match chain {
                Some(Ok(entries)) => entries.into_iter().map(|entry| entry.seq).collect(),
                Some(Err(_)) | None => Vec::new(),
            };
            places.retain(|seq| *seq >= low && *seq < high);
            match walk {
                Walk::Up(from) => places.retain(|seq| *seq >= from),
                Walk::Down(before) => {
                    places.retain(|seq| *seq < before);
                    places.reverse();
                }
            }
            places.truncate(MOST_LOOKED_AT);
            return places;
        }
        let lists = [
            filter.account.as_ref().map(List::Account),
            filter.actor.as_ref().map(List::Actor),
            filter.kind.map(List::Kind),
        ];
        let shortest = lists.into_iter().flatten().min_by_key(|list| history.count(*list));
        match (shortest, walk) {
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
        }
    }

    /// The part of the log in which `from` and `to` lie: its times never go backwards.
    fn bounds(&self, filter: &EventFilter, size: Seq) -> Result<(Seq, Seq), Error> {
        let low = filter.from.map_or(Ok(Seq(0)), |from| self.first_at(from, size))?;
        let high = filter.to.map_or(Ok(size), |to| self.first_at(to, size))?;
        Ok((low, high))
    }

    /// The first place at which a record is not older than `moment`.
    pub(crate) fn first_at(&self, moment: Timestamp, size: Seq) -> Result<Seq, Error> {
        let mut interner = Interner::default();
        let (mut low, mut high) = (0, size.0);
        while low < high {
            let middle = u64::midpoint(low, high);
            let found = read(self.state().log.as_ref(), Seq(middle), 1, &mut interner);
            match found.map_err(Error::fault)?.pop() {
                Some(found) if found.record.at < moment => low = middle + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(Seq(low))
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
    pub(crate) async fn standing_at(&self, key: &Arc<Key>, seq: Seq) -> Result<Standing, Error> {
        let (ledger, key) = (self.clone(), Arc::clone(key));
        let chain = tokio::task::spawn_blocking({
            let key = Arc::clone(&key);
            move || ledger.chain(&key)
        });
        let entries = chain.await.map_err(Error::fault)??;
        let upto = entries.iter().take_while(|entry| entry.seq <= seq);
        fold(&key, upto.map(|entry| &entry.record)).ok_or(Error::Refused(Refusal::UnknownKey))
    }
}

/// The state of `key` after these of its records.
pub(crate) fn fold<'r>(key: &Key, records: impl Iterator<Item = &'r Record>) -> Option<Standing> {
    records.fold(None, |standing: Option<Standing>, record| match (&record.event, standing) {
        (Event::Created(made), _) if made.id == key.made.id => {
            Some(Standing::created(made, record.at))
        }
        (Event::Created(made), Some(standing)) => {
            let until = made.replaces.map_or(record.at, |replaces| replaces.valid_until);
            Some(standing.replaced(made.id, until, record.at))
        }
        (event, Some(standing)) => Some(standing.after(event, record.at)),
        (_, None) => None,
    })
}

/// A key's chain of records does not hold: a record is not the one that was linked.
#[derive(Debug, thiserror::Error)]
#[error("record {0} is not the one that its key's chain names")]
struct BrokenChain(Seq);

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
