//! Producing a bundle piece by piece: it is streamed, and only the manifest entry of each file is
//! kept in memory.
//!
//! Each call of [`Maker::piece`] produces a bounded piece. Between two calls the maker holds no
//! thread, no lock and no view of the log, so a slow reader costs the memory of one piece.
//!
//! A tar header contains the member's length, so the exports are produced twice: once to measure
//! them, while the records are written, and once to write them.

use keys::{Event, KeyId};
use ledger::Seq;
use sha2::{Digest as _, Sha256};
use tlog::{Hash, entries, leaf_hash};

use crate::Exports;
use crate::accounts::Accounts;
use crate::archive::Writer;
use crate::layout::{self, PACK, TreeFile};
use crate::limits::limits_text;
use crate::manifest::{Listed, Manifest};
use crate::measured::Measured;
use crate::persons::Persons;
use crate::source::{MakeError, RowPlace, Source, Terms, fault};
use crate::walk::{Tree, Walk, beginning, with_neighbours};

/// A piece is complete when it has this many bytes.
const PIECE: usize = 64 * 1024;
/// The most steps, of some hundred records each, for one piece: when few records match the scope, a
/// piece is short or empty.
const MAX_STEPS: usize = 8;

/// Produces a bundle.
pub struct Maker {
    terms: Terms,
    exports: Exports,
    out: Writer,
    listed: Vec<Listed>,
    measured: Measured,
    persons: Persons,
    records: u64,
    stage: Stage,
}

/// What is produced next.
enum Stage {
    /// The guide, the verifier and the signed statements.
    Head,
    /// The checkpoints with a time-stamp, from this number on.
    Stamps(u64),
    /// All records, and the tiles over them.
    Tree(Box<Tree>),
    /// The accounts of older keys of a span, from this place of the log on.
    Accounts(Accounts, Seq),
    /// The records of a part and a proof for each, from this place of the log on.
    Part(Pack, Seq),
    /// The places of an account's keys in the key table, from this number of a file on.
    Rows(Vec<KeyId>, usize),
    /// The keys of the persons in the records.
    Persons,
    /// The remaining exports.
    Exports(std::vec::IntoIter<(usize, Listed)>),
    /// The rest of an export, and the remaining exports.
    Export(usize, Walk, std::vec::IntoIter<(usize, Listed)>),
    /// The bundle is complete.
    Done,
}

impl Maker {
    /// A bundle whose first piece is not produced yet.
    #[must_use]
    pub fn new(terms: Terms, exports: &Exports) -> Maker {
        Maker {
            terms,
            exports: *exports,
            out: Writer::new(),
            listed: Vec::new(),
            measured: Measured::new(exports),
            persons: Persons::default(),
            records: 0,
            stage: Stage::Head,
        }
    }

    /// The next bytes of the bundle, possibly empty; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`MakeError`]. The bytes so far are not a valid bundle.
    pub fn piece(&mut self, source: &dyn Source) -> Result<Option<Vec<u8>>, MakeError> {
        if matches!(self.stage, Stage::Done) {
            return Ok(None);
        }
        for _ in 0..MAX_STEPS {
            // An error ends the bundle.
            let stage = std::mem::replace(&mut self.stage, Stage::Done);
            self.stage = self.step(source, stage)?;
            if self.out.waiting() >= PIECE || matches!(self.stage, Stage::Done) {
                break;
            }
        }
        Ok(Some(self.out.take()))
    }

    /// The number of records so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    fn step(&mut self, source: &dyn Source, stage: Stage) -> Result<Stage, MakeError> {
        match stage {
            Stage::Head => self.head(),
            Stage::Stamps(number) => self.stamps(source, number),
            Stage::Tree(tree) => self.tree(source, tree),
            Stage::Accounts(accounts, from) => self.accounts(source, accounts, from),
            Stage::Part(pack, from) => self.part(source, pack, from),
            Stage::Rows(keys, number) => self.rows(source, keys, number),
            Stage::Persons => {
                let text = self.persons.text();
                self.file(layout::PERSONS, text.as_bytes())?;
                Ok(self.exports())
            }
            Stage::Exports(mut exports) => match exports.next() {
                Some((number, listed)) => {
                    self.begin_export(number, listed)?;
                    Ok(Stage::Export(number, Walk::new(&self.terms, source), exports))
                }
                None => self.finish(source),
            },
            Stage::Export(number, mut walk, exports) => {
                if self.export(source, number, &mut walk)? {
                    Ok(Stage::Export(number, walk, exports))
                } else {
                    Ok(Stage::Exports(exports))
                }
            }
            Stage::Done => Ok(Stage::Done),
        }
    }

    /// Writes a whole file.
    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), MakeError> {
        let length = bytes.len() as u64;
        self.out.file(name, bytes)?;
        self.listed.push(Listed::new(name, length, Sha256::new_with_prefix(bytes)));
        Ok(())
    }

    fn head(&mut self) -> Result<Stage, MakeError> {
        let Terms { keys, checkpoint, earlier, consistency, table, heartbeat, .. } = &self.terms;
        let (cosigned, growth) = &self.terms.cosigned;
        let texts = [
            (layout::GUIDE, layout::GUIDE_TEXT.to_owned()),
            (layout::VERIFIER, layout::VERIFIER_TEXT.to_owned()),
            (layout::LIMITS, limits_text()),
            (layout::KEYS, keys.clone()),
            (layout::CHECKPOINT, checkpoint.clone()),
            (layout::EARLIER, earlier.clone()),
            (layout::CONSISTENCY, lines(consistency)),
            (layout::TABLE, table.clone()),
            (layout::HEARTBEAT, heartbeat.clone()),
            (layout::COSIGNED, cosigned.clone()),
            (layout::GROWTH, lines(growth)),
        ];
        for (name, text) in texts {
            self.file(name, text.as_bytes())?;
        }
        Ok(Stage::Stamps(0))
    }

    /// Writes the next checkpoint with a time-stamp.
    fn stamps(&mut self, source: &dyn Source, number: u64) -> Result<Stage, MakeError> {
        if number < source.stamps() {
            let stamped = source.stamp(number).map_err(MakeError::Source)?;
            let [checkpoint, consistency, stamp] = layout::times_names(number);
            self.file(&checkpoint, stamped.checkpoint.as_bytes())?;
            self.file(&consistency, lines(&stamped.consistency).as_bytes())?;
            self.file(&stamp, &stamped.stamp)?;
            return Ok(Stage::Stamps(number + 1));
        }
        let begin = beginning(&self.terms);
        Ok(if self.terms.scope.is_whole() {
            Stage::Tree(Box::new(Tree::new(self.terms.size, source.keyring())))
        } else if self.terms.scope.account.is_some() {
            Stage::Part(Pack::default(), begin)
        } else {
            Stage::Accounts(Accounts::default(), begin)
        })
    }

    /// Writes the next file of the tree.
    fn tree(&mut self, source: &dyn Source, mut tree: Box<Tree>) -> Result<Stage, MakeError> {
        let Some(file) = tree.files.next() else {
            let signed = self.terms.checkpoint.contains(&format!("\n{}\n", tree.edge.root()));
            return if signed {
                Ok(Stage::Persons)
            } else {
                Err(fault("the records do not hash to the signed root"))
            };
        };
        match file {
            TreeFile::Entries(index) => {
                let bundle = source.entries(index).map_err(MakeError::Source)?;
                let keyring = source.keyring();
                let Tree { reader, edge, completed, .. } = &mut *tree;
                reader.each(source, index, &bundle, &mut |bytes, entry| {
                    completed.extend(edge.push(leaf_hash(bytes)));
                    self.records += 1;
                    self.persons.add(&entry.record, &keyring);
                    self.measured.add(entry);
                    Ok(())
                })?;
                self.file(&file.name(), &bundle)?;
            }
            TreeFile::Hashes(index) => {
                let tile = tree.tile(index).ok_or_else(missing)?;
                self.file(&file.name(), tile.bytes())?;
            }
        }
        Ok(Stage::Tree(tree))
    }

    fn accounts(
        &mut self,
        source: &dyn Source,
        mut accounts: Accounts,
        from: Seq,
    ) -> Result<Stage, MakeError> {
        let next = with_neighbours(source, &self.terms, from, &mut |_, entry| {
            accounts.add(entry);
            Ok(())
        })?;
        if let Some(next) = next {
            return Ok(Stage::Accounts(accounts, next));
        }
        self.file(layout::ACCOUNTS, accounts.text().as_bytes())?;
        Ok(Stage::Part(Pack::default(), beginning(&self.terms)))
    }

    fn part(&mut self, source: &dyn Source, mut pack: Pack, from: Seq) -> Result<Stage, MakeError> {
        let mut full = Vec::new();
        let (size, keyring) = (self.terms.size, source.keyring());
        let scope = &self.terms.scope;
        let next = with_neighbours(source, &self.terms, from, &mut |bytes, entry| {
            self.records += 1;
            self.persons.add(&entry.record, &keyring);
            if scope.covers(&entry.account, entry.record.at) {
                self.measured.add(entry);
            }
            if let Event::Created(made) = &entry.record.event {
                pack.created.push(made.id);
            }
            let path = source.inclusion(entry.seq, size).map_err(MakeError::Source)?;
            pack.add(entry.seq, bytes, &path);
            if pack.records.len() == PACK {
                let next = pack.next();
                full.push(std::mem::replace(&mut pack, next));
            }
            Ok(())
        })?;
        for pack in &full {
            self.pack(pack)?;
        }
        if let Some(next) = next {
            return Ok(Stage::Part(pack, next));
        }
        if !pack.records.is_empty() {
            self.pack(&pack)?;
        }
        Ok(if self.terms.scope.account.is_some() {
            Stage::Rows(pack.created, 0)
        } else {
            Stage::Persons
        })
    }

    /// Writes a file of places in the key table; after the last one, how many keys there are.
    fn rows(
        &mut self,
        source: &dyn Source,
        keys: Vec<KeyId>,
        number: usize,
    ) -> Result<Stage, MakeError> {
        let Some(next) = keys.chunks(PACK).nth(number) else {
            let count = keys.len() as u64;
            if let Some(account) = self.terms.scope.account.clone() {
                let note = source.sign_account(&account, count).map_err(MakeError::Source)?;
                self.file(layout::ACCOUNT, note.as_bytes())?;
            }
            return Ok(Stage::Persons);
        };
        let mut text = String::new();
        for key in next {
            let RowPlace { index, rows, path } = source.row(*key).map_err(MakeError::Source)?;
            text += &format!("index {index} of {rows}\n{}\n", lines(&path));
        }
        self.file(&layout::rows_name(number as u64), text.as_bytes())?;
        Ok(Stage::Rows(keys, number + 1))
    }

    /// Writes a file of records and a file of their proofs.
    fn pack(&mut self, pack: &Pack) -> Result<(), MakeError> {
        let records = entries::encode(&pack.records).map_err(fault)?;
        self.file(&layout::records_name(pack.number), &records)?;
        self.file(&layout::proofs_name(pack.number), pack.proofs.as_bytes())
    }

    /// The exports, after they are measured.
    fn exports(&mut self) -> Stage {
        let measured = std::mem::replace(&mut self.measured, Measured::new(&self.exports));
        let listed: Vec<_> = measured.listed().into_iter().enumerate().collect();
        Stage::Exports(listed.into_iter())
    }

    fn begin_export(&mut self, number: usize, listed: Listed) -> Result<(), MakeError> {
        self.out.begin(&listed.name, listed.length)?;
        self.listed.push(listed);
        let head = nth(&self.exports.heads, number);
        Ok(self.out.write(head.as_bytes())?)
    }

    /// Writes more of an export that was measured. Returns whether it is not complete.
    fn export(
        &mut self,
        source: &dyn Source,
        number: usize,
        walk: &mut Walk,
    ) -> Result<bool, MakeError> {
        let (write, mut texts) = (self.exports.write, <[Vec<u8>; 3]>::default());
        let out = &mut self.out;
        walk.step(source, &self.terms, &mut |_, entry| {
            write(entry, &mut texts);
            out.write(nth::<Vec<u8>>(&texts, number))?;
            texts.iter_mut().for_each(Vec::clear);
            Ok(())
        })
    }

    fn finish(&mut self, source: &dyn Source) -> Result<Stage, MakeError> {
        if !self.persons.are_unchanged(&source.keyring()) {
            return Err(fault("a person was erased while the bundle was made; make it again"));
        }
        let Terms { origin, size, scope, .. } = &self.terms;
        let mut manifest = Manifest::new(origin, *size, self.records, scope);
        manifest.members = std::mem::take(&mut self.listed);
        let text = manifest.text();
        let note = source.sign(text.as_bytes()).map_err(MakeError::Source)?;
        self.file(layout::MANIFEST, text.as_bytes())?;
        self.file(layout::NOTE, note.as_bytes())?;
        self.out.finish()?;
        Ok(Stage::Done)
    }
}

/// The element of the export with that number.
#[expect(clippy::expect_used, reason = "there are three exports")]
fn nth<T>(of_exports: &[T; 3], number: usize) -> &T {
    of_exports.get(number).expect("the number of one of the three exports")
}

/// Hashes, one a line.
fn lines(hashes: &[Hash]) -> String {
    hashes.iter().map(|hash| format!("{hash}\n")).collect()
}

fn missing() -> MakeError {
    fault("the records do not hash to the tiles of the signed tree")
}

/// The records of a part in one file, and their proofs.
#[derive(Default)]
struct Pack {
    number: u64,
    records: Vec<Vec<u8>>,
    proofs: String,
    /// The keys that were made so far, in all files.
    created: Vec<KeyId>,
}

impl Pack {
    /// The one after this, to which the keys pass.
    fn next(&mut self) -> Pack {
        let created = std::mem::take(&mut self.created);
        Pack { number: self.number + 1, created, ..Pack::default() }
    }

    fn add(&mut self, seq: Seq, bytes: &[u8], path: &[Hash]) {
        self.records.push(bytes.to_vec());
        self.proofs += &format!("index {seq}\n{}\n", lines(path));
    }
}
