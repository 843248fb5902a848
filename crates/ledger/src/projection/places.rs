//! A list of places in the log: compressed gaps, one to four bytes a place.
//!
//! Not a roaring bitmap, which was measured beside it (`benches/places.rs`, and the memory with a
//! counting allocator). Most lists are of accounts and keys with few of a log's many records, and
//! there a bitmap takes two to three times the memory: 10 places take 144 bytes here and 530 there,
//! a million that are 10,000 apart 4.3 bytes each here and 9.2 there. To add a place, which happens
//! under the lock that the writer holds, takes 2 to 20 ns here and 10 to 200 ns there. Where a list
//! has a third of all records a bitmap is smaller (0.5 bytes a place, here 1.1), and to find a place
//! in a long list or to read a page of it takes a few microseconds in either.

use eventlog::Seq;

use crate::page::Walk;

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
/// What is done under one hold of the lock, which a writer may wait for: some hundred microseconds.
const MOST_WORK: usize = if cfg!(test) { 512 } else { 16_384 };
/// What it takes to read a block, beside one step.
const LOADED: usize = 32;

impl Places {
    pub(crate) fn push(&mut self, seq: Seq) {
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

    /// The first place.
    pub(crate) fn first(&self) -> Option<Seq> {
        self.blocks.first().map(|(first, _)| Seq(*first))
    }

    /// The first place at `from` or after it.
    pub(crate) fn first_from(&self, from: Seq) -> Option<Seq> {
        let number = self.number(from.0);
        let within = self.block(number).into_iter().find(|place| *place >= from.0);
        within.or_else(|| self.blocks.get(number + 1).map(|(first, _)| *first)).map(Seq)
    }

    fn block(&self, number: usize) -> Vec<u64> {
        let Some(&(first, start)) = self.blocks.get(number) else { return Vec::new() };
        let end = self.blocks.get(number + 1).map_or(self.gaps.len(), |(_, end)| *end);
        let mut places = Vec::with_capacity(BLOCK);
        let (mut place, mut gap, mut shift) = (first, 0_u64, 0);
        #[expect(clippy::indexing_slicing, reason = "a block's offset lies within the gaps")]
        let gaps = &self.gaps[start..end];
        for byte in gaps {
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

/// Goes through a list one way. What lies far ahead is found without what lies between.
struct Cursor<'l> {
    list: &'l Places,
    is_up: bool,
    number: usize,
    block: Vec<u64>,
    /// What is before it, the way it goes, is passed.
    at: usize,
    /// How much was done, about: 1 is a few nanoseconds.
    work: usize,
}

impl<'l> Cursor<'l> {
    fn new(list: &'l Places, is_up: bool) -> Cursor<'l> {
        Cursor { list, is_up, number: usize::MAX, block: Vec::new(), at: 0, work: 0 }
    }

    /// The first place at `target` or behind it, the way it goes. Targets come in that order.
    fn seek(&mut self, target: u64) -> Option<u64> {
        self.work += 1;
        if self.is_up { self.seek_up(target) } else { self.seek_down(target) }
    }

    fn seek_up(&mut self, target: u64) -> Option<u64> {
        let is_ahead =
            |number: usize| self.list.blocks.get(number).is_some_and(|(first, _)| *first <= target);
        if self.number == usize::MAX || is_ahead(self.number + 1) {
            self.load(self.list.number(target));
        }
        loop {
            let rest = self.block.get(self.at..).unwrap_or_default();
            match rest.first() {
                // Mostly it is the next one.
                Some(next) if *next >= target => return Some(*next),
                Some(_) => self.at += rest.partition_point(|place| *place < target),
                None if self.number + 1 < self.list.blocks.len() => self.load(self.number + 1),
                None => return None,
            }
        }
    }

    fn seek_down(&mut self, target: u64) -> Option<u64> {
        let first = |number: usize| self.list.blocks.get(number).map(|(first, _)| *first);
        if self.number == usize::MAX || first(self.number).is_some_and(|first| first > target) {
            self.load(self.list.number(target));
            self.at = self.block.len();
        }
        let rest = self.block.get(..self.at).unwrap_or_default();
        match rest.last() {
            Some(next) if *next <= target => {}
            Some(_) | None => self.at = rest.partition_point(|place| *place <= target),
        }
        self.block.get(self.at.checked_sub(1)?).copied()
    }

    fn load(&mut self, number: usize) {
        self.work += LOADED;
        (self.number, self.block, self.at) = (number, self.list.block(number), 0);
    }
}

/// Places that were found, and where to look on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) places: Vec<Seq>,
    /// `None` at the end of the list.
    pub(crate) next: Option<Walk>,
}

/// What is on all of `lists`, at most `limit` places, from `walk` on. Each list is followed to where the
/// others go on, the shortest first, as far as [`MOST_WORK`] goes.
pub(crate) fn common(lists: &[&Places], walk: Walk, limit: usize) -> Found {
    let mut found = Found { places: Vec::new(), next: None };
    let (mut target, is_up) = match walk {
        Walk::Up(from) => (from.0, true),
        Walk::Down(before) => match before.0.checked_sub(1) {
            Some(last) => (last, false),
            None => return found,
        },
    };
    let mut cursors: Vec<_> = lists.iter().map(|list| Cursor::new(list, is_up)).collect();
    cursors.sort_by_key(|cursor| cursor.list.count);
    let Some((shortest, others)) = cursors.split_first_mut() else { return found };
    let mut work = 0;
    while let Some(place) = shortest.seek(target) {
        if found.places.len() == limit || work >= MOST_WORK {
            found.next =
                Some(if is_up { Walk::Up(Seq(place)) } else { Walk::Down(Seq(place + 1)) });
            return found;
        }
        let mut reached = place;
        for other in others.iter_mut() {
            let Some(at) = other.seek(place) else { return found };
            reached = at;
            if at != place {
                break;
            }
        }
        work = shortest.work + others.iter().map(|other| other.work).sum::<usize>();
        if reached != place {
            target = reached;
            continue;
        }
        found.places.push(Seq(place));
        target = match (is_up, place.checked_sub(1)) {
            (true, _) => place + 1,
            (false, Some(before)) => before,
            (false, None) => return found,
        };
    }
    found
}

/// The lowest 7 bits.
fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & 0x7F
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
                prop_assert_eq!(places.first_from(Seq(from)).map(|seq| seq.0), up.first().copied());
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
