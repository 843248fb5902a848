//! The power goes right after an acknowledgement. And the test of the test: an engine that leaves
//! our sync out must lose what it acknowledged.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::Outcome;
use crate::check::check;
use crate::clients::{Api, Book, Clients, written};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::service::{Programs, Service, token};

/// `proved`: whether to build the weak engine too and show that it fails; that takes minutes.
pub(crate) fn run(
    rounds: u32,
    proved: bool,
    programs: &Programs,
    dice: &mut Dice,
) -> Result<Outcome> {
    let folder = programs.folder()?;
    let disk = match Disk::make(folder.path(), 256) {
        Ok(disk) => disk,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}; it needs root"))),
    };
    let book = Book::default();
    let data = disk.mount.join("data");
    for round in 1..=rounds {
        cut(&programs.good, &disk, &data, &book, dice).with_context(|| format!("round {round}"))?;
    }
    drop(disk);
    let held = format!("{rounds} cuts, {} acknowledged, 0 lost", written(&book));
    if !proved {
        return Ok(Outcome::Held(held));
    }

    let folder = programs.folder()?;
    let disk = Disk::make(folder.path(), 256)?;
    let data = disk.mount.join("data");
    let weak = programs.flush_only()?;
    let lost = (0..rounds.max(5)).any(|_| {
        let lossy = Book::default();
        cut(&weak, &disk, &data, &lossy, dice).is_err()
    });
    ensure!(lost, "an engine without our sync lost nothing: this test can find nothing");
    Ok(Outcome::Held(format!("{held}; without our sync they are lost")))
}

fn cut(program: &Path, disk: &Disk, data: &Path, book: &Book, dice: &mut Dice) -> Result<()> {
    let service = Service::start(program, data)?;
    let token = token(program, data)?;
    let clients = Clients::start(8, &service.url, &token, book);
    clients.run_for(dice.millis(50, 400));
    let cut = disk.cut();
    service.kill()?;
    clients.join();
    cut?;
    disk.restore()?;
    let service = Service::start(program, data)?;
    let checked = check(&Api::new(&service.url, &token), book);
    service.kill()?;
    checked
}
