//! What a start reads of the files: the last use of each key, with how often it was used by then, and
//! the counts of the journal.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::folder::{self, Name, RunName};
use super::merge::Merged;
use super::recent::{Counts, Stage};
use super::row::Row;
use super::series::SeriesId;
use super::{Files, Usage, journal};
use crate::projection::table::{KeyTable, LastUse};

impl Usage {
    /// Reads what there is. To be called once, and again if it failed.
    pub(super) fn read(
        &self,
        files: &mut Files,
        folder: &Path,
        table: &KeyTable,
    ) -> io::Result<()> {
        let listing = folder::open(folder)?;
        let mut missing = 0;
        if let Some((_, run)) = &listing.last_used {
            for row in run.rows() {
                missing += u64::from(!restore(&row?, table));
            }
        }
        let mut journaled: BTreeMap<SeriesId, Row> = BTreeMap::new();
        let (mut numbers, mut bytes) = (Vec::new(), 0);
        for number in &listing.journals {
            let path = folder.join(Name::Journal(*number).to_string());
            let in_run = |day| {
                let own = RunName { day, journals: (*number, *number), closed: false };
                listing.runs.iter().any(|run| run.name.covers(&own))
            };
            let is_journal = journal::read(&path, &mut |mut row| {
                row.counts.retain(|(bucket, _)| !in_run(bucket.day()));
                let empty = Row { last: LastUse::NONE, counts: Vec::new(), ..row };
                journaled.entry(row.series).or_insert(empty).add(row);
            })?;
            bytes += std::fs::metadata(&path)?.len();
            // What is none is not removed with them.
            numbers.extend(is_journal.then_some(*number));
        }
        self.journal_bytes.store(bytes, Ordering::Relaxed);
        // The last uses of closed days are in the file of last uses.
        let runs = listing.runs.iter().filter(|run| !run.name.closed);
        let runs = runs.map(|run| Box::new(run.run.rows()) as Box<dyn Iterator<Item = _>>);
        let journals = Box::new(journaled.values().cloned().map(Ok)) as Box<dyn Iterator<Item = _>>;
        for row in Merged::new(runs.chain([journals])) {
            let row = row?;
            missing += u64::from(!row.last.is_none() && !restore(&row, table));
        }
        if missing > 0 {
            tracing::warn!(
                folder = %folder.display(), missing,
                "counts of use are of keys that this log does not have; nobody sees them"
            );
        }
        *self.last_used.lock() = listing.last_used;
        files.journals = numbers;
        files.next = listing.next;
        files.is_open = true;
        let entries = journaled.into_values().flat_map(|row| {
            row.counts.into_iter().map(move |(bucket, count)| ((row.series, bucket), count))
        });
        let entries: Counts = entries.collect();
        let mut counts = self.counts.lock();
        counts.runs = listing.runs;
        *counts.recent.at(Stage::Journaled) = entries;
        Ok(())
    }
}

/// Gives a key back its last use; whether there is such a key.
fn restore(row: &Row, table: &KeyTable) -> bool {
    let Some(key) = table.get(row.series.key()) else { return false };
    key.uses.restore(row.last);
    true
}
