//! The disk is full: writes are refused, reads and verify go on; with room again everything
//! acknowledged is there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::api::{Api, Request, text};
use crate::book::Book;
use crate::check::check;
use crate::clients::Clients;
use crate::disk::Disk;
use crate::round::{Dice, Outcome, Run, grouped};
use crate::service::{Service, fsck};

/// How large the disk is, in MiB.
const SIZE: u64 = 96;

/// In this time a disk with so little room is full.
const SOON: Duration = Duration::from_secs(60);

pub(crate) fn run(run: &mut Run<'_>) -> Result<Outcome> {
    let folder = run.programs.folder()?;
    let disk = match Disk::make(folder.path(), SIZE) {
        Ok(disk) => disk,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
    };
    let mut acknowledged = 0;
    for round in 1..=run.rounds {
        let data = disk.mount.join(format!("data-{round}"));
        let book = Book::default();
        fill(&run.programs.good, &disk, &data, &book, &mut run.dice)
            .with_context(|| format!("round {round}"))?;
        acknowledged += book.len();
        run.finish_round(round, acknowledged);
        std::fs::remove_dir_all(&data)?;
    }
    Ok(Outcome::Held(format!(
        "{} full disks, {} acknowledged, 0 lost",
        run.rounds,
        grouped(acknowledged),
    )))
}

fn fill(program: &Path, disk: &Disk, data: &Path, book: &Book, dice: &mut Dice) -> Result<()> {
    let service = Service::start(program, data)?;
    // The service keeps 16 MiB back; a little more is left for it to use up.
    let clients = Clients::start(8, || service.api(), book);
    clients.run_for(dice.millis(50, 200));
    disk.fill((16 << 20) + dice.roll(3 << 20))?;
    ensure!(clients.run_out(SOON), "the disk does not fill up");
    clients.join()?;
    let api = service.api();
    refuses(&api, book).context("with little room")?;
    disk.fill(0)?;
    refuses(&api, book).context("without any room")?;

    // It must open on the full disk: the ballast is kept for that.
    service.kill()?;
    let service = Service::start(program, data).context("on the full disk")?;
    refuses(&service.api(), book).context("opened on the full disk")?;
    check(&service.api(), book).context("on the full disk")?;
    if dice.roll(2) == 0 {
        service.kill()?;
        disk.empty()?;
    } else {
        disk.empty()?;
        service.stop()?;
    }
    let service = Service::start(program, data).context("with room again")?;
    check(&service.api(), book)?;
    book.settle(&service.api())?;
    let (status, answer) =
        service.api().send(&Request::post("/v1/keys", r#"{"name":"there is room"}"#))?;
    ensure!(status == 201, "there is room and a change is answered {status} {answer}");
    check(&service.api(), book)?;
    ensure!(service.stop()?.success(), "it did not stop cleanly");
    fsck(program, data)
}

/// Changes are refused for what it is; reads and verify go on.
fn refuses(api: &Api, book: &Book) -> Result<()> {
    let (status, problem) = api.send(&Request::post("/v1/keys", r#"{"name":"no room"}"#))?;
    let code = text(&problem, "/code");
    ensure!(status == 503 && code == "disk_full", "a change is answered {status} {problem}");
    api.get("/v1/keys?limit=1").context("reads stopped with the writes")?;
    api.get("/v1/events?limit=500").context("reads stopped with the writes")?;
    let secret = book.entries().secrets.first().cloned();
    let (_, secret) = secret.context("no key to verify")?;
    let verdict = api.verify(&secret).context("verify stopped with the writes")?;
    ensure!(verdict != "NOT_FOUND", "verify knows no key any more");
    Ok(())
}
