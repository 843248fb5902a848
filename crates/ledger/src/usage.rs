//! Counts of use: how often each key was verified, by verdict and hour, and when it was last used.
//! Counted in memory, written aside now and then, never an event. See `schemas/usage.md`.

mod bucket;
#[cfg(test)]
mod bucket_tests;
mod compact;
mod counters;
#[cfg(test)]
mod counters_tests;
mod folder;
#[cfg(test)]
mod golden_tests;
mod journal;
mod merge;
mod recent;
mod restore;
mod row;
mod run;
mod series;
#[cfg(test)]
mod tests;
mod used;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keys::{KeyId, Timestamp, Verdict};
use parking_lot::Mutex;

pub(crate) use self::bucket::{Bucket, day_of, hour_of, start_of};
pub use self::counters::VerdictCounts;
use self::counters::{Counter, Counters};
pub use self::folder::UsageError;
use self::folder::{DayRun, Name, RunName};
use self::journal::Journal;
use self::recent::{CHUNK, Collected, Recent, Stage, each_row};
use self::row::Row;
use self::run::{Run, Writer};
pub(crate) use self::series::SeriesId;
use self::used::{Used, UsedKeys};
use crate::limits::Tally;
use crate::projection::table::{KeyTable, LastUse};

/// A journal of so many bytes is moved into runs.
const MOST_IN_JOURNAL: u64 = 64 << 20;
/// So many entries of the journal are held in memory at most.
const MOST_JOURNALED: usize = if cfg!(test) { 100 } else { 250_000 };

/// Where counts of use are put, and for how long.
#[derive(Clone, Debug)]
pub struct UsageOptions {
    /// The folder of the files; `None`: they are in memory only.
    pub folder: Option<PathBuf>,
    /// How many days the counts of a day stay.
    pub days: u32,
}

impl Default for UsageOptions {
    fn default() -> UsageOptions {
        UsageOptions { folder: None, days: 90 }
    }
}

/// Numbers of the counts of use, for the operator.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageStats {
    /// The verdicts since the start, in the order of [`Verdict::ALL`].
    pub verdicts: VerdictCounts,
    /// Entries that are in no file yet.
    pub unwritten: usize,
    /// Uses that are in no count, because nothing could be written for too long.
    pub lost: u64,
    /// The bytes of all files.
    pub bytes: u64,
}

/// All counts of use.
pub(crate) struct Usage {
    options: UsageOptions,
    /// Of refusals.
    counters: Counters,
    /// Of uses, which each key counts.
    used: UsedKeys,
    /// Held while what was counted is collected, so that whoever comes next finds it all.
    collecting: Mutex<()>,
    counts: Mutex<Counts>,
    files: Mutex<Files>,
    /// Held while runs are merged.
    last_used: Mutex<Option<(u64, Run)>>,
    lost: AtomicU64,
    journal_bytes: AtomicU64,
    last_used_bytes: AtomicU64,
    closing: AtomicBool,
}

/// What is not in runs, and what is.
#[derive(Default)]
struct Counts {
    recent: Recent,
    runs: Vec<Arc<DayRun>>,
}

/// The files that are written.
#[derive(Default)]
struct Files {
    /// Whether it was read what there was.
    is_open: bool,
    journal: Option<Journal>,
    /// The journals whose counts are in memory and in no run: that one, and those of before a crash.
    journals: Vec<u64>,
    next: u64,
}

/// The counts of one series, as they were at one moment.
pub(crate) struct SeriesCounts {
    series: SeriesId,
    recent: BTreeMap<Bucket, u64>,
    runs: Vec<Arc<DayRun>>,
}

impl Usage {
    /// Reads what there is of the keys in `table`. That never fails: what cannot be read is left
    /// out, with a warning in the log, and tried again with the next [`Usage::save`].
    pub(crate) fn open(options: UsageOptions, table: &KeyTable) -> Usage {
        let usage = Usage {
            options,
            counters: Counters::new(),
            used: UsedKeys::new(),
            collecting: Mutex::default(),
            counts: Mutex::default(),
            files: Mutex::default(),
            last_used: Mutex::default(),
            lost: AtomicU64::new(0),
            journal_bytes: AtomicU64::new(0),
            last_used_bytes: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        };
        if let Some(folder) = &usage.options.folder
            && let Err(error) = usage.read(&mut usage.files.lock(), folder, table)
        {
            let error = UsageError::at(folder)(error);
            tracing::error!(%error, "counts of use are in memory only until they can be read");
        }
        usage
    }

    /// Has the uses of a key collected; `earlier` is what it has no more.
    pub(crate) fn collect_later(&self, key: KeyId, earlier: Tally) {
        self.used.push(Used { key, earlier });
    }

    /// Counts a verdict, and for which key and when. Memory only, and as good as no waiting.
    pub(crate) fn count(&self, verdict: Verdict, key: Option<(KeyId, Timestamp)>) {
        self.counters.count(verdict, key);
    }

    /// The first day whose counts stay.
    pub(crate) fn first_day(&self, now: Timestamp) -> u32 {
        day_of(now).saturating_sub(self.options.days)
    }

    /// Collects what was counted, for keys, accounts and all.
    fn collect(&self, table: &KeyTable) {
        let _one = self.collecting.lock();
        for mut used in self.used.take() {
            // In the order of the table and of the counts: next to each other in memory.
            used.sort_unstable_by_key(|used| used.key);
            for chunk in used.chunks(CHUNK) {
                let mut collected = Collected::default();
                for Used { key: id, earlier } in chunk {
                    let Some(key) = table.get(*id) else { continue };
                    table.orders.used(|| table.get(*id));
                    let hours = [*earlier, key.uses.collect()].into_iter();
                    for Tally { period: hour, used: count } in hours.filter(|hour| hour.used > 0) {
                        let counter = Counter { key: *id, bucket: Bucket::of_uses(hour), count };
                        collected.add(counter, Some(&key.made.account));
                    }
                }
                self.add(collected);
            }
        }
        for counters in self.counters.take() {
            let counters: Vec<Counter> = counters.into_iter().collect();
            for chunk in counters.chunks(CHUNK) {
                let mut collected = Collected::default();
                for counter in chunk {
                    let key = table.get(counter.key);
                    collected.add(*counter, key.as_ref().map(|key| &key.made.account));
                }
                self.add(collected);
            }
        }
    }

    fn add(&self, collected: Collected) {
        let lost = self.counts.lock().recent.add(collected);
        self.lost.fetch_add(lost, Ordering::Relaxed);
    }

    /// The counts of a series from one day to another, both in it, up to the last verify.
    pub(crate) fn of(&self, series: SeriesId, days: (u32, u32), table: &KeyTable) -> SeriesCounts {
        self.collect(table);
        let (from, to) = (Bucket::first_of(days.0), Bucket::first_of(days.1.saturating_add(1)));
        let counts = self.counts.lock();
        let recent = counts.recent.sum(series, from, to);
        let in_days = |run: &&Arc<DayRun>| (days.0..=days.1).contains(&run.name.day);
        let runs = counts.runs.iter().filter(in_days).cloned().collect();
        SeriesCounts { series, recent, runs }
    }

    /// Numbers for the operator.
    pub(crate) fn stats(&self) -> UsageStats {
        let mut counts = self.counts.lock();
        let runs: u64 = counts.runs.iter().map(|run| run.run.bytes()).sum();
        let unwritten =
            [Stage::Unwritten, Stage::Journaling].map(|stage| counts.recent.at(stage).len());
        drop(counts);
        let files = [&self.journal_bytes, &self.last_used_bytes].map(|b| b.load(Ordering::Relaxed));
        UsageStats {
            verdicts: self.counters.verdicts(),
            unwritten: unwritten.iter().sum(),
            lost: self.counters.lost() + self.lost.load(Ordering::Relaxed),
            bytes: runs + files.iter().sum::<u64>(),
        }
    }

    /// Ends what [`Usage::compact`] has under way.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Writes what was counted since the last time to the journal. Without room on the disk it
    /// stays in memory, up to a bound.
    pub(crate) fn save(
        &self,
        table: &KeyTable,
        now: Timestamp,
        has_room: bool,
    ) -> Result<(), UsageError> {
        self.collect(table);
        let Some(folder) = &self.options.folder else { return Ok(()) };
        let mut files = self.files.lock();
        let saved = match has_room {
            true => self.write(&mut files, folder, table, now),
            false if self.counts.lock().recent.at(Stage::Unwritten).is_empty() => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        };
        if let Some(journal) = &files.journal {
            self.journal_bytes.store(journal.length(), Ordering::Relaxed);
        }
        saved.map_err(UsageError::at(folder))
    }

    fn write(
        &self,
        files: &mut Files,
        folder: &Path,
        table: &KeyTable,
        now: Timestamp,
    ) -> io::Result<()> {
        if !files.is_open {
            self.read(files, folder, table)?;
        }
        let mut counts = self.counts.lock();
        let is_new = !counts.recent.at(Stage::Unwritten).is_empty();
        let journaled = counts.recent.at(Stage::Journaled);
        let (entries, first) = (journaled.len(), journaled.keys().next().map(|(_, b)| b.hour()));
        drop(counts);
        if !is_new && entries == 0 {
            return Ok(());
        }
        let length = files.journal.as_ref().map_or(0, Journal::length);
        let is_full = entries >= MOST_JOURNALED || length >= MOST_IN_JOURNAL;
        let is_over = first.is_some_and(|hour| hour != hour_of(now));
        if is_full || is_over || files.journal.is_none() {
            self.move_to_runs(files, folder, table)?;
        }
        if !is_new {
            return Ok(());
        }
        let Some(journal) = &mut files.journal else { return Ok(()) };
        self.counts.lock().recent.promote(Stage::Unwritten, Stage::Journaling);
        let before = journal.length();
        let written = self.each_row(Stage::Journaling, table, |rows| {
            let mut bytes = Vec::new();
            for row in rows {
                row.encode(&mut bytes);
            }
            journal.append(&bytes)
        });
        let written = written.and_then(|()| journal.commit());
        if written.is_err() {
            journal.undo(before);
        }
        let to = if written.is_ok() { Stage::Journaled } else { Stage::Unwritten };
        self.shift(Stage::Journaling, to);
        written
    }

    /// Moves the counts of the journal into runs, one for each day, and begins an empty journal.
    fn move_to_runs(&self, files: &mut Files, folder: &Path, table: &KeyTable) -> io::Result<()> {
        let number = files.next;
        if let (Some(first), Some(last)) = (files.journals.first(), files.journals.last()) {
            self.counts.lock().recent.promote(Stage::Journaled, Stage::Moving);
            match self.write_runs(folder, (*first, *last), table) {
                Ok(runs) => {
                    let mut counts = self.counts.lock();
                    counts.runs.extend(runs);
                    let moved = std::mem::take(counts.recent.at(Stage::Moving));
                    drop(counts);
                    drop(moved);
                }
                Err(error) => {
                    self.shift(Stage::Moving, Stage::Journaled);
                    return Err(error);
                }
            }
        }
        let path = |number| folder.join(Name::Journal(number).to_string());
        files.journal = None;
        let journal = Journal::create(&path(number))?;
        files.next = number + 1;
        // What a crash leaves of these is in the runs too.
        for old in std::mem::replace(&mut files.journals, vec![number]) {
            eventlog::files::remove_if_there(&path(old))?;
        }
        files.journal = Some(journal);
        Ok(())
    }

    fn write_runs(
        &self,
        folder: &Path,
        journals: (u64, u64),
        table: &KeyTable,
    ) -> io::Result<Vec<Arc<DayRun>>> {
        let mut days = BTreeSet::new();
        self.each_row(Stage::Moving, table, |rows| {
            days.extend(rows.iter().flat_map(|row| &row.counts).map(|(bucket, _)| bucket.day()));
            Ok(())
        })?;
        let write = |day| {
            let name = RunName { day, journals, closed: false };
            let mut writer = Writer::new(&folder.join(Name::Run(name).to_string()))?;
            self.each_row(Stage::Moving, table, |rows| {
                rows.iter().filter_map(|row| of_day(row, day)).try_for_each(|row| writer.push(&row))
            })?;
            Ok(Arc::new(DayRun { name, run: writer.finish()? }))
        };
        days.into_iter().map(write).collect()
    }

    /// Reads all rows of a stage, which nobody else changes meanwhile.
    fn each_row(
        &self,
        stage: Stage,
        table: &KeyTable,
        each: impl FnMut(&[Row]) -> io::Result<()>,
    ) -> io::Result<()> {
        let last_use = |key| table.get(key).map_or(LastUse::NONE, |key| key.uses.last_use());
        each_row(|after| self.counts.lock().recent.rows(stage, after), last_use, each)
    }

    fn shift(&self, from: Stage, to: Stage) {
        while self.counts.lock().recent.shift(from, to) {}
    }
}

impl SeriesCounts {
    /// The counts of one of the days.
    pub(crate) fn day(&self, day: u32) -> io::Result<BTreeMap<Bucket, u64>> {
        let days = Bucket::first_of(day)..Bucket::first_of(day.saturating_add(1));
        let recent = self.recent.range(days).map(|(bucket, count)| (*bucket, *count));
        let mut counts: BTreeMap<Bucket, u64> = recent.collect();
        for run in self.runs.iter().filter(|run| run.name.day == day) {
            for (bucket, count) in run.run.find(self.series)?.into_iter().flat_map(|row| row.counts)
            {
                let sum: &mut u64 = counts.entry(bucket).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        Ok(counts)
    }
}

/// What a row has of one day; `None` if that is nothing.
fn of_day(row: &Row, day: u32) -> Option<Row> {
    let counts: Vec<_> =
        row.counts.iter().filter(|(bucket, _)| bucket.day() == day).copied().collect();
    (!counts.is_empty()).then_some(Row { counts, ..*row })
}
