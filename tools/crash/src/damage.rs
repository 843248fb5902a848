//! Damage on the disk: refused with one sentence and left as it was, or healed; never served.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::book::Book;
use crate::check::check;
use crate::clients::Clients;
use crate::round::{Dice, Outcome, Run, grouped};
use crate::service::Service;

/// What is done to a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// A bit of the log's file is another.
    Flipped,
    /// The end of the log's file is gone.
    Cut,
    /// A page of the log's file is all zeros.
    Lost,
    /// A bit of one of the small files is another.
    Small,
    /// A crash left half a snapshot.
    Torn,
}

const ALL: [Damage; 5] = [Damage::Flipped, Damage::Cut, Damage::Lost, Damage::Small, Damage::Torn];

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// Not started, and every byte is as it was.
    Refused,
    /// Not started, or a read answered with an error, but the engine had opened its files.
    Found,
    /// Started, with everything that was acknowledged.
    Sound,
}

/// A directory with a history, and what was acknowledged.
struct Base {
    data: PathBuf,
    book: Book,
}

pub(crate) fn run(run: &mut Run<'_>) -> Result<Outcome> {
    let folder = run.programs.folder()?;
    let program = run.programs.good.as_path();
    let stopped = base(program, folder.path().join("stopped"), true)?;
    let killed = base(program, folder.path().join("killed"), false)?;
    let mut came = Vec::new();
    for round in 1..=run.rounds {
        for damage in ALL {
            // After a clean stop the guard knows every record. After a kill it may be a second
            // behind, and a cut end may be a torn one.
            let base = if damage == Damage::Torn { &killed } else { &stopped };
            let data = folder.path().join("damaged");
            copy(&base.data, &data)?;
            let what = inflict(damage, &data, &mut run.dice)?;
            let one = outcome(program, &data, &base.book);
            let one = one.with_context(|| format!("round {round}: {what}"))?;
            ensure!(damage != Damage::Torn || one == Came::Sound, "{what} was not healed");
            came.push(one);
            std::fs::remove_dir_all(&data)?;
        }
        run.finish_round(round, stopped.book.len() + killed.book.len());
    }
    let count = |which| came.iter().filter(|one| **one == which).count();
    Ok(Outcome::Held(format!(
        "{} damaged directories, {} acknowledged, none served wrongly: {} refused and left as \
         they were, {} refused when read, {} with everything in them",
        came.len(),
        grouped(stopped.book.len() + killed.book.len()),
        count(Came::Refused),
        count(Came::Found),
        count(Came::Sound),
    )))
}

/// A directory that was used twice, and then stopped cleanly or killed.
fn base(program: &Path, data: PathBuf, stop: bool) -> Result<Base> {
    let book = Book::default();
    for last in [false, true] {
        let service = Service::start(program, &data)?;
        let clients = Clients::start(8, || service.api(), &book);
        clients.run_for(Duration::from_millis(700));
        if last && !stop {
            service.kill()?;
            clients.join()?;
        } else {
            clients.join()?;
            ensure!(service.stop()?.success(), "it did not stop cleanly");
        }
    }
    Ok(Base { data, book })
}

fn inflict(damage: Damage, data: &Path, dice: &mut Dice) -> Result<String> {
    let log = data.join("log");
    let db = log.join("db");
    let mut bytes = std::fs::read(&db)?;
    // Behind it there are zeros.
    let used = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let place = dice.place(used);
    match damage {
        Damage::Flipped => {
            flip(&db, place, dice)?;
            Ok(format!("a flipped bit in byte {place} of {used}"))
        }
        Damage::Cut => {
            bytes.truncate(place);
            std::fs::write(&db, bytes)?;
            Ok(format!("cut after {place} of {used} bytes"))
        }
        Damage::Lost => {
            let page = place / 4096 * 4096;
            for byte in bytes.iter_mut().skip(page).take(4096) {
                *byte = 0;
            }
            std::fs::write(&db, bytes)?;
            Ok(format!("the page at {page} of {used} bytes lost"))
        }
        Damage::Small => {
            let mut files = vec![data.join("guard"), data.join("FORMAT"), log.join("conf")];
            files.extend(snapshots(&log)?);
            let file = files.swap_remove(dice.place(files.len()));
            let place = dice.place(std::fs::read(&file)?.len());
            flip(&file, place, dice)?;
            Ok(format!("a flipped bit in byte {place} of `{}`", name(&file)))
        }
        Damage::Torn => {
            let snapshot = snapshots(&log)?.pop().context("sled made no snapshot")?;
            let whole = std::fs::read(&snapshot)?;
            let torn = whole.get(..dice.place(whole.len())).context("an empty snapshot")?;
            std::fs::write(log.join("snap.00000000DEADBEEF.generating"), torn)?;
            Ok(format!("a snapshot torn after {} of {} bytes", torn.len(), whole.len()))
        }
    }
}

fn flip(file: &Path, place: usize, dice: &mut Dice) -> Result<()> {
    let mut bytes = std::fs::read(file)?;
    *bytes.get_mut(place).context("an empty file")? ^= 1 << dice.roll(8);
    Ok(std::fs::write(file, bytes)?)
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// sled's snapshots, oldest first.
fn snapshots(log: &Path) -> Result<Vec<PathBuf>> {
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(log)?.collect();
    let mut found: Vec<PathBuf> = entries?.iter().map(std::fs::DirEntry::path).collect();
    found.retain(|path| name(path).starts_with("snap."));
    found.sort();
    Ok(found)
}

/// Starts on a damaged directory and looks at what comes of it.
fn outcome(program: &Path, data: &Path, book: &Book) -> Result<Came> {
    let before = files(data)?;
    match Service::start(program, data) {
        Ok(service) => {
            let checked = check(&service.api(), book);
            service.kill()?;
            match checked {
                Ok(()) => Ok(Came::Sound),
                // A read that meets the damage must say so. What it does answer is true.
                Err(error) if error.to_string().starts_with("GET ") => Ok(Came::Found),
                Err(error) => Err(error),
            }
        }
        Err(error) => {
            is_sentence(&error)?;
            if files(data)? == before {
                return Ok(Came::Refused);
            }
            // It was found when the log was read, and by then the engine had opened its files.
            // Nothing of that may make the next start believe what this one did not.
            match Service::start(program, data) {
                Err(again) => is_sentence(&again).map(|()| Came::Found),
                Ok(service) => check(&service.api(), book)
                    .map(|()| Came::Sound)
                    .with_context(|| format!("refused ({error}), and served the next time")),
            }
        }
    }
}

/// A refusal is one sentence of the program, and no panic.
fn is_sentence(error: &anyhow::Error) -> Result<()> {
    let message = error.to_string();
    let clear = message.starts_with("keyledger: ") && message.lines().count() == 1;
    ensure!(clear, "refused without a clear sentence: {message:?}");
    Ok(())
}

/// Every file in a folder, and what it holds.
pub(crate) fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut files(&path)?);
        } else {
            let bytes = std::fs::read(&path)?;
            found.insert(path, bytes);
        }
    }
    Ok(found)
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}
