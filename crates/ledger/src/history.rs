//! The history: where in the log the events of an account, an actor or a type stand.
//!
//! Each list is a run of compressed gaps, about a byte an event, so that no filter of the API
//! scans the whole log. The history of one key needs no list: its records are linked.

use eventlog::Seq;
use hashbrown::HashMap;
use keys::{Account, EventKind, Subject};
use parking_lot::RwLock;

use crate::api::Walk;
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
/// Places looked at under one hold of the lock, which a writer may wait for.
const MOST_LOOKED_AT: usize = 1024;

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

    /// The places of one block from `walk` on, in its order, and where the next block begins.
    fn step(&self, walk: Walk) -> (Vec<u64>, Option<Walk>) {
        let number = match walk {
            Walk::Up(from) => self.number(from.0),
            Walk::Down(before) => match before.0.checked_sub(1) {
                Some(last) => self.number(last),
                None => return (Vec::new(), None),
            },
        };
        let mut places = self.block(number);
        let next = match walk {
            Walk::Up(from) => {
                places.retain(|place| *place >= from.0);
                self.blocks.get(number + 1).map(|(first, _)| Walk::Up(Seq(*first)))
            }
            Walk::Down(before) => {
                places.retain(|place| *place < before.0);
                places.reverse();
                let before = self.blocks.get(number).filter(|_| number > 0);
                before.map(|(first, _)| Walk::Down(Seq(*first)))
            }
        };
        (places, next)
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

    /// The block that `place` lies in, or would.
    fn number(&self, place: u64) -> usize {
        self.blocks.partition_point(|(first, _)| *first <= place).saturating_sub(1)
    }
}

/// Looks whether places are on a list. Places that are asked in order cost little.
struct Probe<'l> {
    list: &'l Places,
    number: usize,
    block: Vec<u64>,
}

impl<'l> Probe<'l> {
    fn new(list: &'l Places) -> Probe<'l> {
        Probe { list, number: usize::MAX, block: Vec::new() }
    }

    fn has(&mut self, place: u64) -> bool {
        let number = self.list.number(place);
        if number != self.number {
            (self.number, self.block) = (number, self.list.block(number));
        }
        self.block.binary_search(&place).is_ok()
    }
}

/// Places that were found, and where to look on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) places: Vec<Seq>,
    /// `None` at the end of the list.
    pub(crate) next: Option<Walk>,
}

/// What is on all of `lists`, at most `limit` places, from `walk` on. Goes through the shortest
/// list, and looks at about [`MOST_LOOKED_AT`] of its places at most.
fn common(lists: &[&Places], walk: Walk, limit: usize) -> Found {
    let mut found = Found { places: Vec::new(), next: None };
    let Some(shortest) = lists.iter().min_by_key(|list| list.count) else { return found };
    let others = lists.iter().filter(|list| !std::ptr::eq(**list, *shortest));
    let mut probes: Vec<_> = others.map(|list| Probe::new(list)).collect();
    let (mut looked, mut at) = (0, Some(walk));
    while let Some(walk) = at {
        let (places, next) = shortest.step(walk);
        for place in places {
            if found.places.len() == limit || looked >= MOST_LOOKED_AT {
                found.next = Some(match walk {
                    Walk::Up(_) => Walk::Up(Seq(place)),
                    Walk::Down(_) => Walk::Down(Seq(place + 1)),
                });
                return found;
            }
            looked += 1;
            if probes.iter_mut().all(|probe| probe.has(place)) {
                found.places.push(Seq(place));
            }
        }
        at = next;
    }
    found
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

    /// What is on all of `lists`, in order from `walk` on, at most `limit` places.
    ///
    /// Fewer may be found, even none, though more follow: `next` says.
    pub(crate) fn common(&self, lists: &[List<'_>], walk: Walk, limit: usize) -> Found {
        let all = self.lists.read();
        let lists = lists.iter().map(|list| match list {
            List::Account(account) => all.accounts.get(*account),
            List::Actor(actor) => all.actors.get(*actor),
            List::Kind(kind) => all.kinds.get(kind),
        });
        // One that is not there is empty, and so is what all have in common.
        let Some(lists) = lists.collect::<Option<Vec<_>>>() else {
            return Found { places: Vec::new(), next: None };
        };
        common(&lists, walk, limit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(gaps: &[u64]) -> (Places, Vec<u64>) {
        let (mut places, mut plain, mut place) = (Places::default(), Vec::new(), 0);
        for gap in gaps {
            place += gap;
            places.push(Seq(place));
            plain.push(place);
        }
        (places, plain)
    }

    fn all(lists: &[&Places], mut walk: Walk, limit: usize) -> Vec<u64> {
        let mut all = Vec::new();
        loop {
            let found = common(lists, walk, limit);
            assert!(found.places.len() <= limit);
            all.extend(found.places.iter().map(|place| place.0));
            match found.next {
                Some(next) => {
                    assert_ne!(next, walk, "it does not go on");
                    walk = next;
                }
                None => return all,
            }
        }
    }

    proptest! {
        #[test]
        fn a_list_answers_like_a_plain_one(
            gaps in prop::collection::vec(1_u64..100_000, 0..2000),
            from in 0_u64..200_000_000,
            limit in 1_usize..700,
        ) {
            let (places, plain) = list(&gaps);
            let end = plain.last().copied().unwrap_or(0);
            for from in [from % (end + 2), end, 0, u64::MAX] {
                let up: Vec<_> = plain.iter().copied().filter(|place| *place >= from).collect();
                prop_assert_eq!(all(&[&places], Walk::Up(Seq(from)), limit), up);
                let down = plain.iter().rev().copied().filter(|place| *place < from);
                let down: Vec<_> = down.collect();
                prop_assert_eq!(all(&[&places], Walk::Down(Seq(from)), limit), down);
            }
        }

        #[test]
        fn what_lists_have_in_common_is_what_plain_ones_have(
            gaps in prop::array::uniform3(prop::collection::vec(1_u64..4, 1..3000)),
            from in 0_u64..4_000,
            limit in 1_usize..100,
        ) {
            let [a, b, c] = gaps.map(|gaps| list(&gaps));
            let on_all = |place: &u64| b.1.binary_search(place).is_ok() && c.1.contains(place);
            let lists = [&a.0, &b.0, &c.0];
            let up = a.1.iter().copied().filter(|place| *place >= from && on_all(place));
            prop_assert_eq!(all(&lists, Walk::Up(Seq(from)), limit), up.collect::<Vec<_>>());
            let down = a.1.iter().rev().copied().filter(|place| *place < from && on_all(place));
            prop_assert_eq!(all(&lists, Walk::Down(Seq(from)), limit), down.collect::<Vec<_>>());
        }
    }
}
