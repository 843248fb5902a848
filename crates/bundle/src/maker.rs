//! Making a bundle piece by piece: everything streams, and only a line of the manifest is
//! stored for each file.
//!
//! A [`Maker`] makes a bounded piece at each call, and between two pieces it holds nothing:
//! no thread, no lock, no view of the log. So whoever takes a bundle slowly costs memory for one
//! piece, and nothing else.
//!
//! A tar file has a member's length in front of it, so the exports are made twice: once to be
//! measured, while the records go out, and once to be written.

use ledger::{Entry, Seq};
use sha2::{Digest as _, Sha256};
use tlog::{Hash, entries, leaf_hash};

use crate::Exports;
use crate::accounts::Accounts;
use crate::archive::Writer;
use crate::layout::{self, PACK, TreeFile};
use crate::manifest::{Listed, Manifest};
use crate::source::{MakeError, Source, Terms, fault};
use crate::walk::{Tree, Walk, part};

/// As soon as so many bytes are made, they are a piece.
const PIECE: usize = 64 * 1024;
/// A piece is made in at most so many steps, of some hundred records each: one that looks for
/// records that are not there is short, or empty.
const STEPS: usize = 8;

/// A bundle that is being made.
pub struct Maker {
    terms: Terms,
    exports: Exports,
    out: Writer,
    listed: Vec<Listed>,
    measured: Measured,
    records: u64,
    stage: Stage,
}

/// What is to be made next.
enum Stage {
    /// What the log says of itself.
    Head,
    /// All records, and the tiles over them.
    Tree(Box<Tree>),
    /// What the records of a part do not say of older keys, from this place of the log on.
    Accounts(Accounts, Seq),
    /// The records of a part and a proof for each, from this place of the log on.
    Part(Pack, Seq),
    /// The exports, the first of these next.
    Exports(std::vec::IntoIter<(usize, Listed)>),
    /// The rest of an export, and those that follow.
    Export(usize, Walk, std::vec::IntoIter<(usize, Listed)>),
    /// The end was made.
    Over,
}

impl Maker {
    /// Begins a bundle. The log is asked for nothing yet.
    #[must_use]
    pub fn new(terms: Terms, exports: &Exports) -> Maker {
        Maker {
            terms,
            exports: *exports,
            out: Writer::new(),
            listed: Vec::new(),
            measured: Measured::new(exports),
            records: 0,
            stage: Stage::Head,
        }
    }

    /// The next bytes of the bundle, perhaps none yet; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`MakeError`]. What was made is of no use then.
    pub fn piece(&mut self, source: &dyn Source) -> Result<Option<Vec<u8>>, MakeError> {
        if matches!(self.stage, Stage::Over) {
            return Ok(None);
        }
        for _ in 0..STEPS {
            // After an error it is over.
            let stage = std::mem::replace(&mut self.stage, Stage::Over);
            self.stage = self.step(source, stage)?;
            if self.out.waiting() >= PIECE || matches!(self.stage, Stage::Over) {
                break;
            }
        }
        Ok(Some(self.out.take()))
    }

    /// How many records are in it so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    fn step(&mut self, source: &dyn Source, stage: Stage) -> Result<Stage, MakeError> {
        match stage {
            Stage::Head => self.head(),
            Stage::Tree(tree) => self.tree(source, tree),
            Stage::Accounts(accounts, from) => self.accounts(source, accounts, from),
            Stage::Part(pack, from) => self.part(source, pack, from),
            Stage::Exports(mut exports) => match exports.next() {
                Some((number, listed)) => {
                    self.begin_export(number, listed)?;
                    Ok(Stage::Export(number, Walk::new(&self.terms), exports))
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
            Stage::Over => Ok(Stage::Over),
        }
    }

    /// A whole file.
    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), MakeError> {
        let length = bytes.len() as u64;
        self.out.file(name, bytes)?;
        self.listed.push(Listed::new(name, length, Sha256::new_with_prefix(bytes)));
        Ok(())
    }

    fn head(&mut self) -> Result<Stage, MakeError> {
        let Terms { keys, checkpoint, earlier, consistency, table, .. } = &self.terms;
        let texts = [
            (layout::GUIDE, layout::GUIDE_TEXT.to_owned()),
            (layout::VERIFIER, layout::VERIFIER_TEXT.to_owned()),
            (layout::KEYS, keys.clone()),
            (layout::CHECKPOINT, checkpoint.clone()),
            (layout::EARLIER, earlier.clone()),
            (layout::CONSISTENCY, lines(consistency)),
            (layout::TABLE, table.clone()),
        ];
        for (name, text) in texts {
            self.file(name, text.as_bytes())?;
        }
        Ok(if self.terms.scope.is_whole() {
            Stage::Tree(Box::new(Tree::new(self.terms.size)))
        } else {
            Stage::Accounts(Accounts::default(), Seq(0))
        })
    }

    /// The next file of the tree.
    fn tree(&mut self, source: &dyn Source, mut tree: Box<Tree>) -> Result<Stage, MakeError> {
        let Some(file) = tree.files.next() else {
            let signed = self.terms.checkpoint.contains(&format!("\n{}\n", tree.edge.root()));
            return if signed {
                Ok(self.exports())
            } else {
                Err(fault("the records do not make the signed root"))
            };
        };
        match file {
            TreeFile::Entries(index) => {
                let bundle = source.entries(index).map_err(MakeError::Source)?;
                let Tree { reader, edge, completed, .. } = &mut *tree;
                reader.each(source, index, &bundle, &mut |bytes, entry| {
                    completed.extend(edge.push(leaf_hash(bytes)));
                    self.records += 1;
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
        let next = part(source, &self.terms, from, &mut |_, entry| {
            accounts.add(entry);
            Ok(())
        })?;
        if let Some(next) = next {
            return Ok(Stage::Accounts(accounts, next));
        }
        self.file(layout::ACCOUNTS, accounts.text().as_bytes())?;
        Ok(Stage::Part(Pack::default(), Seq(0)))
    }

    fn part(&mut self, source: &dyn Source, mut pack: Pack, from: Seq) -> Result<Stage, MakeError> {
        let mut full = Vec::new();
        let size = self.terms.size;
        let next = part(source, &self.terms, from, &mut |bytes, entry| {
            self.records += 1;
            self.measured.add(entry);
            let path = source.inclusion(entry.seq, size).map_err(MakeError::Source)?;
            pack.add(entry.seq, bytes, &path);
            if pack.records.len() == PACK {
                let number = pack.number + 1;
                full.push(std::mem::replace(&mut pack, Pack { number, ..Pack::default() }));
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
        Ok(self.exports())
    }

    /// One file of records and one of their proofs.
    fn pack(&mut self, pack: &Pack) -> Result<(), MakeError> {
        let records = entries::encode(&pack.records).map_err(fault)?;
        self.file(&layout::records_name(pack.number), &records)?;
        self.file(&layout::proofs_name(pack.number), pack.proofs.as_bytes())
    }

    /// The exports, now that they are measured.
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

    /// Writes more of an export that was measured. Whether more is to follow.
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
        let Terms { origin, size, scope, .. } = &self.terms;
        let mut manifest = Manifest::new(origin, *size, self.records, scope);
        manifest.members = std::mem::take(&mut self.listed);
        let text = manifest.text();
        let note = source.sign(text.as_bytes()).map_err(MakeError::Source)?;
        self.file(layout::MANIFEST, text.as_bytes())?;
        self.file(layout::NOTE, note.as_bytes())?;
        self.out.finish()?;
        Ok(Stage::Over)
    }
}

/// What belongs to the export of that number.
#[expect(clippy::expect_used, reason = "an export without it would be a wrong one")]
fn nth<T>(of_exports: &[T; 3], number: usize) -> &T {
    of_exports.get(number).expect("the number of one of the three exports")
}

/// Hashes, one a line.
fn lines(hashes: &[Hash]) -> String {
    hashes.iter().map(|hash| format!("{hash}\n")).collect()
}

fn missing() -> MakeError {
    fault("the records do not make the tiles of the signed tree")
}

/// The lengths and hashes of exports that are not written yet.
struct Measured {
    exports: Exports,
    files: [(u64, Sha256); 3],
    texts: [Vec<u8>; 3],
}

impl Measured {
    fn new(exports: &Exports) -> Measured {
        let texts = exports.heads.map(|head| head.as_bytes().to_vec());
        let mut measured = Measured { exports: *exports, files: Default::default(), texts };
        measured.count();
        measured
    }

    fn add(&mut self, entry: &Entry) {
        (self.exports.write)(entry, &mut self.texts);
        self.count();
    }

    fn count(&mut self) {
        for ((length, hash), text) in self.files.iter_mut().zip(&mut self.texts) {
            *length += text.len() as u64;
            hash.update(&*text);
            text.clear();
        }
    }

    fn listed(self) -> Vec<Listed> {
        let files = self.exports.names.into_iter().zip(self.files);
        files.map(|(name, (length, hash))| Listed::new(name, length, hash)).collect()
    }
}

/// Records of a part and their proofs, as many as go into one file.
#[derive(Default)]
struct Pack {
    number: u64,
    records: Vec<Vec<u8>>,
    proofs: String,
}

impl Pack {
    fn add(&mut self, seq: Seq, bytes: &[u8], path: &[Hash]) {
        self.records.push(bytes.to_vec());
        self.proofs += &format!("index {seq}\n{}\n", lines(path));
    }
}
