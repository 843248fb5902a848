//! Making a bundle: everything streams, nothing is kept but a line of the manifest for each file.
//!
//! A tar file tells a member's length in front of it, so the exports are made twice: once to be
//! measured, while the records go out, and once to be written.

use std::error::Error;
use std::io::{self, Write};

use keys::{Account, KeyId};
use ledger::{Decoder, Entry, Finding, Seq};
use sha2::{Digest as _, Sha256};
use tlog::{Edge, Hash, Tile, TileIndex, bundles_of, entries, leaf_hash};

use crate::Exports;
use crate::accounts::Accounts;
use crate::archive::Writer;
use crate::layout::{self, PACK, TreeFile};
use crate::manifest::{Listed, Manifest, Scope};

/// What went wrong below a [`Source`].
pub type Fault = Box<dyn Error + Send + Sync>;

/// The log that a bundle is made of. Everything is asked of the tree at one size.
pub trait Source {
    /// A bundle of entries, as c2sp.org/tlog-tiles has it.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn entries(&self, index: TileIndex) -> Result<Vec<u8>, Fault>;

    /// The account of a key.
    ///
    /// # Errors
    ///
    /// There is no such key.
    fn account(&self, key: KeyId) -> Result<Account, Fault>;

    /// Some records in `scope` from `from` on, rising, and where to go on; `None` at the end.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    fn part(&self, scope: &Scope, from: Seq) -> Result<Part, Fault>;

    /// The proof that record `seq` is in the tree of `size` records.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    fn inclusion(&self, seq: Seq, size: u64) -> Result<Vec<Hash>, Fault>;

    /// Signs the manifest: the note of [`ledger::manifest_text`], signed once, by the log's
    /// newest key.
    ///
    /// # Errors
    ///
    /// It cannot be signed.
    fn sign(&self, manifest: &[u8]) -> Result<String, Fault>;
}

/// Events with their stored bytes, and the place to go on from.
pub type Part = (Vec<(Entry, Vec<u8>)>, Option<Seq>);

/// What the log says of itself in a bundle.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The name of the log.
    pub origin: String,
    /// How many records the checkpoint commits to.
    pub size: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// An earlier signed checkpoint.
    pub earlier: String,
    /// The proof that the tree of the checkpoint extends that of the earlier one.
    pub consistency: Vec<Hash>,
    /// The signed table note, of a size that is not larger.
    pub table: String,
    /// The keys that sign the log, and how each named the next.
    pub keys: String,
    /// Which records are wanted.
    pub scope: Scope,
}

/// Why there is no bundle. What was written of it is of no use.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// It cannot be written.
    #[error("the bundle cannot be written")]
    Write(#[from] io::Error),
    /// The log cannot be read, or will not sign.
    #[error("the log gives no bundle")]
    Source(#[source] Fault),
    /// A record is damaged.
    #[error(transparent)]
    Record(#[from] Finding),
}

/// Makes a bundle, and says how many records are in it. `progress` hears how many are read.
///
/// # Errors
///
/// [`MakeError`].
pub fn make<W: Write>(
    source: &dyn Source,
    terms: &Terms,
    exports: &Exports,
    out: W,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, MakeError> {
    let mut making = Making { source, terms, out: Writer::new(out), listed: Vec::new() };
    making.file(layout::GUIDE, layout::GUIDE_TEXT.as_bytes())?;
    making.file(layout::VERIFIER, layout::VERIFIER_TEXT.as_bytes())?;
    making.file(layout::KEYS, terms.keys.as_bytes())?;
    making.file(layout::CHECKPOINT, terms.checkpoint.as_bytes())?;
    making.file(layout::EARLIER, terms.earlier.as_bytes())?;
    making.file(layout::CONSISTENCY, lines(&terms.consistency).as_bytes())?;
    making.file(layout::TABLE, terms.table.as_bytes())?;

    let mut measured = Measured::new(exports);
    let mut records = 0;
    let mut measure = |entry: &Entry| {
        records += 1;
        progress(records);
        measured.add(entry);
    };
    if terms.scope.is_whole() {
        making.whole(&mut measure)?;
    } else {
        making.part(&mut measure)?;
    }
    for (number, listed) in measured.listed().into_iter().enumerate() {
        making.export(exports, number, listed)?;
    }
    making.finish(records)?;
    Ok(records)
}

/// Hashes, one a line.
fn lines(hashes: &[Hash]) -> String {
    hashes.iter().map(|hash| format!("{hash}\n")).collect()
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
            *length += u64::try_from(text.len()).unwrap_or(u64::MAX);
            hash.update(&*text);
            text.clear();
        }
    }

    fn listed(self) -> Vec<Listed> {
        let files = self.exports.names.into_iter().zip(self.files);
        files.map(|(name, (length, hash))| Listed::new(name, length, hash)).collect()
    }
}

struct Making<'a, W> {
    source: &'a dyn Source,
    terms: &'a Terms,
    out: Writer<W>,
    listed: Vec<Listed>,
}

impl<W: Write> Making<'_, W> {
    /// A whole file.
    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), MakeError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.out.begin(name, length)?;
        self.out.write(bytes)?;
        self.listed.push(Listed::new(name, length, Sha256::new_with_prefix(bytes)));
        Ok(())
    }

    /// All records, and the tiles over them.
    fn whole(&mut self, each: &mut dyn FnMut(&Entry)) -> Result<(), MakeError> {
        let mut reader = Reader::new(self.source);
        let mut edge = Edge::new();
        let mut completed: Vec<Tile> = Vec::new();
        for file in layout::tree_files(self.terms.size) {
            match file {
                TreeFile::Entries(index) => {
                    let bundle = self.source.entries(index).map_err(MakeError::Source)?;
                    reader.each(index, &bundle, &mut |bytes, entry| {
                        completed.extend(edge.push(leaf_hash(bytes)));
                        each(entry);
                        Ok(())
                    })?;
                    self.file(&file.name(), &bundle)?;
                }
                TreeFile::Hashes(index) => {
                    let full = completed.iter().find(|tile| tile.index() == index).cloned();
                    let tile = full.or_else(|| edge.tile(index)).ok_or_else(missing)?;
                    completed.retain(|tile| tile.index() != index);
                    self.file(&file.name(), tile.bytes())?;
                }
            }
        }
        let signed = self.terms.checkpoint.contains(&format!("\n{}\n", edge.root()));
        if signed { Ok(()) } else { Err(fault("the records do not make the signed root")) }
    }

    /// The records in scope, a proof for each, and what they do not say of older keys.
    fn part(&mut self, each: &mut dyn FnMut(&Entry)) -> Result<(), MakeError> {
        let (source, terms) = (self.source, self.terms);
        let mut accounts = Accounts::default();
        walk(source, terms, &mut |_, entry| {
            accounts.add(entry);
            Ok(())
        })?;
        self.file(layout::ACCOUNTS, accounts.text().as_bytes())?;
        let mut pack = Pack::default();
        walk(source, terms, &mut |bytes, entry| {
            each(entry);
            let path = source.inclusion(entry.seq, terms.size).map_err(MakeError::Source)?;
            pack.add(entry.seq, bytes, &path);
            if pack.records.len() == PACK { self.pack(&mut pack) } else { Ok(()) }
        })?;
        if pack.records.is_empty() { Ok(()) } else { self.pack(&mut pack) }
    }

    /// One file of records and one of their proofs.
    fn pack(&mut self, pack: &mut Pack) -> Result<(), MakeError> {
        let records = entries::encode(&pack.records).map_err(fault)?;
        self.file(&layout::records_name(pack.number), &records)?;
        self.file(&layout::proofs_name(pack.number), pack.proofs.as_bytes())?;
        *pack = Pack { number: pack.number + 1, ..Pack::default() };
        Ok(())
    }

    /// Writes an export that was measured.
    fn export(
        &mut self,
        exports: &Exports,
        number: usize,
        listed: Listed,
    ) -> Result<(), MakeError> {
        self.out.begin(&listed.name, listed.length)?;
        self.listed.push(listed);
        let (source, terms, out) = (self.source, self.terms, &mut self.out);
        let mut texts = exports.heads.map(|head| head.as_bytes().to_vec());
        let mut flush = |texts: &mut [Vec<u8>; 3]| {
            out.write(texts.get(number).map(Vec::as_slice).unwrap_or_default())?;
            texts.iter_mut().for_each(Vec::clear);
            Ok(())
        };
        flush(&mut texts)?;
        walk(source, terms, &mut |_, entry| {
            (exports.write)(entry, &mut texts);
            flush(&mut texts)
        })
    }

    fn finish(mut self, records: u64) -> Result<(), MakeError> {
        let Terms { origin, size, scope, .. } = self.terms;
        let mut manifest = Manifest::new(origin, *size, records, scope);
        manifest.members = std::mem::take(&mut self.listed);
        let text = manifest.text();
        let note = self.source.sign(text.as_bytes()).map_err(MakeError::Source)?;
        self.file(layout::MANIFEST, text.as_bytes())?;
        self.file(layout::NOTE, note.as_bytes())?;
        self.out.finish()?;
        Ok(())
    }
}

fn fault(error: impl Into<Fault>) -> MakeError {
    MakeError::Source(error.into())
}

fn missing() -> MakeError {
    fault("the records do not make the tiles of the signed tree")
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

/// Reads records of a whole log as entries.
struct Reader<'s> {
    source: &'s dyn Source,
    decoder: Decoder,
}

type Each<'e> = &'e mut dyn FnMut(&[u8], &Entry) -> Result<(), MakeError>;

impl Reader<'_> {
    fn new(source: &dyn Source) -> Reader<'_> {
        Reader { source, decoder: Decoder::default() }
    }

    /// Gives every record of a bundle to `each`.
    fn each(&mut self, index: TileIndex, bundle: &[u8], each: Each<'_>) -> Result<(), MakeError> {
        for (seq, bytes) in (index.number() << 8..).zip(entries::decode(bundle).map_err(fault)?) {
            let record = self.decoder.read(Seq(seq), bytes)?.record;
            let account = match &record.event {
                keys::Event::Created(made) => made.account.clone(),
                keys::Event::Enabled
                | keys::Event::Disabled
                | keys::Event::Expired { .. }
                | keys::Event::Revoked(_) => {
                    self.source.account(record.link.key).map_err(MakeError::Source)?
                }
            };
            each(bytes, &Entry { seq: Seq(seq), record, account })?;
        }
        Ok(())
    }
}

/// Gives every record in scope to `each`, in order.
fn walk(source: &dyn Source, terms: &Terms, each: Each<'_>) -> Result<(), MakeError> {
    if terms.scope.is_whole() {
        let mut reader = Reader::new(source);
        for index in bundles_of(terms.size) {
            let bundle = source.entries(index).map_err(MakeError::Source)?;
            reader.each(index, &bundle, each)?;
        }
        return Ok(());
    }
    let mut next = Some(Seq(0));
    while let Some(from) = next {
        let (part, then) = source.part(&terms.scope, from).map_err(MakeError::Source)?;
        for (entry, bytes) in part.iter().take_while(|(entry, _)| entry.seq.0 < terms.size) {
            each(bytes, entry)?;
        }
        next = then.filter(|then| then.0 < terms.size);
    }
    Ok(())
}
