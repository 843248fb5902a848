//! The service's log: what is logged, and in which format.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::log_lines::LogLines;
use super::options::logging::{LogFormat, Logging};

/// The targets of our own log lines: the crates.
const OURS: &[&str] = &[
    "bundle",
    "delivery",
    "eventlog",
    "keyledger",
    "keys",
    "ledger",
    "server",
    "signedlog",
    "timestamp",
    "tlog",
    "witness",
];

/// Starts logging to stderr; stdout is for the ready line alone.
///
/// Libraries log warnings and errors only: one that logs requests would log tokens.
pub(crate) fn start(options: &Logging) -> Result<LogLines> {
    let level = options.level;
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(OURS.iter().map(|ours| (*ours, level)));
    let log_lines = LogLines::start(std::io::stderr()).context("no thread for the log")?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(log_lines.clone())
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match options.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(log_lines)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A crate that is not listed would be silent at every level but the worst.
    #[test]
    fn every_crate_is_one_of_ours() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let names = std::fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, OURS);
    }
}
