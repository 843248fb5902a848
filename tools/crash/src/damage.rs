//! Damage on the disk: refused with a sentence and left as it was, or healed; never served.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::Outcome;
use crate::check::check;
use crate::clients::{Api, Book, Clients};
use crate::dice::Dice;
use crate::service::{Programs, Service, token};

pub(crate) fn run(rounds: u32, programs: &Programs, dice: &mut Dice) -> Result<Outcome> {
    let folder = programs.folder()?;
    let good = folder.path().join("good");
    let service = Service::start(&programs.good, &good)?;
    let token = token(&programs.good, &good)?;
    let book = Book::default();
    let clients = Clients::start(8, &service.url, &token, &book);
    clients.run_for(std::time::Duration::from_millis(1_500));
    service.kill()?;
    clients.join();

    let (mut refused, mut healed) = (0, 0);
    for round in 1..=rounds * 3 {
        let data = folder.path().join(format!("damaged-{round}"));
        copy(&good, &data)?;
        let what = damage(&data, round % 3, dice)?;
        let before = std::fs::read(data.join("log").join("db"))?;
        if let Ok(service) = Service::start(&programs.good, &data) {
            let checked = check(&Api::new(&service.url, &token), &book);
            service.kill()?;
            // A reader that meets the damage is told so; what is served is true.
            match checked {
                Ok(()) => healed += 1,
                Err(error) if error.to_string().starts_with("GET ") => refused += 1,
                Err(error) => return Err(error).context(what),
            }
        } else {
            let after = std::fs::read(data.join("log").join("db"))?;
            ensure!(before == after, "{what}: refused, but the log was changed");
            refused += 1;
        }
        std::fs::remove_dir_all(&data)?;
    }
    Ok(Outcome::Held(format!("{refused} refused and left as they were, {healed} healed")))
}

fn damage(data: &Path, kind: u32, dice: &mut Dice) -> Result<String> {
    let db = data.join("log").join("db");
    let mut bytes = std::fs::read(&db)?;
    match kind {
        0 => {
            let place = usize::try_from(dice.roll(bytes.len() as u64))?;
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << dice.roll(8);
            }
            std::fs::write(&db, bytes)?;
            Ok(format!("a flipped bit in byte {place}"))
        }
        1 => {
            let end = usize::try_from(dice.roll(bytes.len() as u64))?;
            bytes.truncate(end);
            std::fs::write(&db, bytes)?;
            Ok(format!("cut after {end} bytes"))
        }
        _ => {
            std::fs::write(data.join("log").join("snap.00000000DEADBEEF.generating"), b"torn")?;
            Ok("a torn snapshot".to_owned())
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
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
