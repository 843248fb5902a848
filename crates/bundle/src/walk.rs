//! Iteration over the records of a bundle, in steps that hold no resources in between.

use std::sync::Arc;

use ledger::{Decoder, Entry, Keyring, Seq};
use tlog::{RightEdge, Tile, TileIndex, bundles_of, entries};

use crate::layout::{self, TreeFile};
use crate::manifest::Scope;
use crate::source::{MakeError, Source, Terms, fault};

/// The tree of a whole log, rebuilt from its records so far.
pub(crate) struct Tree {
    pub(crate) files: Box<dyn Iterator<Item = TreeFile> + Send>,
    pub(crate) reader: Reader,
    pub(crate) edge: RightEdge,
    /// Complete tiles that are not written yet.
    pub(crate) completed: Vec<Tile>,
}

impl Tree {
    pub(crate) fn new(size: u64, keyring: Arc<Keyring>) -> Tree {
        Tree {
            files: Box::new(layout::tree_files(size)),
            reader: Reader::new(keyring),
            edge: RightEdge::new(),
            completed: Vec::new(),
        }
    }

    /// Takes a complete tile, or returns a partial one at the right edge.
    pub(crate) fn tile(&mut self, index: TileIndex) -> Option<Tile> {
        let full = self.completed.iter().position(|tile| tile.index() == index);
        full.map(|full| self.completed.swap_remove(full)).or_else(|| self.edge.tile(index))
    }
}

/// Decodes the records of a whole log as entries.
pub(crate) struct Reader(Decoder);

pub(crate) type Each<'e> = &'e mut dyn FnMut(&[u8], &Entry) -> Result<(), MakeError>;

impl Reader {
    pub(crate) fn new(keyring: Arc<Keyring>) -> Reader {
        Reader(Decoder::new(keyring))
    }

    /// Calls `each` with every record of an entry bundle.
    pub(crate) fn each(
        &mut self,
        source: &dyn Source,
        index: TileIndex,
        bundle: &[u8],
        each: Each<'_>,
    ) -> Result<(), MakeError> {
        for (seq, bytes) in (index.number() << 8..).zip(entries::decode(bundle).map_err(fault)?) {
            let record = self.0.read(Seq(seq), bytes)?.record;
            let account = match &record.event {
                keys::Event::Created(made) => made.account.clone(),
                keys::Event::Enabled
                | keys::Event::Disabled
                | keys::Event::Expired { .. }
                | keys::Event::Revoked(_)
                | keys::Event::Updated(_) => {
                    source.account(record.links.own.key).map_err(MakeError::Source)?
                }
            };
            each(bytes, &Entry { seq: Seq(seq), record, account, owner: None })?;
        }
        Ok(())
    }
}

/// A walk over every record in scope, in order, in steps.
pub(crate) enum Walk {
    Whole(Box<dyn Iterator<Item = TileIndex> + Send>, Box<Reader>),
    /// From this place of the log on.
    Part(Seq),
}

impl Walk {
    pub(crate) fn new(terms: &Terms, source: &dyn Source) -> Walk {
        if terms.scope.is_whole() {
            let reader = Box::new(Reader::new(source.keyring()));
            Walk::Whole(Box::new(bundles_of(terms.size)), reader)
        } else {
            Walk::Part(Seq(0))
        }
    }

    /// Calls `each` with the next records. Returns whether more may follow.
    pub(crate) fn step(
        &mut self,
        source: &dyn Source,
        terms: &Terms,
        each: Each<'_>,
    ) -> Result<bool, MakeError> {
        match self {
            Walk::Whole(bundles, reader) => {
                let Some(index) = bundles.next() else { return Ok(false) };
                let bundle = source.entries(index).map_err(MakeError::Source)?;
                reader.each(source, index, &bundle, each)?;
                Ok(true)
            }
            Walk::Part(from) => {
                let next = part(source, terms, *from, each)?;
                *from = next.unwrap_or(*from);
                Ok(next.is_some())
            }
        }
    }
}

/// Where the records of a part begin: those in scope, with those that show that nothing is missing.
pub(crate) fn beginning(terms: &Terms) -> Seq {
    match terms.scope.account {
        // The whole history of the account: each of its keys is followed from its creation.
        Some(_) => Seq(0),
        // A span is a run of records, with the one before it.
        None => Seq(terms.first.0.saturating_sub(1)),
    }
}

/// Calls `each` with some records of a part, with those that show that nothing is missing, and returns
/// where to continue.
pub(crate) fn with_neighbours(
    source: &dyn Source,
    terms: &Terms,
    from: Seq,
    each: Each<'_>,
) -> Result<Option<Seq>, MakeError> {
    let account = terms.scope.account.clone();
    let is_span = account.is_none();
    let reach = Scope { account, from: None, to: None };
    let (part, next) = source.part(&reach, from).map_err(MakeError::Source)?;
    for (entry, bytes) in part.iter().take_while(|(entry, _)| entry.seq.0 < terms.size) {
        each(bytes, entry)?;
        // The one after the span is its last.
        if is_span && terms.scope.to.is_some_and(|to| entry.record.at >= to) {
            return Ok(None);
        }
    }
    Ok(next.filter(|next| next.0 < terms.size))
}

/// Calls `each` with some records of a part, and returns where to continue.
pub(crate) fn part(
    source: &dyn Source,
    terms: &Terms,
    from: Seq,
    each: Each<'_>,
) -> Result<Option<Seq>, MakeError> {
    let (part, next) = source.part(&terms.scope, from).map_err(MakeError::Source)?;
    for (entry, bytes) in part.iter().take_while(|(entry, _)| entry.seq.0 < terms.size) {
        each(bytes, entry)?;
    }
    Ok(next.filter(|next| next.0 < terms.size))
}
