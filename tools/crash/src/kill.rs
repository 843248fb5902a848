//! `kill -9` at random moments, many times over on one directory.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::book::Book;
use crate::check::check;
use crate::clients::Clients;
use crate::round::{Outcome, Run, grouped};
use crate::service::{Service, fsck, pause};

pub(crate) fn run(run: &mut Run<'_>) -> Result<Outcome> {
    let folder = run.programs.folder()?;
    let data = folder.path().join("data");
    let program = run.programs.good.as_path();
    let book = Book::default();
    let mut settled = 0;
    for round in 1..=run.rounds {
        settled += kill(run, &data, &book).with_context(|| format!("round {round}"))?;
        run.finish_round(round, book.len());
    }
    let service = Service::start(program, &data)?;
    settled += book.settle(&service.api())?;
    check(&service.api(), &book)?;
    service.stop()?;
    fsck(program, &data)?;
    Ok(Outcome::Held(format!(
        "{} rounds, {} acknowledged, 0 lost; {} requested again after a kill, none done twice",
        run.rounds,
        grouped(book.len()),
        grouped(settled),
    )))
}

/// One round; returns how many changes had to be requested again.
fn kill(run: &mut Run<'_>, data: &Path, book: &Book) -> Result<usize> {
    let program = run.programs.good.as_path();
    if run.dice.roll(2) == 0 {
        // It opens the log and replays it: that must be safe to interrupt, too.
        let service = Service::spawn(Command::new(program), data)?;
        pause(run.dice.millis(1, 60));
        service.kill()?;
    }
    let service = Service::start(program, data)?;
    check(&service.api(), book).context("after the restart")?;
    let settled = book.settle(&service.api())?;
    check(&service.api(), book).context("after the second requests")?;
    let clients = Clients::start(16, || service.api(), book);
    clients.run_for(run.dice.millis(50, 600));
    service.kill()?;
    clients.join()?;
    fsck(program, data)?;
    Ok(settled)
}
