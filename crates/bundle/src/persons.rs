//! The keys of the persons that the records of a bundle speak of, without which what says who
//! somebody is could not be read.
//!
//! One line for each, in the order of their bytes: `<pseudonym> <base64 of the key>`, or
//! `<pseudonym> erased`.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keys::Pseudonym;
use ledger::{Found, Keyring, PersonKey, Record};

use crate::refused::Invalid;

const ERASED: &str = "erased";

/// The key of each pseudonym, as it was when it occurred first.
#[derive(Default)]
pub(crate) struct Persons(BTreeMap<Pseudonym, Option<Found>>);

impl Persons {
    /// Adds the persons of a record.
    pub(crate) fn add(&mut self, record: &Record, keyring: &Keyring) {
        for name in record.persons.iter() {
            self.0.entry(name).or_insert_with(|| keyring.find(&name));
        }
    }

    /// Whether nobody was forgotten since.
    pub(crate) fn are_unchanged(&self, keyring: &Keyring) -> bool {
        self.0.iter().all(|(name, found)| keyring.find(name) == *found)
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        persons_text(self.0.iter().map(|(name, found)| (name, found.as_ref())))
    }
}

/// The lines of persons in the order of their pseudonyms' bytes; one without a key was erased.
pub fn persons_text<'p>(
    persons: impl Iterator<Item = (&'p Pseudonym, Option<&'p Found>)>,
) -> String {
    let lines = persons.map(|(name, found)| match found {
        Some(Found::Key(key)) => format!("{name} {}\n", STANDARD.encode(key.as_bytes())),
        Some(Found::Destroyed) | None => format!("{name} {ERASED}\n"),
    });
    lines.collect()
}

/// Reads lines of persons. Whether they stand in order is not looked at.
///
/// # Errors
///
/// [`Invalid::Person`] for a line that is no pseudonym with its key.
pub fn parse_persons(text: &str) -> Result<Arc<Keyring>, Invalid> {
    let persons = text.split_terminator('\n').map(|line| {
        let (name, key) = line.split_once(' ').ok_or_else(|| Invalid::Person(line.to_owned()))?;
        person(name, (key != ERASED).then_some(key))
    });
    Ok(Arc::new(Keyring::of(persons.collect::<Result<Vec<_>, _>>()?)))
}

/// A pseudonym and its key from their texts; without a key it was erased.
///
/// # Errors
///
/// [`Invalid::Person`] if they are not lawful, or the key is another's.
pub(crate) fn person(name: &str, key: Option<&str>) -> Result<(Pseudonym, Found), Invalid> {
    let wrong = || Invalid::Person(name.to_owned());
    let pseudonym: Pseudonym = name.parse().map_err(|_| wrong())?;
    let Some(text) = key else { return Ok((pseudonym, Found::Destroyed)) };
    let bytes: [u8; 32] =
        STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
    let key = PersonKey::from_bytes(bytes);
    if key.pseudonym() == pseudonym { Ok((pseudonym, Found::Key(key))) } else { Err(wrong()) }
}
