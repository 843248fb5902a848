//! The counts that are in no run yet, by how far they are on their way there. They are moved in
//! chunks, so that whoever looks at them waits for one chunk at most, and finds each count once.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use hashbrown::HashMap;
use keys::{Account, KeyId};

use super::bucket::Bucket;
use super::counters::Counter;
use super::row::Row;
use super::series::SeriesId;
use crate::projection::table::LastUse;

/// Counts in the order of their series.
pub(crate) type Counts = BTreeMap<(SeriesId, Bucket), u64>;

/// Entries moved, read or added under one hold of the lock.
pub(crate) const CHUNK: usize = if cfg!(test) { 4 } else { 1_024 };
/// As many entries are held at most, about 50 MB; more come about only while nothing can be
/// written, and are lost.
const MOST: usize = 1_000_000;

/// Where counts are.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    /// In no file.
    Unwritten,
    /// On their way to the journal.
    Journaling,
    /// In the journal.
    Journaled,
    /// On their way from the journal to a run.
    Moving,
}

/// What was collected at once: the counts of keys, and their sums by account.
#[derive(Default)]
pub(crate) struct Collected {
    keys: Vec<Counter>,
    sums: HashMap<(Option<Account>, Bucket), u64>,
}

impl Collected {
    /// Adds what was counted of a key of that account.
    pub(crate) fn add(&mut self, counter: Counter, account: Option<&Account>) {
        *self.sums.entry((account.cloned(), counter.bucket)).or_default() +=
            u64::from(counter.count);
        self.keys.push(counter);
    }
}

/// Counts in every stage.
#[derive(Default)]
pub(crate) struct Recent([Counts; 4]);

impl Recent {
    pub(crate) fn at(&mut self, stage: Stage) -> &mut Counts {
        let [unwritten, journaling, journaled, moving] = &mut self.0;
        match stage {
            Stage::Unwritten => unwritten,
            Stage::Journaling => journaling,
            Stage::Journaled => journaled,
            Stage::Moving => moving,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Counts::len).sum()
    }

    /// Adds what was collected; how much of it was lost. The sums of accounts never are.
    pub(crate) fn add(&mut self, collected: Collected) -> u64 {
        let (mut lost, mut room) = (0, MOST.saturating_sub(self.len()));
        let unwritten = self.at(Stage::Unwritten);
        for counter in collected.keys {
            let (place, count) =
                ((SeriesId::of_key(counter.key), counter.bucket), u64::from(counter.count));
            match unwritten.get_mut(&place) {
                Some(sum) => *sum = sum.saturating_add(count),
                None if room == 0 => lost += count,
                None => {
                    room -= 1;
                    unwritten.insert(place, count);
                }
            }
        }
        for ((account, bucket), count) in collected.sums {
            let account = account.as_ref().map(SeriesId::of_account);
            for series in account.into_iter().chain([SeriesId::ALL]) {
                let sum = unwritten.entry((series, bucket)).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        lost
    }

    /// Adds up what there is of a series from one bucket to another, which is not in it.
    pub(crate) fn sum(&self, series: SeriesId, from: Bucket, to: Bucket) -> BTreeMap<Bucket, u64> {
        let mut sums = BTreeMap::new();
        if from >= to {
            return sums;
        }
        for counts in &self.0 {
            for ((_, bucket), count) in counts.range((series, from)..(series, to)) {
                *sums.entry(*bucket).or_default() += *count;
            }
        }
        sums
    }

    /// Moves everything of a stage at once into another, which is empty.
    pub(crate) fn promote(&mut self, from: Stage, to: Stage) {
        let counts = std::mem::take(self.at(from));
        *self.at(to) = counts;
    }

    /// Moves some entries from one stage to another; whether there are more.
    pub(crate) fn shift(&mut self, from: Stage, to: Stage) -> bool {
        for _ in 0..CHUNK {
            let Some((place, count)) = self.at(from).pop_first() else { return false };
            *self.at(to).entry(place).or_default() += count;
        }
        true
    }

    /// The next rows of a stage behind those of a series; empty at the end. A series is whole.
    pub(crate) fn rows(&mut self, stage: Stage, after: Option<SeriesId>) -> Vec<Row> {
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded((after, Bucket::MAX)));
        let mut rows: Vec<Row> = Vec::new();
        for (entries, ((series, bucket), count)) in
            self.at(stage).range((start, Bound::Unbounded)).enumerate()
        {
            match rows.last_mut().filter(|row| row.series == *series) {
                Some(row) => row.counts.push((*bucket, *count)),
                None if entries >= CHUNK => break,
                None => {
                    let counts = vec![(*bucket, *count)];
                    rows.push(Row { series: *series, last: LastUse::NONE, counts });
                }
            }
        }
        rows
    }
}

/// Reads all rows of a stage; `lock` gives the counts for one chunk at a time, and `last_use`
/// that of a key.
pub(crate) fn each_row(
    mut lock: impl FnMut(Option<SeriesId>) -> Vec<Row>,
    last_use: impl Fn(KeyId) -> LastUse,
    mut each: impl FnMut(&[Row]) -> io::Result<()>,
) -> io::Result<()> {
    let mut after = None;
    loop {
        let mut rows = lock(after);
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.series);
        for row in &mut rows {
            if row.counts.iter().any(|(bucket, _)| bucket.is_use()) {
                row.last = last_use(row.series.key());
            }
        }
        each(&rows)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(recent: &mut Recent, key: u8, bucket: u32, count: u32) {
        let (key, bucket) = (KeyId::from_bytes([key; 16]), Bucket::from_number(bucket));
        let mut collected = Collected::default();
        let account = Account::new("acme").unwrap();
        collected.add(Counter { key, bucket, count }, Some(&account));
        assert_eq!(recent.add(collected), 0);
    }

    fn all(recent: &Recent, series: SeriesId) -> Vec<(u32, u64)> {
        let sums = recent.sum(series, Bucket::from_number(0), Bucket::MAX);
        sums.into_iter().map(|(bucket, count)| (bucket.number(), count)).collect()
    }

    #[test]
    fn wherever_counts_are_they_are_found_once() {
        let mut recent = Recent::default();
        let stages = [
            Stage::Unwritten,
            Stage::Journaling,
            Stage::Journaled,
            Stage::Moving,
            Stage::Unwritten,
        ];
        for key in 1..20 {
            counted(&mut recent, key, 5, u32::from(key));
            counted(&mut recent, key, 9, 1);
        }
        let key = SeriesId::from_bytes([7; 16]);
        for pair in stages.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let mut more = true;
            while more {
                more = recent.shift(from, to);
                assert_eq!(all(&recent, key), [(5, 7), (9, 1)]);
                assert_eq!(all(&recent, SeriesId::ALL), [(5, 190), (9, 19)]);
            }
        }
        let account = SeriesId::of_account(&Account::new("acme").unwrap());
        assert_eq!(all(&recent, account), [(5, 190), (9, 19)]);
        let none = recent.sum(key, Bucket::from_number(6), Bucket::from_number(9));
        assert!(none.is_empty());
    }

    #[test]
    fn rows_come_whole_and_in_order() {
        let mut recent = Recent::default();
        for key in 1..20 {
            (0..6).for_each(|bucket| counted(&mut recent, key, bucket * 16, 1));
        }
        let mut read = Vec::new();
        let chunk = |after| recent.rows(Stage::Unwritten, after);
        each_row(
            chunk,
            |_| LastUse { at: 77, ..LastUse::NONE },
            |rows| {
                read.extend_from_slice(rows);
                Ok(())
            },
        )
        .unwrap();
        assert!(read.is_sorted_by_key(|row| row.series));
        assert_eq!(read.len(), 19 + 2);
        assert!(read.iter().all(|row| row.counts.len() == 6 && row.last.at == 77));
    }
}
