//! One row of the files: the counts of one series, and when its key was last used.

use super::bucket::Bucket;
use super::series::SeriesId;
use crate::projection::table::LastUse;

/// The counts of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) series: SeriesId,
    /// The last use of its key; [`LastUse::NONE`] also where it is not said.
    pub(crate) last: LastUse,
    /// In order, each bucket once.
    pub(crate) counts: Vec<(Bucket, u64)>,
}

impl Row {
    /// Appends the row to `bytes`: 16 bytes of id; the moment of the last use and, if there is one,
    /// the uses by then in all, in its month and on its day; the number of buckets, then of each the
    /// distance from the one before and the count. Numbers are LEB128.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.series.to_bytes());
        put(bytes, self.last.at);
        if !self.last.is_none() {
            for used in [self.last.total, self.last.in_month, self.last.on_day] {
                put(bytes, used.into());
            }
        }
        put(bytes, self.counts.len() as u64);
        let mut before = 0;
        for (bucket, count) in &self.counts {
            put(bytes, u64::from(bucket.number() - before));
            put(bytes, *count);
            before = bucket.number();
        }
    }

    /// Takes one row off the front of `bytes`; `None` if there is none.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Row> {
        let (id, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        let mut last = LastUse { at: take(bytes)?, ..LastUse::NONE };
        if !last.is_none() {
            for used in [&mut last.total, &mut last.in_month, &mut last.on_day] {
                *used = u32::try_from(take(bytes)?).ok()?;
            }
        }
        let length = take(bytes)?;
        let mut counts = Vec::new();
        let mut before = 0_u32;
        for _ in 0..length {
            let distance = u32::try_from(take(bytes)?).ok()?;
            before = before.checked_add(distance)?;
            counts.push((Bucket::from_number(before), take(bytes)?));
        }
        Some(Row { series: SeriesId::from_bytes(*id), last, counts })
    }

    /// Adds the counts of another row of the same series.
    pub(crate) fn add(&mut self, other: Row) {
        self.last = self.last.max(other.last);
        for (bucket, count) in other.counts {
            match self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                Ok(place) => {
                    if let Some((_, sum)) = self.counts.get_mut(place) {
                        *sum = sum.saturating_add(count);
                    }
                }
                Err(place) => self.counts.insert(place, (bucket, count)),
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7F).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn row() -> impl Strategy<Value = Row> {
        let counts = btree_map(any::<u32>(), any::<u64>(), 0..30);
        let last = (1_u64.., any::<[u32; 3]>())
            .prop_map(|(at, [total, in_month, on_day])| LastUse { at, total, in_month, on_day });
        let last = proptest::option::of(last).prop_map(|last| last.unwrap_or(LastUse::NONE));
        (any::<[u8; 16]>(), last, counts).prop_map(|(id, last, counts)| Row {
            series: SeriesId::from_bytes(id),
            last,
            counts: counts.into_iter().map(|(n, count)| (Bucket::from_number(n), count)).collect(),
        })
    }

    proptest! {
        #[test]
        fn rows_come_back_from_their_bytes(rows in vec(row(), 0..5)) {
            let mut bytes = Vec::new();
            for row in &rows {
                row.encode(&mut bytes);
            }
            let mut left = bytes.as_slice();
            let read: Vec<Row> = rows.iter().map(|_| Row::decode(&mut left).unwrap()).collect();
            prop_assert_eq!(read, rows);
            prop_assert!(left.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
            let mut left = bytes.as_slice();
            while Row::decode(&mut left).is_some() {}
        }
    }

    #[test]
    fn a_sum_has_each_bucket_once() {
        let bucket = Bucket::from_number;
        let series = SeriesId::ALL;
        let newer = LastUse { at: 5, total: 9, in_month: 1, on_day: 1 };
        let older = LastUse { at: 3, total: 8, in_month: 8, on_day: 8 };
        let counts = vec![(bucket(1), 1), (bucket(4), u64::MAX)];
        let mut row = Row { series, last: newer, counts };
        let counts = vec![(bucket(0), 2), (bucket(4), 2), (bucket(9), 3)];
        row.add(Row { series, last: older, counts });
        let sums = [(bucket(0), 2), (bucket(1), 1), (bucket(4), u64::MAX), (bucket(9), 3)];
        assert_eq!((row.last, row.counts.as_slice()), (newer, sums.as_slice()));
    }
}
