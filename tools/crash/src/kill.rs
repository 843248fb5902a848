//! `kill -9` at random moments, many times over on one directory.

use anyhow::{Context as _, Result};

use crate::Outcome;
use crate::check::check;
use crate::clients::{Api, Book, Clients, written};
use crate::dice::Dice;
use crate::service::{Programs, Service, fsck, token};

pub(crate) fn run(rounds: u32, programs: &Programs, dice: &mut Dice) -> Result<Outcome> {
    let folder = programs.folder()?;
    let data = folder.path().join("data");
    let book = Book::default();
    for round in 1..=rounds {
        let service = Service::start(&programs.good, &data)?;
        let token = token(&programs.good, &data)?;
        check(&Api::new(&service.url, &token), &book).with_context(|| format!("round {round}"))?;
        let clients = Clients::start(16, &service.url, &token, &book);
        clients.run_for(dice.millis(50, 600));
        service.kill()?;
        clients.join();
        fsck(&programs.good, &data).with_context(|| format!("round {round}"))?;
    }
    let service = Service::start(&programs.good, &data)?;
    check(&Api::new(&service.url, &token(&programs.good, &data)?), &book)?;
    service.kill()?;
    Ok(Outcome::Held(format!("{rounds} rounds, {} acknowledged, 0 lost", written(&book))))
}
