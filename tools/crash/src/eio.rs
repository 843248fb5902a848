//! The disk fails: from some moment on every write and sync is EIO. Not one acknowledgement after
//! that, and after a start on a good disk everything acknowledged is there.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::api::{Request, text};
use crate::book::Book;
use crate::check::check;
use crate::clients::Clients;
use crate::disk;
use crate::round::{Dice, Outcome, Run, grouped};
use crate::service::{Service, fsck};

/// In this time a disk fails that fails after so few calls.
const SOON: Duration = Duration::from_secs(60);

pub(crate) fn run(run: &mut Run<'_>) -> Result<Outcome> {
    let folder = run.programs.folder()?;
    let shim = folder.path().join("eio.so");
    if let Err(why) = disk::compile(include_str!("eio.c"), &shim, &["-shared", "-fPIC"]) {
        return Ok(Outcome::Skipped(format!("it needs a C compiler: {why:#}")));
    }
    let program = run.programs.good.as_path();
    let mut acknowledged = 0;
    for round in 1..=run.rounds {
        let data = folder.path().join(format!("data-{round}"));
        // A first start on a good disk: what fails later is the log, not the making of a folder.
        Service::start(program, &data)?.kill()?;
        let book = Book::default();
        fail(program, &shim, &data, &book, &mut run.dice)
            .with_context(|| format!("round {round}"))?;
        acknowledged += book.len();
        run.finish_round(round, acknowledged);
        std::fs::remove_dir_all(&data)?;
    }
    Ok(Outcome::Held(format!(
        "{} failing disks, {} acknowledged, 0 lost, none after the fault",
        run.rounds,
        grouped(acknowledged),
    )))
}

fn fail(program: &Path, shim: &Path, data: &Path, book: &Book, dice: &mut Dice) -> Result<()> {
    let failed = data.with_extension("failed");
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", shim).env("FAILED", &failed);
    command.env("FAIL_AFTER", (100 + dice.roll(3_000)).to_string());
    if dice.roll(2) == 0 {
        command.env("TORN", "1");
    }
    let mut service = Service::spawn(command, data)?;
    service.ready(program, data)?;
    let clients = Clients::start_until(8, || service.api(), book, Some(&failed));
    ensure!(clients.run_out(SOON), "changes are acknowledged still");
    clients.join()?;
    ensure!(failed.exists(), "the disk never failed, and changes are refused");

    let api = service.api();
    let (status, problem) = api.send(&Request::post("/v1/keys", r#"{"name":"late"}"#))?;
    let code = text(&problem, "/code");
    ensure!(status == 503 && code == "log_broken", "a change after the fault: {status} {problem}");
    api.get("/v1/keys?limit=1").context("reads stopped with the writes")?;
    let secret = book.entries().secrets.first().cloned();
    if let Some((_, secret)) = secret {
        api.verify(&secret).context("verify stopped with the writes")?;
    }
    if dice.roll(2) == 0 {
        service.kill()?;
    } else {
        // It cannot stop cleanly; that it ends is enough.
        service.stop()?;
    }

    let service = Service::start(program, data)?;
    check(&service.api(), book)?;
    book.settle(&service.api())?;
    check(&service.api(), book)?;
    service.kill()?;
    fsck(program, data)
}
