//! Merges the runs of a day, moves the last uses of days that are over into their own file, and
//! removes days that are too old.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use eventlog::files;
use keys::Timestamp;

use super::Usage;
use super::bucket::day_of;
use super::folder::{DayRun, Name, RunName, UsageError};
use super::merge::Merged;
use super::row::Row;
use super::run::{Rows, Run, Writer};
use crate::projection::table::LastUse;

/// A day that is not over has so many runs at most.
const MOST_RUNS: usize = if cfg!(test) { 3 } else { 32 };
/// Rows that are written between two looks whether the service stops.
const STEP: usize = 1_024;

impl Usage {
    /// Makes the files as few and as small as they can be, which reads and writes them. `forget`:
    /// removes the days that are too old; not for a clock that stepped.
    ///
    /// Everything goes on meanwhile. Ends early once the service stops.
    pub(crate) fn compact(&self, now: Timestamp, forget: bool) -> Result<(), UsageError> {
        let Some(folder) = &self.options.folder else { return Ok(()) };
        let mut last_used = self.last_used.lock();
        if forget {
            self.forget(self.first_day(now)).map_err(UsageError::at(folder))?;
        }
        while let Some((runs, is_over)) = self.mergeable(day_of(now)) {
            match self.merge(folder, &mut last_used, &runs, is_over) {
                Err(_) if self.closing.load(Ordering::Relaxed) => return Ok(()),
                merged => merged.map_err(UsageError::at(folder))?,
            }
        }
        Ok(())
    }

    /// Removes the runs of days before `first`, but for those whose last uses are nowhere else yet.
    fn forget(&self, first: u32) -> io::Result<()> {
        let mut counts = self.counts.lock();
        let old: Vec<_> =
            counts.runs.extract_if(.., |run| run.name.closed && run.name.day < first).collect();
        drop(counts);
        old.iter().try_for_each(|run| files::remove_if_there(run.run.path()))
    }

    /// The runs of a day that are to be merged, and whether that day is over.
    fn mergeable(&self, today: u32) -> Option<(Vec<Arc<DayRun>>, bool)> {
        let mut days: BTreeMap<u32, Vec<Arc<DayRun>>> = BTreeMap::new();
        for run in &self.counts.lock().runs {
            days.entry(run.name.day).or_default().push(Arc::clone(run));
        }
        days.into_iter().find_map(|(day, runs)| {
            let (is_over, is_closed) = (day < today, runs.iter().all(|run| run.name.closed));
            let is_whole = runs.len() == 1 && is_closed;
            let wanted = if is_over { !is_whole } else { runs.len() > MOST_RUNS };
            // What was closed stays closed, also when a clock goes back.
            let close = is_over || runs.iter().any(|run| run.name.closed);
            wanted.then_some((runs, close))
        })
    }

    fn merge(
        &self,
        folder: &Path,
        last_used: &mut Option<(u64, Run)>,
        runs: &[Arc<DayRun>],
        close: bool,
    ) -> io::Result<()> {
        let names = || runs.iter().map(|run| run.name);
        let first = names().map(|name| name.journals.0).min().unwrap_or_default();
        let last = names().map(|name| name.journals.1).max().unwrap_or_default();
        let day = names().map(|name| name.day).next().unwrap_or_default();
        if close {
            // First: a crash in between leaves last uses twice, not nowhere.
            self.write_last_used(folder, last_used, runs)?;
        }
        let name = RunName { day, journals: (first, last), closed: close };
        let path = folder.join(Name::Run(name).to_string());
        let row = |row: Row| Some(if close { Row { last: LastUse::NONE, ..row } } else { row });
        let run = self.write_merged(&path, runs.iter().map(|run| run.run.rows()), row)?;
        let merged = Arc::new(DayRun { name, run });
        let mut counts = self.counts.lock();
        counts.runs.retain(|run| !runs.iter().any(|old| Arc::ptr_eq(old, run)));
        counts.runs.push(merged);
        drop(counts);
        let mut old = runs.iter().map(|run| run.run.path()).filter(|old| **old != *path);
        old.try_for_each(files::remove_if_there)
    }

    /// Writes when every key was last used, as far as it is in files.
    fn write_last_used(
        &self,
        folder: &Path,
        last_used: &mut Option<(u64, Run)>,
        runs: &[Arc<DayRun>],
    ) -> io::Result<()> {
        let number = last_used.as_ref().map_or(0, |(number, _)| number + 1);
        let path = folder.join(Name::LastUsed(number).to_string());
        let before = last_used.as_ref().map(|(_, run)| run.rows());
        let sources = before.into_iter().chain(runs.iter().map(|run| run.run.rows()));
        let row = |row: Row| (!row.last.is_none()).then_some(Row { counts: Vec::new(), ..row });
        let run = self.write_merged(&path, sources, row)?;
        self.last_used_bytes.store(run.bytes(), Ordering::Relaxed);
        match last_used.replace((number, run)) {
            Some((_, before)) => files::remove_if_there(before.path()),
            None => Ok(()),
        }
    }

    fn write_merged<'r>(
        &self,
        path: &Path,
        sources: impl Iterator<Item = Rows<'r>>,
        written: impl Fn(Row) -> Option<Row>,
    ) -> io::Result<Run> {
        let mut writer = Writer::new(path)?;
        for (number, row) in Merged::new(sources).enumerate() {
            if number % STEP == 0 && self.closing.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if let Some(row) = written(row?) {
                writer.push(&row)?;
            }
        }
        writer.finish()
    }
}
