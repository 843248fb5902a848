//! `keyledger audit`: the commands of an auditor, who need not trust the operator.

mod acknowledge;
mod checkpoint_file;
mod diff;
mod export;
mod limits;
mod lineage;
mod monitor;
mod outside;
mod prove;
mod rotate;
mod served;
mod stamp;
mod verdict;
mod verify;
mod watch;
mod witnessed;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use keys::Timestamp;

use crate::exit::Exit;

/// Take the log away, check it, watch it
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes of what checks: 0 good, 10 invalid, 11 a fork, 12 a rollback, 13 stale, 14 rolled back.
The auditor's guide is in every bundle, as README.md.")]
pub(crate) struct Audit {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a bundle: the log, or a part of it, with everything that is needed to check it
    Export(export::Export),
    /// Check a bundle, offline
    Verify(verify::Verify),
    /// Watch a running log: what it signed once must be in what it signs now
    Monitor(monitor::Monitor),
    /// Follow an account's keys with proofs, and raise an alarm at what its owner did not do
    Watch(Box<watch::Watch>),
    /// Tell a watch which changes its owner made
    Acknowledge(acknowledge::Acknowledge),
    /// Have a server prove an event or a key, and check the proof
    Prove(prove::Prove),
    /// Compare the served table of keys with a replay of the served entries
    Diff(diff::Diff),
    /// Print the limits that records are judged by, as they stand in every bundle
    Limits(limits::Limits),
    /// Have the newest checkpoint time-stamped now
    Stamp(stamp::StampNow),
    /// Give a stopped log another key to sign with, which the present one names
    RotateSigningKey(rotate::Rotate),
}

/// The moment that is `age` before `now`.
fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.micros().saturating_sub(age))
}

pub(crate) fn run(options: &Audit) -> Result<Exit> {
    match &options.what {
        What::Export(options) => export::run(options),
        What::Verify(options) => verify::run(options),
        What::Monitor(options) => monitor::run(options),
        What::Watch(options) => watch::run(options),
        What::Acknowledge(options) => acknowledge::run(options),
        What::Prove(options) => prove::run(options),
        What::Diff(options) => diff::run(options),
        What::Limits(options) => limits::run(options),
        What::Stamp(options) => stamp::run(options),
        What::RotateSigningKey(options) => rotate::run(options),
    }
}
