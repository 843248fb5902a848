//! The power goes right after an acknowledgement. And the test of the test: an engine that leaves
//! our sync out must lose what it acknowledged.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::book::Book;
use crate::check::check;
use crate::clients::Clients;
use crate::disk::{self, Disk};
use crate::round::{Dice, Outcome, Run, grouped};
use crate::service::{Service, fsck};

/// How large the disk is, in MiB.
const SIZE: u64 = 192;

/// The power cuts after which an engine without our sync must have lost something.
const WEAK_ROUNDS: u32 = 8;

pub(crate) fn run(run: &mut Run<'_>) -> Result<Outcome> {
    let folder = run.programs.folder()?;
    let disk = match Disk::make(folder.path(), SIZE) {
        Ok(disk) => disk,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
    };
    let switch = folder.path().join("power");
    if let Err(why) = disk::compile(include_str!("power.c"), &switch, &[]) {
        return Ok(Outcome::Skipped(format!("it needs a C compiler: {why:#}")));
    }
    let good = Power { program: run.programs.good.clone(), disk, switch };
    let mut acknowledged = 0;
    let mut book = Book::default();
    let mut data = good.disk.mount.join("data-0");
    for round in 1..=run.rounds {
        if round % 8 == 0 {
            // The disk is small: a new directory now and then.
            acknowledged += book.len();
            std::fs::remove_dir_all(&data)?;
            (book, data) = (Book::default(), good.disk.mount.join(format!("data-{round}")));
        }
        good.cut(&data, &book, &mut run.dice).with_context(|| format!("round {round}"))?;
        run.finish_round(round, acknowledged + book.len());
    }
    acknowledged += book.len();
    let weak = Power { program: run.programs.flush_only()?, ..good };
    let lossy = weak.loses(&mut run.dice)?;
    Ok(Outcome::Held(format!(
        "{} cuts, {} acknowledged, 0 lost; without our sync cut {lossy} lost some",
        run.rounds,
        grouped(acknowledged),
    )))
}

/// A program on a disk that can lose its power.
struct Power {
    program: PathBuf,
    disk: Disk,
    /// Turns the power off.
    switch: PathBuf,
}

impl Power {
    /// One cut, and what is left after it.
    fn cut(&self, data: &Path, book: &Book, dice: &mut Dice) -> Result<()> {
        let service = Service::start(&self.program, data)?;
        book.settle(&service.api())?;
        let clients = Clients::start(8, || service.api(), book);
        clients.run_for(dice.millis(20, 400));
        let cut = disk::run(&self.switch, &[&self.disk.mount]);
        service.kill()?;
        clients.join()?;
        cut?;
        self.disk.restore()?;
        let service = Service::start(&self.program, data)?;
        check(&service.api(), book)?;
        service.kill()?;
        fsck(&self.program, data)
    }

    /// The cut after which the engine without our sync had lost something.
    fn loses(&self, dice: &mut Dice) -> Result<u32> {
        for round in 1..=WEAK_ROUNDS {
            let data = self.disk.mount.join(format!("weak-{round}"));
            let book = Book::default();
            let held = self.cut(&data, &book, dice);
            ensure!(book.len() > 0, "the engine without our sync does not even serve: {held:?}");
            if held.is_err() {
                return Ok(round);
            }
            std::fs::remove_dir_all(&data)?;
        }
        anyhow::bail!("the engine without our sync lost nothing: this test can find nothing")
    }
}
