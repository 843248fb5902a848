//! The history: where in the log the events of an account, an actor or a type stand.
//!
//! Each list is a run of compressed gaps, about a byte an event, so that no filter of the API
//! scans the whole log. The history of one key needs no list: its records are linked.

use eventlog::Seq;
use hashbrown::HashMap;
use keys::{Account, EventKind, Subject};
use parking_lot::RwLock;

use crate::record::Record;

/// Places in rising order, as variable-length gaps, with an entry point every 256 places.
#[derive(Default)]
pub(crate) struct Places {
    gaps: Vec<u8>,
    last: u64,
    count: usize,
    /// (first place, its offset in `gaps`) of every block of 256.
    blocks: Vec<(u64, usize)>,
}

const BLOCK: usize = 256;

impl Places {
    fn push(&mut self, seq: Seq) {
        let mut gap = if self.count.is_multiple_of(BLOCK) {
            self.blocks.push((seq.0, self.gaps.len()));
            0
        } else {
            seq.0 - self.last
        };
        while gap >= 0x80 {
            self.gaps.push(low_bits(gap) | 0x80);
            gap >>= 7;
        }
        self.gaps.push(low_bits(gap));
        self.last = seq.0;
        self.count += 1;
    }

    fn block(&self, number: usize) -> Vec<u64> {
        let Some(&(first, start)) = self.blocks.get(number) else { return Vec::new() };
        let end = self.blocks.get(number + 1).map_or(self.gaps.len(), |(_, end)| *end);
        let mut places = Vec::with_capacity(BLOCK);
        let (mut place, mut gap, mut shift) = (first, 0_u64, 0);
        for byte in self.gaps.get(start..end).unwrap_or_default() {
            gap |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                place += gap;
                places.push(place);
                (gap, shift) = (0, 0);
            } else {
                shift += 7;
            }
        }
        places
    }

    /// Up to `limit` places at or above `from`, rising.
    fn up(&self, from: Seq, limit: usize) -> Vec<Seq> {
        let mut number = self.blocks.partition_point(|(first, _)| *first <= from.0).max(1) - 1;
        let mut found = Vec::new();
        while found.len() < limit && number < self.blocks.len() {
            found.extend(self.block(number).into_iter().filter(|place| *place >= from.0).map(Seq));
            number += 1;
        }
        found.truncate(limit);
        found
    }

    /// Up to `limit` places below `before`, falling.
    fn down(&self, before: Seq, limit: usize) -> Vec<Seq> {
        let mut number = self.blocks.partition_point(|(first, _)| *first < before.0);
        let mut found = Vec::new();
        while found.len() < limit && number > 0 {
            number -= 1;
            let below = self.block(number).into_iter().rev().filter(|place| *place < before.0);
            found.extend(below.map(Seq));
        }
        found.truncate(limit);
        found
    }
}

/// The lowest 7 bits.
fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & 0x7F
}

/// A list that can be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List<'a> {
    Account(&'a Account),
    Actor(&'a Subject),
    Kind(EventKind),
}

/// All lists.
#[derive(Default)]
pub(crate) struct History {
    lists: RwLock<Lists>,
}

#[derive(Default)]
struct Lists {
    accounts: HashMap<Account, Places>,
    actors: HashMap<Subject, Places>,
    kinds: HashMap<EventKind, Places>,
}

/// The list of `name`, which is copied only the first time.
fn places_of<'l, N: Clone + Eq + std::hash::Hash>(
    lists: &'l mut HashMap<N, Places>,
    name: &N,
) -> &'l mut Places {
    lists.entry(name.clone()).or_default()
}

impl History {
    pub(crate) fn apply(&self, seq: Seq, record: &Record, account: Option<&Account>) {
        let mut lists = self.lists.write();
        if let Some(account) = account {
            places_of(&mut lists.accounts, account).push(seq);
        }
        places_of(&mut lists.actors, &record.actor.subject).push(seq);
        lists.kinds.entry(record.event.kind()).or_default().push(seq);
    }

    fn with<T>(&self, list: List<'_>, read: impl FnOnce(&Places) -> T) -> Option<T> {
        let lists = self.lists.read();
        match list {
            List::Account(account) => lists.accounts.get(account),
            List::Actor(actor) => lists.actors.get(actor),
            List::Kind(kind) => lists.kinds.get(&kind),
        }
        .map(read)
    }

    /// How many places a list has: the shorter one is the one to walk.
    pub(crate) fn count(&self, list: List<'_>) -> usize {
        self.with(list, |places| places.count).unwrap_or(0)
    }

    pub(crate) fn up(&self, list: List<'_>, from: Seq, limit: usize) -> Vec<Seq> {
        self.with(list, |places| places.up(from, limit)).unwrap_or_default()
    }

    pub(crate) fn down(&self, list: List<'_>, before: Seq, limit: usize) -> Vec<Seq> {
        self.with(list, |places| places.down(before, limit)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_list_answers_like_a_plain_one(
            gaps in prop::collection::vec(1_u64..100_000, 0..2000),
            from in 0_u64..200_000_000,
            limit in 0_usize..700,
        ) {
            let mut places = Places::default();
            let mut plain = Vec::new();
            let mut place = 0;
            for gap in gaps {
                place += gap;
                places.push(Seq(place));
                plain.push(Seq(place));
            }
            for from in [Seq(from % (place + 2)), Seq(place), Seq(0)] {
                let up: Vec<_> = plain.iter().copied().filter(|p| *p >= from).take(limit).collect();
                prop_assert_eq!(places.up(from, limit), up);
                let down: Vec<_> =
                    plain.iter().rev().copied().filter(|p| *p < from).take(limit).collect();
                prop_assert_eq!(places.down(from, limit), down);
            }
        }
    }
}
