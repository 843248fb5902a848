//! Rows of several sources as one: in order, each series once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::iter::Peekable;

use super::row::Row;
use super::series::SeriesId;

/// The rows of `sources`, each of which is in order, added up.
pub(crate) struct Merged<I: Iterator> {
    sources: Vec<Peekable<I>>,
    next: BinaryHeap<Reverse<(SeriesId, usize)>>,
    failed: Option<io::Error>,
}

impl<I: Iterator<Item = io::Result<Row>>> Merged<I> {
    pub(crate) fn new(sources: impl Iterator<Item = I>) -> Merged<I> {
        let sources: Vec<_> = sources.map(Iterator::peekable).collect();
        let mut merged = Merged { next: BinaryHeap::new(), sources, failed: None };
        (0..merged.sources.len()).for_each(|source| merged.queue(source));
        merged
    }

    /// Puts a source in its place among the others, by its next row.
    fn queue(&mut self, source: usize) {
        let Some(rows) = self.sources.get_mut(source) else { return };
        match rows.peek() {
            Some(Ok(row)) => self.next.push(Reverse((row.series, source))),
            Some(Err(_)) => self.failed = rows.next().and_then(Result::err),
            None => {}
        }
    }

    /// The next row of a source, which has one.
    fn take(&mut self, source: usize) -> Option<Row> {
        let row = self.sources.get_mut(source)?.next()?.ok();
        self.queue(source);
        row
    }
}

impl<I: Iterator<Item = io::Result<Row>>> Iterator for Merged<I> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        if let Some(error) = self.failed.take() {
            self.next.clear();
            return Some(Err(error));
        }
        let Reverse((series, source)) = self.next.pop()?;
        let mut sum = self.take(source)?;
        while let Some(Reverse((next, source))) = self.next.peek().copied()
            && next == series
        {
            self.next.pop();
            if let Some(row) = self.take(source) {
                sum.add(row);
            }
        }
        Some(Ok(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::table::LastUse;
    use crate::usage::bucket::Bucket;

    fn row(series: u8, count: u64) -> Row {
        let counts = vec![(Bucket::from_number(1), count)];
        let last = LastUse { at: count, ..LastUse::NONE };
        Row { series: SeriesId::from_bytes([series; 16]), last, counts }
    }

    #[test]
    fn equal_series_are_added_up() {
        let sources = [vec![row(1, 1), row(3, 1)], vec![], vec![row(1, 2), row(2, 5), row(3, 7)]];
        let merged = Merged::new(sources.into_iter().map(|rows| rows.into_iter().map(Ok)));
        let merged: Vec<_> = merged.map(Result::unwrap).collect();
        let sums: Vec<_> = merged.iter().map(|r| (r.series.to_bytes()[0], r.counts[0].1)).collect();
        assert_eq!(sums, [(1, 3), (2, 5), (3, 8)]);
        assert_eq!(merged[2].last.at, 7);
    }

    #[test]
    fn a_source_that_fails_fails_all() {
        let failed = Err(io::ErrorKind::PermissionDenied.into());
        let sources =
            [vec![Ok(row(1, 1)), Ok(row(2, 1))], vec![Ok(row(1, 1)), failed, Ok(row(9, 1))]];
        let merged: Vec<_> = Merged::new(sources.into_iter().map(Vec::into_iter)).collect();
        assert!(merged.iter().any(Result::is_err));
        assert!(merged.len() <= 2);
    }
}
