//! An opened bundle: its files are complete and in order, and its statements are signed.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use ledger::{KeyChain, Keyring, manifest_text};
use sha2::{Digest as _, Sha256};
use tlog::note::{Note, VerifierKey};
use tlog::{Hash, Tile, TileIndex, TileReader};

use crate::Exports;
use crate::archive::{self, ArchiveError, Placed, Stored};
use crate::consistency::Statement;
use crate::freshness::Beat;
use crate::layout::{self, TreeFile};
use crate::limits;
use crate::manifest::{Listed, Manifest, Scope, Version};
use crate::names::{compare_names, rows_files, stamps};
use crate::persons::parse_persons;
use crate::refused::{Invalid, Refused};

/// A file of the bundle, and its hash in the manifest.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) placed: Placed,
    sha256: String,
}

/// A bundle with its small files in memory.
pub(crate) struct Opened<'s, S: ?Sized> {
    stored: &'s S,
    files: HashMap<String, File>,
    pub(crate) chain: KeyChain,
    /// The key that the auditor trusts.
    pub(crate) trusted: VerifierKey,
    pub(crate) checkpoint: Statement,
    pub(crate) earlier: Statement,
    pub(crate) consistency: Vec<Hash>,
    pub(crate) table: Statement,
    /// `None` in a bundle of the first version.
    pub(crate) heartbeat: Option<Beat>,
    /// How many checkpoints with time-stamps it has.
    pub(crate) stamps: u64,
    /// What witnesses cosigned, and the proof that it is of the same log; `None` if there is nothing.
    pub(crate) cosigned: Option<(Statement, Vec<Hash>)>,
    pub(crate) origin: String,
    pub(crate) version: Version,
    pub(crate) records: u64,
    pub(crate) scope: Scope,
    rows_files: u64,
    /// The keys of the persons in the records.
    pub(crate) keyring: Arc<Keyring>,
}

impl<'s, S: Stored + ?Sized> Opened<'s, S> {
    /// Opens a bundle. `key` is a trusted key that the log signs or signed with.
    pub(crate) fn new(
        stored: &'s S,
        key: &VerifierKey,
        exports: &Exports,
    ) -> Result<Opened<'s, S>, Refused> {
        let placed = archive::members(stored)?;
        let (manifest, version, manifest_text) = read_manifest(stored, &placed)?;
        let scope = manifest.scope().ok_or(Invalid::Malformed(layout::MANIFEST))?;
        compare_names(&placed, (&manifest, version), &scope, exports)?;
        let files = files(&placed, &manifest.members)?;
        let small = |name: &'static str| small(stored, &files, name);
        for name in [layout::GUIDE, layout::VERIFIER] {
            // Their content is not used, but their hashes are checked.
            small(name)?;
        }

        if version != Version::One {
            limits::check(&small(layout::LIMITS)?).map_err(Invalid::Limits)?;
        }
        let chain = KeyChain::parse(&small(layout::KEYS)?).map_err(Invalid::from)?;
        let trusted = chain.from(key).ok_or(Invalid::Stranger)?;
        if chain.newest().name() != manifest.origin {
            return Err(Invalid::Malformed(layout::MANIFEST).into());
        }
        let newest = std::slice::from_ref(chain.newest());
        check_manifest_note(stored, &placed, &manifest.origin, &manifest_text, newest)?;
        let checkpoint = small(layout::CHECKPOINT)?;
        let checkpoint = statement(layout::CHECKPOINT, &checkpoint, &chain, trusted)?;
        let earlier = statement(layout::EARLIER, &small(layout::EARLIER)?, &chain, chain.keys())?;
        let table = table(&small(layout::TABLE)?, &chain, trusted)?;
        if checkpoint.size != manifest.size || table.size > manifest.size {
            return Err(Invalid::Malformed(layout::MANIFEST).into());
        }
        let heartbeat = match version {
            Version::One => None,
            Version::Two => {
                Some(heartbeat(&small(layout::HEARTBEAT)?, &chain, trusted, checkpoint.size)?)
            }
        };
        let statements =
            [Some(&checkpoint), Some(&table), heartbeat.as_ref().map(|h| &h.statement)];
        statements.into_iter().flatten().try_for_each(|one| of_this_log(one, &chain))?;
        let cosigned = match version {
            Version::One => None,
            Version::Two => cosigned(&small(layout::COSIGNED)?, &small(layout::GROWTH)?, &chain)?,
        };
        let consistency = hashes(&small(layout::CONSISTENCY)?);
        let keyring = parse_persons(&small(layout::PERSONS)?)?;
        Ok(Opened {
            stored,
            chain,
            trusted: key.clone(),
            checkpoint,
            earlier,
            consistency: consistency.ok_or(Invalid::Malformed(layout::CONSISTENCY))?,
            table,
            heartbeat,
            stamps: stamps(&placed),
            cosigned,
            origin: manifest.origin,
            version,
            records: manifest.records,
            rows_files: rows_files(&manifest.members),
            scope,
            keyring,
            files,
        })
    }

    pub(crate) fn stored(&self) -> &'s S {
        self.stored
    }

    /// A file, by its name.
    pub(crate) fn file(&self, name: &str) -> Result<&File, Invalid> {
        self.files.get(name).ok_or_else(|| Invalid::Listed(name.to_owned()))
    }

    /// The keys that the auditor trusts: the given one and those after it.
    pub(crate) fn trusted_keys(&self) -> &[VerifierKey] {
        self.chain.from(&self.trusted).unwrap_or_default()
    }

    /// The number of files with places in the key table.
    pub(crate) fn rows_files(&self) -> u64 {
        self.rows_files
    }

    /// Checks that every file is the one that the manifest lists: what a log is accused of must not
    /// depend on a file that somebody changed on the way.
    pub(crate) fn are_as_listed(&self) -> Result<(), Invalid> {
        self.files.values().try_for_each(|file| file.is_as_listed(self.stored))
    }

    /// A small file's text.
    pub(crate) fn small(&self, name: &'static str) -> Result<String, Invalid> {
        small(self.stored, &self.files, name)
    }

    /// A file's bytes, checked against the manifest.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>, Invalid> {
        self.file(name)?.read(self.stored)
    }
}

impl<S: Stored + ?Sized> TileReader for Opened<'_, S> {
    type Error = io::Error;

    fn tile(&self, index: TileIndex) -> io::Result<Option<Tile>> {
        let bytes = self.bytes(&TreeFile::Hashes(index).name()).map_err(io::Error::other)?;
        Tile::new(index, bytes).map(Some).map_err(io::Error::other)
    }
}

impl File {
    /// The bytes, checked against the manifest.
    fn read<S: Stored + ?Sized>(&self, stored: &S) -> Result<Vec<u8>, Invalid> {
        let Placed { name, at, length } = &self.placed;
        let listed = || Invalid::Listed(name.clone());
        let length = usize::try_from(*length).ok().filter(|_| *length <= layout::MAX_SMALL);
        let mut bytes = vec![0; length.ok_or_else(listed)?];
        stored.read_at(&mut bytes, *at).map_err(ArchiveError::Read)?;
        if self.has_hash(Sha256::new_with_prefix(&bytes)) { Ok(bytes) } else { Err(listed()) }
    }

    /// Checks the bytes against the manifest, however many they are.
    fn is_as_listed<S: Stored + ?Sized>(&self, stored: &S) -> Result<(), Invalid> {
        let Placed { name, at, length } = &self.placed;
        let (mut hash, mut done, mut piece) = (Sha256::new(), 0, vec![0; 1 << 16]);
        while done < *length {
            let most = usize::try_from(*length - done).unwrap_or(usize::MAX).min(piece.len());
            piece.truncate(most);
            stored.read_at(&mut piece, at + done).map_err(ArchiveError::Read)?;
            hash.update(&piece);
            done += most as u64;
        }
        if self.has_hash(hash) { Ok(()) } else { Err(Invalid::Listed(name.clone())) }
    }

    pub(crate) fn has_hash(&self, hash: Sha256) -> bool {
        hex::encode(hash.finalize()) == self.sha256
    }
}

fn small<S: Stored + ?Sized>(
    stored: &S,
    files: &HashMap<String, File>,
    name: &'static str,
) -> Result<String, Invalid> {
    let file = files.get(name).ok_or_else(|| Invalid::Listed(name.to_owned()))?;
    String::from_utf8(file.read(stored)?).map_err(|_| Invalid::Malformed(name))
}

/// The manifest, which is the last but one file.
fn read_manifest<S: Stored + ?Sized>(
    stored: &S,
    placed: &[Placed],
) -> Result<(Manifest, Version, Vec<u8>), Invalid> {
    let malformed = || Invalid::Malformed(layout::MANIFEST);
    let [.., place, _] = placed else { return Err(malformed()) };
    let text = raw(stored, place, layout::MANIFEST)?;
    let manifest = Manifest::parse(&text).ok_or_else(malformed)?;
    let version = manifest.version().ok_or_else(malformed)?;
    Ok((manifest, version, text))
}

/// A file that is not in the manifest.
pub(crate) fn raw<S: Stored + ?Sized>(
    stored: &S,
    placed: &Placed,
    name: &'static str,
) -> Result<Vec<u8>, Invalid> {
    if placed.name != name {
        return Err(Invalid::Files { expected: name.to_owned(), found: placed.name.clone() });
    }
    let length = usize::try_from(placed.length).ok().filter(|_| placed.length <= layout::MAX_SMALL);
    let mut bytes = vec![0; length.ok_or(Invalid::Malformed(name))?];
    stored.read_at(&mut bytes, placed.at).map_err(ArchiveError::Read)?;
    Ok(bytes)
}

/// Every file but the last two, with its entry of the manifest.
fn files(placed: &[Placed], listed: &[Listed]) -> Result<HashMap<String, File>, Invalid> {
    let placed = placed.get(..placed.len().saturating_sub(2)).unwrap_or_default();
    if placed.len() != listed.len() {
        return Err(Invalid::Malformed(layout::MANIFEST));
    }
    let pairs = placed.iter().zip(listed);
    pairs
        .map(|(placed, listed)| {
            if placed.name != listed.name || placed.length != listed.length {
                return Err(Invalid::Listed(placed.name.clone()));
            }
            let file = File { placed: placed.clone(), sha256: listed.sha256.clone() };
            Ok((placed.name.clone(), file))
        })
        .collect()
}

fn check_manifest_note<S: Stored + ?Sized>(
    stored: &S,
    placed: &[Placed],
    origin: &str,
    manifest: &[u8],
    newest: &[VerifierKey],
) -> Result<(), Invalid> {
    let name = layout::NOTE;
    let place = placed.last().ok_or(Invalid::Malformed(name))?;
    let parsed = Note::parse(&raw(stored, place, name)?).map_err(Invalid::note(name))?;
    parsed.verify(newest).map_err(Invalid::note(name))?;
    let one = parsed.signatures().len() == 1;
    let exact = parsed.text() == manifest_text(origin, manifest);
    if one && exact { Ok(()) } else { Err(Invalid::Malformed(name)) }
}

/// The heartbeat of the checkpoint's size.
fn heartbeat(
    text: &str,
    chain: &KeyChain,
    keys: &[VerifierKey],
    size: u64,
) -> Result<Beat, Invalid> {
    let beat = Beat::open(text, chain, keys)?;
    let is_of_it = beat.statement.size == size;
    if is_of_it { Ok(beat) } else { Err(Invalid::Malformed(layout::HEARTBEAT)) }
}

/// What witnesses cosigned, and the proof that it is of the log.
fn cosigned(
    note: &str,
    proof: &str,
    chain: &KeyChain,
) -> Result<Option<(Statement, Vec<Hash>)>, Invalid> {
    let proof = hashes(proof).ok_or(Invalid::Malformed(layout::GROWTH))?;
    if !note.is_empty() {
        return Ok(Some((statement(layout::COSIGNED, note, chain, chain.keys())?, proof)));
    }
    if proof.is_empty() { Ok(None) } else { Err(Invalid::Malformed(layout::GROWTH)) }
}

/// A checkpoint that one of `keys`, which are of the chain, signed under its own name and was allowed to.
///
/// # Errors
///
/// [`Invalid::Unsigned`] if none of them did.
pub fn signed_statement(
    text: &str,
    chain: &KeyChain,
    keys: &[VerifierKey],
) -> Result<Statement, Invalid> {
    statement("the checkpoint", text, chain, keys)
}

pub(crate) fn statement(
    name: &'static str,
    text: &str,
    chain: &KeyChain,
    keys: &[VerifierKey],
) -> Result<Statement, Invalid> {
    let (found, by) = chain.open_by(text.as_bytes(), keys).map_err(Invalid::unsigned(name))?;
    Ok(Statement { note: text.to_owned(), size: found.size(), root: found.root(), by: by.clone() })
}

/// Checks that a statement is made in the log's present name.
pub(crate) fn of_this_log(statement: &Statement, chain: &KeyChain) -> Result<(), Invalid> {
    if statement.by.name() == chain.newest().name() { Ok(()) } else { Err(Invalid::OtherLog) }
}

/// The note of the table of keys, signed by one of `keys`, which are of the chain.
pub(crate) fn table(
    text: &str,
    chain: &KeyChain,
    keys: &[VerifierKey],
) -> Result<Statement, Invalid> {
    let opened = chain.open_named(text.as_bytes(), keys, "/table");
    let (found, by) = opened.map_err(Invalid::unsigned(layout::TABLE))?;
    Ok(Statement { note: text.to_owned(), size: found.size(), root: found.root(), by: by.clone() })
}

/// Hashes, one a line.
pub(crate) fn hashes(text: &str) -> Option<Vec<Hash>> {
    let lines = text.split_terminator('\n').map(|line| line.parse().ok());
    let hashes: Vec<Hash> = lines.collect::<Option<_>>()?;
    let same: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
    (same == text).then_some(hashes)
}
