//! A large table: every figure of the service as the table grows, the floor beside it in the same run.
//!
//! The keys come through the import of the service, so their records are appended as any other. At
//! each size everything is measured on the same directory, with a clean stop, a kill and a storm of
//! expiries in between; then the table grows on.

mod calls;
mod data;
mod evidence;
mod progress;
mod queries;
mod rates;
mod report;
mod runner;
mod storm;

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::options::Large;
use crate::process::allocated;
use crate::run::real;
use crate::setup::{pause, wait};

use self::progress::progress;
use self::report::{Column, Goal, Report};
use self::runner::Runner;

/// The sizes at which everything is measured.
const SIZES: [u64; 3] = [100_000, 1_000_000, 10_000_000];
/// For how long the service is left alone before it is watched at rest.
const SETTLE: Duration = Duration::from_secs(8);

/// Grows the table, measures it at each size, prints the table of figures.
pub(crate) fn run(options: &Large) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("large-").tempdir_in(&options.under)?;
    let mut bench = Runner::start(options, folder.path())?;
    let mut report = Report::default();
    for keys in sizes(options.keys) {
        report.columns.push(bench.column(keys)?);
        // A run of an hour that fails at its end has still said something.
        eprintln!("{report}");
    }
    println!("{}", if options.json { report.json().to_string() } else { report.to_string() });
    Ok(())
}

/// The sizes up to `most`, which is the last one.
fn sizes(most: u64) -> Vec<u64> {
    let mut sizes: Vec<u64> = SIZES.into_iter().filter(|size| *size < most).collect();
    sizes.push(most);
    sizes
}

impl Runner<'_> {
    /// Grows the table to `keys` keys and measures everything there.
    fn column(&mut self, keys: u64) -> Result<Column> {
        let mut column = Column::new(keys);
        let rate = data::grow(&self.target(&self.tokens.admin)?, self.keys..keys)?;
        self.keys = keys;
        column.add("imported keys a second", rate, Goal::None);
        self.sizes(&mut column)?;
        rates::verify(self, &mut column)?;
        for connections in [64, 256] {
            rates::create(self, connections, &mut column)?;
        }
        progress("lists and events");
        wait(queries::measure(&self.target(&self.tokens.large)?, &mut column))?;
        self.rest(&mut column)?;
        self.restart(&mut column)?;
        progress("evidence");
        wait(evidence::measure(&self.target(&self.tokens.admin)?, &mut column))?;
        self.kill(&mut column)?;
        storm::measure(self, (keys / 10).min(1_000_000), &mut column)?;
        Ok(column)
    }

    /// What a key takes in memory, and an event on the disk.
    fn sizes(&self, column: &mut Column) -> Result<()> {
        let events = wait(calls::log_size(&self.service()?.target))?;
        let disk = allocated(&self.folder.join("data"))?;
        column.add("bytes resident a key, grown", self.of_key()?, Goal::None);
        column.add("bytes on disk an event", real(disk) / real(events), Goal::AtMost(450.0));
        Ok(())
    }

    /// Resident bytes by keys.
    fn of_key(&self) -> Result<f64> {
        let service = self.service()?;
        Ok(real(service.resident()?) / real(wait(calls::keys(&service.target))?))
    }

    /// What the service does while nothing happens.
    fn rest(&self, column: &mut Column) -> Result<()> {
        progress("nothing");
        let service = self.service()?;
        pause(SETTLE)?;
        let before = service.processor()?;
        pause(self.options.idle)?;
        let used = (service.processor()? - before) / self.options.idle.as_secs_f64();
        column.add("idle, % of a core", used * 100.0, Goal::AtMost(0.5));
        Ok(())
    }

    /// A clean stop and the start after it.
    fn restart(&mut self, column: &mut Column) -> Result<()> {
        progress("stop and start");
        let stopped = wait(self.service.take().context("the service is not running")?.stop())?;
        let service = self.service.insert(runner::start(self.options, self.folder)?);
        let ready = service.ready_after.as_secs_f64();
        column.add("stop, s", stopped.as_secs_f64(), Goal::AtMost(2.0));
        column.add("ready after a stop, s", ready, Goal::AtMost(3.0));
        column.add("bytes resident a key, restarted", self.of_key()?, Goal::AtMost(300.0));
        Ok(())
    }

    /// A kill and the start after it.
    fn kill(&mut self, column: &mut Column) -> Result<()> {
        progress("kill and start");
        self.service.take().context("the service is not running")?.kill()?;
        let service = self.service.insert(runner::start(self.options, self.folder)?);
        let ready = service.ready_after.as_secs_f64();
        column.add("ready after a kill, s", ready, Goal::AtMost(5.0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_size_is_what_was_wanted() {
        assert_eq!(sizes(20_000), [20_000]);
        assert_eq!(sizes(1_000_000), [100_000, 1_000_000]);
        assert_eq!(sizes(3_000_000), [100_000, 1_000_000, 3_000_000]);
    }
}
