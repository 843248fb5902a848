//! Bundles for auditors: the form of events in them, and the log that they are made from.

use std::io::Write;
use std::sync::Arc;

use bundle::{Exports, Fault, MakeError, Maker, Part, RowPlace, Scope, Source, Stamped, Terms};
use keys::{Account, KeyId};
use ledger::{Caller, Entry, EventFilter, Keyring, Ledger, RowProof, Seq, TableRows};
use tlog::{Hash, TileIndex};

use crate::export::events::{CSV_HEAD, csv_row};
use crate::stamps::{Stamps, StoredStamp};
use crate::wire::{Event, ocsf, put_json};

/// The exports of a bundle, in the order in which they are in it.
pub const EXPORTS: Exports = Exports {
    names: ["events.ndjson", "events.csv", "events.ocsf.ndjson"],
    heads: ["", CSV_HEAD, ""],
    write,
};

fn write(entry: &Entry, [ndjson, csv, lines]: &mut [Vec<u8>; 3]) {
    let event = Event::new(entry);
    put_json(ndjson, &event);
    ndjson.push(b'\n');
    csv_row(csv, &event);
    ocsf(lines, entry.record.event.kind(), &event);
}

/// A requested bundle, with the signed statements of the log.
pub struct Bundle {
    ledger: Ledger,
    caller: Caller,
    keyring: Arc<Keyring>,
    /// Of an account's part.
    table: Option<TableRows>,
    terms: Terms,
    stamps: Stamps,
    /// The places of those that are in the bundle.
    stamped: Vec<u64>,
}

/// What others said of the log, which is stored beside it.
#[derive(Clone, Copy)]
pub struct Aside<'a> {
    /// The time-stamps.
    pub stamps: &'a Stamps,
    /// The newest checkpoint that witnesses cosigned.
    pub cosigned: Option<&'a str>,
}

impl Bundle {
    /// Prepares a bundle. `earlier` is a checkpoint that the auditor stored; without one, the bundle
    /// proves that the log extends the checkpoint at the size of the table note. Of the log's time-stamps
    /// those are in it that are of this origin.
    ///
    /// # Errors
    ///
    /// The caller is no auditor of that scope, the log is not signed, or [`ledger::Error::NothingThere`]:
    /// no record is in the scope.
    pub fn new(
        ledger: &Ledger,
        caller: &Caller,
        scope: Scope,
        earlier: Option<String>,
        aside: Aside<'_>,
    ) -> Result<Bundle, ledger::Error> {
        let table = scope.account.is_some().then(|| ledger.table_rows(caller)).transpose()?;
        let (note, checkpoint, heartbeat) = if let Some(rows) = &table {
            // All of it is as of the table's size.
            let checkpoint = ledger.checkpoint_at(caller, rows.note().size)?;
            (rows.note().clone(), checkpoint, rows.heartbeat())
        } else {
            let note = ledger.table_note(caller)?;
            let (checkpoint, heartbeat) = ledger.checkpoint_of_now()?;
            (note, checkpoint, heartbeat)
        };
        let first = first(ledger, caller, &scope, checkpoint.size)?;
        let (earlier, old) = match earlier {
            Some(stored) => {
                let beyond = ledger::Error::BeyondTheLog { length: Seq(checkpoint.size) };
                let size = size_of(&stored).ok_or(beyond)?;
                (stored, size)
            }
            None => (ledger.checkpoint_at(caller, note.size)?.note.to_string(), note.size),
        };
        // A log that became shorter has no proof, and the verifier reports that.
        let consistency = if old <= checkpoint.size {
            ledger.consistency(caller, old, Some(checkpoint.size))?.path
        } else {
            Vec::new()
        };
        let keys = ledger.signing_keys()?;
        let Aside { stamps, cosigned } = aside;
        let cosigned = cosigned.and_then(|note| with_proof(ledger, note, checkpoint.size));
        let terms = Terms {
            origin: keys.newest().name().to_owned(),
            size: checkpoint.size,
            checkpoint: checkpoint.note.to_string(),
            earlier,
            consistency,
            table: note.note.to_string(),
            heartbeat: heartbeat.note.to_string(),
            cosigned: cosigned.unwrap_or_default(),
            keys: keys.to_string(),
            scope,
            first,
        };
        let keyring = ledger.keyring(caller)?;
        let stamped = stamps.of(&terms.origin, terms.size);
        let (ledger, caller, stamps) = (ledger.clone(), caller.clone(), stamps.clone());
        Ok(Bundle { ledger, caller, keyring, table, terms, stamps, stamped })
    }

    /// The size of the log that it covers.
    #[must_use]
    pub fn size(&self) -> Seq {
        Seq(self.terms.size)
    }

    /// Writes it and returns the number of records in it. `progress` is called with the number read.
    ///
    /// # Errors
    ///
    /// It cannot be written, or the log cannot be read.
    pub fn make<W: Write>(&self, out: W, progress: &mut dyn FnMut(u64)) -> Result<u64, MakeError> {
        bundle::make(self, self.terms.clone(), &EXPORTS, out, progress)
    }

    /// Produces it in pieces, on demand.
    pub(crate) fn pieces(self) -> Pieces {
        let maker = Maker::new(self.terms.clone(), &EXPORTS);
        Pieces { bundle: self, maker }
    }
}

/// A bundle that is produced in pieces.
pub(crate) struct Pieces {
    bundle: Bundle,
    maker: Maker,
}

impl Pieces {
    /// The next piece, read with this handle on the ledger; `None` at the end.
    pub(crate) fn next(&mut self, ledger: &Ledger) -> Result<Option<Vec<u8>>, MakeError> {
        self.bundle.ledger = ledger.clone();
        self.maker.piece(&self.bundle)
    }
}

/// The first record in `scope` of the first `size`.
fn first(ledger: &Ledger, caller: &Caller, scope: &Scope, size: u64) -> Result<Seq, ledger::Error> {
    if scope.is_whole() {
        return Ok(Seq(0));
    }
    let mut from = Seq(0);
    loop {
        let page = ledger.stored_events(caller, &filter(scope), from, 1)?;
        let found = page.items.first().map(|(entry, _)| entry.seq);
        match (found.filter(|seq| seq.0 < size), page.next) {
            (Some(seq), _) => return Ok(seq),
            (None, Some(next)) if found.is_none() && next.0 < size => from = next,
            (None, _) => return Err(ledger::Error::NothingThere),
        }
    }
}

fn filter(scope: &Scope) -> EventFilter {
    let Scope { account, from, to } = scope.clone();
    EventFilter { account, from, to, ..EventFilter::default() }
}

/// A cosigned checkpoint, and the proof that it is of the same log as the tree of `size` records; `None` if
/// it is not, as after a rollback that an operator accepted.
fn with_proof(ledger: &Ledger, note: &str, size: u64) -> Option<(String, Vec<Hash>)> {
    let cosigned = ledger.signing_keys().ok()?.open(note.as_bytes()).ok()?;
    if ledger.root_at(cosigned.size()).ok()? != cosigned.root() {
        return None;
    }
    let (smaller, larger) = (size.min(cosigned.size()), size.max(cosigned.size()));
    Some((note.to_owned(), ledger.growth(smaller, larger).ok()?))
}

/// The size in a checkpoint. Its signature is verified by the reader of the bundle.
pub(crate) fn size_of(checkpoint: &str) -> Option<u64> {
    let note = tlog::note::Note::parse(checkpoint.as_bytes()).ok()?;
    Some(note.text().parse::<tlog::Checkpoint>().ok()?.size())
}

/// The number of records of a part in one read.
const PART: usize = 500;

impl Source for Bundle {
    fn entries(&self, index: TileIndex) -> Result<Vec<u8>, Fault> {
        let bundle = self.ledger.entries(&self.caller, index)?;
        Ok(bundle.ok_or("the log has become shorter")?)
    }

    fn account(&self, key: KeyId) -> Result<Account, Fault> {
        Ok(self.ledger.key(&self.caller, key)?.key.account.clone())
    }

    fn row(&self, key: KeyId) -> Result<RowPlace, Fault> {
        let table = self.table.as_ref().ok_or("this part has no table of keys")?;
        let found = self.ledger.row_in(&self.caller, table, key)?;
        let (RowProof { index, mut path, .. }, bucket) =
            found.ok_or("the table has no such key")?;
        path.extend(bucket.path);
        Ok(RowPlace { index, rows: bucket.rows, path })
    }

    fn sign_account(&self, account: &Account, keys: u64) -> Result<String, Fault> {
        Ok(self.ledger.sign_account(&self.caller, (account, keys), self.terms.size)?)
    }

    fn part(&self, scope: &Scope, from: Seq) -> Result<Part, Fault> {
        let page = self.ledger.stored_events(&self.caller, &filter(scope), from, PART)?;
        Ok((page.items, page.next))
    }

    fn inclusion(&self, seq: Seq, size: u64) -> Result<Vec<Hash>, Fault> {
        Ok(self.ledger.inclusion(&self.caller, seq, Some(size))?.path)
    }

    fn stamps(&self) -> u64 {
        self.stamped.len() as u64
    }

    fn stamp(&self, number: u64) -> Result<Stamped, Fault> {
        let place = usize::try_from(number).ok().and_then(|number| self.stamped.get(number));
        let StoredStamp { size, checkpoint, stamp, .. } =
            self.stamps.read(*place.ok_or("there are fewer time-stamps")?)?;
        let consistency = self.ledger.consistency(&self.caller, size, Some(self.terms.size))?.path;
        Ok(Stamped { checkpoint, consistency, stamp })
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring)
    }

    fn sign(&self, manifest: &[u8]) -> Result<String, Fault> {
        Ok(self.ledger.sign_manifest(&self.caller, manifest)?)
    }
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
