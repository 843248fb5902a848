//! One key's records, from the last one back along their links, and the states they made.
//!
//! Each record is held against the hash that the one after it names, so that what is read is what
//! was recorded.

use eventlog::{Log, Seq};
use keys::{Event, KeyId, Standing, Timestamp};

use crate::api::Error;
use crate::as_of::Moment;
use crate::codec::Interner;
use crate::ledger::Ledger;
use crate::record::{Leaf, Link, Record};
use crate::state::decode;
use crate::table::{Key, State};

/// Records read at once where a key's records lie close together; a frame holds about as many.
const WINDOW: u64 = 32;

/// A key's chain of records does not hold: a record is not the one that was linked.
#[derive(Debug, thiserror::Error)]
#[error("record {0} is not the one that its key's chain names")]
struct BrokenChain(Seq);

/// A record of a key, with the key's own link.
pub(crate) struct Linked {
    pub(crate) seq: Seq,
    pub(crate) record: Record,
    pub(crate) link: Link,
}

/// A key's records, the last one first. Reads the log, a record at a time.
pub(crate) struct Chain<'l> {
    log: &'l dyn Log,
    key: KeyId,
    head: Option<(Seq, Leaf)>,
    /// What was read last, up to the record followed last.
    window: Vec<eventlog::Record>,
    interner: Interner,
    /// How many records were read.
    pub(crate) read: usize,
}

impl Chain<'_> {
    fn follow(&mut self, seq: Seq, leaf: Leaf) -> Result<Linked, Error> {
        self.read += 1;
        let stored = self.stored(seq)?.filter(|stored| Leaf::of(&stored.bytes) == leaf);
        let stored = stored.ok_or_else(|| Error::fault(BrokenChain(seq)))?;
        let record = decode(&stored, &mut self.interner).map_err(Error::fault)?;
        let own = record.links().find(|link| link.key == self.key).copied();
        let link = own.ok_or_else(|| Error::fault(BrokenChain(seq)))?;
        self.head = link.previous;
        Ok(Linked { seq, record, link })
    }

    /// The record at `seq`. Where the one before it was near, so may the next one be: what lies
    /// in front of it is read along, because a frame is read whole anyway.
    fn stored(&mut self, seq: Seq) -> Result<Option<eventlog::Record>, Error> {
        let last = self.window.last().map(|last| last.seq);
        self.window.retain(|stored| stored.seq <= seq);
        if self.window.last().is_none_or(|stored| stored.seq != seq) {
            let near = last.is_some_and(|last| last.0.abs_diff(seq.0) < WINDOW);
            let from = if near { seq.0.saturating_sub(WINDOW - 1) } else { seq.0 };
            let limit = usize::try_from(seq.0 - from + 1).unwrap_or(1);
            self.window = self.log.read(Seq(from), limit).map_err(Error::fault)?;
        }
        Ok(self.window.last().filter(|stored| stored.seq == seq).cloned())
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
/// that made it. What a link does not say, a rotation alone changes, and only once.
pub(crate) struct States<'l> {
    pub(crate) chain: Chain<'l>,
    present: Option<Standing>,
    /// Only what was made before this place is answered.
    before: Seq,
    due: Option<Timestamp>,
    replaced_by: Option<KeyId>,
    first_due: Option<Timestamp>,
    /// Whether the key's creation was answered.
    done: bool,
}

impl States<'_> {
    fn older(&mut self) -> Result<Option<Standing>, Error> {
        while !self.done
            && let Some(linked) = self.chain.next().transpose()?
        {
            let Linked { seq, record, link } = linked;
            let standing = Standing {
                status: link.after,
                revision: link.revision,
                expires_at: self.due,
                updated_at: record.at,
                replaced_by: self.replaced_by,
            };
            if matches!(&record.event, Event::Created(made) if made.id != link.key) {
                (self.due, self.replaced_by) = (self.first_due, None);
            }
            if seq < self.before {
                return Ok(Some(standing));
            }
        }
        Ok(None)
    }
}

impl Iterator for States<'_> {
    type Item = Result<Standing, Error>;

    fn next(&mut self) -> Option<Result<Standing, Error>> {
        let standing = match self.present.take() {
            Some(present) => Ok(Some(present)),
            None => self.older(),
        };
        if let Ok(Some(standing)) = &standing {
            self.done = standing.revision == 1;
        }
        standing.transpose()
    }
}

impl Ledger {
    /// The records of `key`, the last one first.
    pub(crate) fn chain(&self, key: &Key) -> Chain<'_> {
        self.chain_from(key, key.state().head)
    }

    fn chain_from(&self, key: &Key, head: (Seq, Leaf)) -> Chain<'_> {
        Chain {
            log: self.state().log.as_ref(),
            key: key.made.id,
            head: Some(head),
            window: Vec::new(),
            interner: Interner::default(),
            read: 0,
        }
    }

    /// The states that the first `length` records gave `key`, the last one first; none if it was
    /// made later. Costs one record read for each that came later, and one for each state after
    /// the first that is taken.
    pub(crate) fn states(&self, key: &Key, length: Seq) -> States<'_> {
        let State { standing, head } = key.state();
        States {
            chain: self.chain_from(key, head),
            present: (head.0 < length).then_some(standing),
            before: head.0.min(length),
            due: standing.expires_at,
            replaced_by: standing.replaced_by,
            first_due: key.made.expires_at,
            done: false,
        }
    }

    /// The state of `key` at `moment`, `None` if it was made later; and how many records had to be
    /// read for that.
    pub(crate) fn standing_at(
        &self,
        key: &Key,
        moment: &Moment,
    ) -> Result<(Option<Standing>, usize), Error> {
        let mut states = self.states(key, moment.length);
        if states.present.is_none() && moment.precedes(key) {
            return Ok((None, 0));
        }
        let standing = states.next().transpose()?;
        Ok((standing, states.chain.read))
    }
}
