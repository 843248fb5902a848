//! What a process takes, and whether that grows.

use std::fmt;

use crate::run::real;

/// Memory may grow by so much for each event: it is of a key at most.
const OF_EVENT: u64 = 1_024;
/// And by so much for buffers, caches and what an allocator does not give back.
const SLACK_MEMORY: u64 = 64 << 20;
/// Open files, and threads that wait for more work, come and go within this.
const SLACK_FILES: u64 = 16;
const SLACK_THREADS: u64 = 16;

/// What a process took at rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Resident bytes.
    pub(super) memory: u64,
    pub(super) files: u64,
    pub(super) threads: u64,
    /// Events in its log.
    pub(super) events: u64,
}

impl fmt::Display for Sample {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { memory, files, threads, events } = self;
        let memory = real(*memory) / f64::from(1 << 20);
        write!(out, "{memory:.1} MiB, {files} files, {threads} threads, {events} events")
    }
}

/// Whether one process took as much at its end as in its beginning, but for what its events take;
/// otherwise what grew. The first sample is of a process that has not done everything yet.
pub(super) fn flat(samples: &[Sample]) -> Result<(), String> {
    let (Some(first), Some(last)) = (samples.iter().take(2).next_back(), samples.last()) else {
        return Ok(());
    };
    let memory = SLACK_MEMORY + OF_EVENT * last.events.saturating_sub(first.events);
    for (what, before, after, most) in [
        ("memory", first.memory, last.memory, memory),
        ("open files", first.files, last.files, SLACK_FILES),
        ("threads", first.threads, last.threads, SLACK_THREADS),
    ] {
        if after > before + most {
            return Err(format!("{what} grew from {before} to {after}: {first}; then {last}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_named() {
        let first = Sample { memory: 100 << 20, files: 40, threads: 20, events: 10_000 };
        let grown = Sample { memory: 190 << 20, events: 40_000, ..first };
        for (last, grows) in [
            (first, None),
            (grown, None),
            (Sample { events: 10_000, ..grown }, Some("memory")),
            (Sample { files: 57, ..first }, Some("open files")),
            (Sample { threads: 37, ..first }, Some("threads")),
            (Sample { memory: 1, files: 0, threads: 1, events: 20_000 }, None),
        ] {
            let empty = Sample { memory: 0, files: 0, threads: 0, events: 0 };
            let flat = flat(&[empty, first, first, last]);
            let what = flat.as_ref().err().map(|text| text.split(" grew").next().unwrap());
            assert_eq!(what, grows, "{flat:?}");
        }
        assert_eq!(flat(&[first]), Ok(()));
        assert_eq!(flat(&[]), Ok(()));
    }
}
