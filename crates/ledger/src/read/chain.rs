//! One key's records, from the last one back along their links, and the states they made.
//!
//! Each record is held against the hash that the one after it names, so that what is read is what
//! was recorded. Of a key with many records a walk begins where it has to, not at the last one.

mod window;
#[cfg(test)]
mod window_tests;

use std::sync::Arc;

use eventlog::{Log, Seq};
use keys::{Event, KeyId, KeyState, Timestamp};
use signedlog::Leaf;

use self::window::Window;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::table::{Attributes, ChainedState, Key};
use crate::read::as_of::Moment;
use crate::record::codec::Interner;
use crate::record::replay::{decode, read};
use crate::record::{Link, Record};

/// A key's chain of records does not hold: a record is not the one that was linked.
#[derive(Debug, thiserror::Error)]
#[error("record {0} is not the one that its key's chain names")]
struct BrokenChain(Seq);

/// A record of a key, with the key's own link.
pub(crate) struct Linked {
    pub(crate) seq: Seq,
    pub(crate) record: Record,
    pub(crate) link: Link,
    /// The record as it is stored.
    pub(crate) bytes: bytes::Bytes,
}

/// A key's records, the last one first. Reads the log, a record at a time.
pub(crate) struct Chain<'l> {
    log: &'l dyn Log,
    key: KeyId,
    /// Where to go on. Only a walk that does not begin at the last record begins without a hash:
    /// that record only leads to those that are wanted.
    head: Option<(Seq, Option<Leaf>)>,
    window: Window,
    interner: Interner,
    /// How many records were read.
    pub(crate) read: usize,
}

impl Chain<'_> {
    fn follow(&mut self, seq: Seq, leaf: Option<Leaf>) -> Result<Linked, Error> {
        self.read += 1;
        let is_linked = |bytes: &[u8]| leaf.is_none_or(|leaf| Leaf::of(bytes) == leaf);
        let stored = self.window.record(self.log, seq).map_err(Error::fault)?;
        let stored = stored.filter(|stored| is_linked(&stored.bytes));
        let stored = stored.ok_or_else(|| Error::fault(BrokenChain(seq)))?;
        let record = decode(&stored, &mut self.interner).map_err(Error::fault)?;
        let own = record.links.of(self.key).copied();
        let link = own.ok_or_else(|| Error::fault(BrokenChain(seq)))?;
        self.head = link.previous.map(|(seq, leaf)| (seq, Some(leaf)));
        Ok(Linked { seq, record, link, bytes: stored.bytes })
    }
}

impl Iterator for Chain<'_> {
    type Item = Result<Linked, Error>;

    fn next(&mut self) -> Option<Result<Linked, Error>> {
        let (seq, leaf) = self.head.take()?;
        Some(self.follow(seq, leaf))
    }
}

/// The states a key went through, the last one first.
///
/// The present state is known without reading; an older one is read off the link of the record
/// that made it. What a link does not say, a rotation changes, and only once; but for its due time,
/// whose edits the key remembers.
pub(crate) struct States<'l> {
    pub(crate) chain: Chain<'l>,
    key: &'l Key,
    present: Option<KeyState>,
    /// Only what was made before this place is answered.
    before: Seq,
    /// The key that took its place, and until when it stayed valid beside that one.
    replaced: Option<(KeyId, Timestamp)>,
    /// Whether the key's creation was answered.
    done: bool,
}

impl States<'_> {
    fn older(&mut self) -> Result<Option<KeyState>, Error> {
        while !self.done
            && let Some(linked) = self.chain.next().transpose()?
        {
            let Linked { seq, record, link, .. } = linked;
            let own = self.key.due_before(seq.next());
            let overlap = self.replaced.map(|(_, until)| until);
            let state = KeyState {
                status: link.after,
                revision: link.revision,
                expires_at: own.into_iter().chain(overlap).min(),
                updated_at: record.at,
                replaced_by: self.replaced.map(|(by, _)| by),
            };
            if matches!(&record.event, Event::Created(made) if made.id != link.key) {
                self.replaced = None;
            }
            if seq < self.before {
                return Ok(Some(state));
            }
        }
        Ok(None)
    }
}

impl Iterator for States<'_> {
    type Item = Result<KeyState, Error>;

    fn next(&mut self) -> Option<Result<KeyState, Error>> {
        let state = match self.present.take() {
            Some(present) => Ok(Some(present)),
            None => self.older(),
        };
        if let Ok(Some(state)) = &state {
            self.done = state.revision == 1;
        }
        state.transpose()
    }
}

impl Ledger {
    /// The records of `key`, the last one first.
    pub(crate) fn chain(&self, key: &Key) -> Chain<'_> {
        let (seq, leaf) = key.chained_state().head;
        self.chain_from(key, (seq, Some(leaf)))
    }

    /// The records of `key` from the one at `seq` back. That one is taken as it is read.
    pub(crate) fn chain_at(&self, key: &Key, seq: Seq) -> Chain<'_> {
        self.chain_from(key, (seq, None))
    }

    /// The records of `key` that are among the first `length` of the log, the last one first, and
    /// a few later ones before them.
    pub(crate) fn chain_before(&self, key: &Key, length: Seq) -> Chain<'_> {
        // What is not listed yet was recorded just now, and is near the head.
        match self.state().history.landmark(key.made.id, length) {
            Some(landmark) => self.chain_at(key, landmark.seq),
            None => self.chain(key),
        }
    }

    fn chain_from(&self, key: &Key, head: (Seq, Option<Leaf>)) -> Chain<'_> {
        Chain {
            log: self.state().log.stored(),
            key: key.made.id,
            head: Some(head),
            window: Window::default(),
            interner: self.state().interner(),
            read: 0,
        }
    }

    /// The states that the first `length` records gave `key`, the last one first; none if it was
    /// made later. Costs one record read for each state after the first that is taken, and a few:
    /// of a key with many records only one later one is read.
    pub(crate) fn states<'l>(&'l self, key: &'l Key, length: Seq) -> States<'l> {
        let ChainedState { state, head } = key.chained_state();
        let mut states = States {
            chain: self.chain_from(key, (head.0, Some(head.1))),
            present: (head.0 < length).then_some(state),
            key,
            before: head.0.min(length),
            replaced: state.replaced_by.and_then(|by| {
                let replaces = self.state().table.get(by)?.made.replaces.as_ref()?.valid_until;
                Some((by, replaces))
            }),
            done: false,
        };
        if head.0 >= length
            && let Some(landmark) = self.state().history.landmark(key.made.id, length)
            && landmark.seq < head.0
        {
            states.chain = self.chain_at(key, landmark.seq);
            if landmark.replaced_later {
                states.replaced = None;
            }
        }
        states
    }

    /// The state of `key` at `moment` and what it had then, `None` if it was made later; and how
    /// many records had to be read for that.
    pub(crate) fn key_at<'k>(
        &self,
        key: &'k Key,
        moment: &Moment,
    ) -> Result<(Option<(KeyState, Attributes<'k>)>, usize), Error> {
        if moment.is_present() {
            return Ok((Some(key.present()), 0));
        }
        let mut states = self.states(key, moment.length);
        if states.present.is_none() && moment.precedes(key) {
            return Ok((None, 0));
        }
        let state = states.next().transpose()?;
        let cost = states.chain.read;
        let Some(state) = state else { return Ok((None, cost)) };
        let (attributes, more) = self.attributes_at(key, moment.length)?;
        Ok((Some((state, attributes)), cost + more))
    }

    /// What `key` had after the first `length` records, and how many records were read for that:
    /// at most one for each attribute.
    pub(crate) fn attributes_at<'k>(
        &self,
        key: &'k Key,
        length: Seq,
    ) -> Result<(Attributes<'k>, usize), Error> {
        let (present, edits) = key.edits_from(length);
        if edits.is_empty() {
            return Ok((present, 0));
        }
        let mut attributes = present.shared();
        let then = Arc::make_mut(&mut attributes);
        let log = self.state().log.stored();
        let mut interner = self.state().interner();
        let (mut reads, mut last) = (0, None);
        for (seq, attribute) in edits {
            if last.as_ref().is_none_or(|(place, _)| *place != seq) {
                reads += 1;
                let found = read(log, seq, 1, &mut interner).map_err(Error::fault)?.pop();
                let found = found.ok_or_else(|| Error::fault(BrokenChain(seq)))?;
                last = Some((seq, found.record));
            }
            if let Some((_, Record { event: Event::Updated(update), .. })) = &last {
                let edit = update.iter().find(|edit| edit.attribute() == attribute);
                edit.ok_or_else(|| Error::fault(BrokenChain(seq)))?.undo(then);
            }
        }
        // A rotation moves the due time too: what an edit names before it may be that of the overlap.
        then.expires_at = key.due_before(length);
        Ok((Attributes::Edited(attributes), reads))
    }
}
