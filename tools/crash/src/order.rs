//! Seen by strace: every acknowledgement comes after a sync of the log's file that covers it. And
//! the test of the test: an engine without our sync is caught.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::book::Book;
use crate::clients::Clients;
use crate::disk;
use crate::round::{Outcome, Run, grouped};
use crate::service::Service;
use crate::trace;

/// How long the clients of a round run. Traced, a service is slow.
const WHILE: Duration = Duration::from_millis(1_500);

pub(crate) fn run(run: &mut Run<'_>) -> Result<Outcome> {
    let quiet = ["-f", "-o", "/dev/null", "true"];
    if let Err(why) = disk::run("strace", &quiet) {
        return Ok(Outcome::Skipped(format!("it needs strace: {why:#}")));
    }
    let folder = run.programs.folder()?;
    let good = run.programs.good.as_path();
    let mut acknowledged = 0;
    for round in 1..=run.rounds {
        let (book, judged) = watch(good, &folder.path().join(format!("data-{round}")))?;
        let seen = judged.with_context(|| format!("round {round}"))?;
        ensure!(seen == book, "{book} were acknowledged and {seen} are in the trace");
        acknowledged += seen;
        run.finish_round(round, acknowledged);
    }
    let weak = run.programs.flush_only()?;
    let (book, judged) = watch(&weak, &folder.path().join("weak"))?;
    ensure!(book > 0, "the engine without our sync does not even serve");
    ensure!(judged.is_err(), "the engine without our sync passes: this test can find nothing");
    Ok(Outcome::Held(format!(
        "{} traces, {} acknowledged, each after its sync; without our sync it is caught",
        run.rounds,
        grouped(acknowledged),
    )))
}

/// Runs clients against a traced service; returns how many changes were acknowledged, and what the
/// trace shows.
fn watch(program: &Path, data: &Path) -> Result<(usize, Result<usize>)> {
    let output = data.with_extension("strace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "48", "-e", trace::CALLS, "-e", "signal=none", "-o"]);
    command.arg(&output).arg(program);
    let mut service = Service::spawn(command, data)?;
    service.ready(program, data)?;
    let book = Book::default();
    let clients = Clients::start(6, || service.api(), &book);
    ensure!(clients.run_for(WHILE), "no change is acknowledged");
    clients.join()?;
    service.stop()?;
    let db = data.canonicalize()?.join("log").join("db");
    let judged =
        trace::judge(&String::from_utf8_lossy(&std::fs::read(&output)?), &db.display().to_string());
    std::fs::remove_file(&output)?;
    Ok((book.len(), judged))
}
