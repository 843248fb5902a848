//! The Merkle tree over the log: grown in the same step as the log, its full tiles kept beside it.
//!
//! Recovery is the live path: a replay pushes the same leaves, and holds the tiles they make
//! against the stored ones, and the root against the last checkpoint that was sealed.

use std::sync::Arc;

use eventlog::{Extra, Log, Seq};
use tlog::{Hash, RightEdge, Tile, TileIndex, TileReader};

use crate::record::Leaf;

/// Why the log is not the one that was recorded. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TreeError {
    /// A record is another one than the tile of hashes says that was written with it.
    #[error(
        "record {seq} is not the one that was recorded: its hash is not the one in {path}; {}",
        RESTORE
    )]
    Record {
        /// The first such record.
        seq: Seq,
        /// The tile.
        path: String,
    },
    /// A stored tile of a higher level is not what the records make it.
    #[error("{path} is not what the records make it; {}", RESTORE)]
    Tile {
        /// The tile.
        path: String,
    },
    /// A tile is missing that was written with the records.
    #[error("{path} is missing, which was written with record {seq}; {}", RESTORE)]
    Missing {
        /// The record that completed it.
        seq: Seq,
        /// The tile.
        path: String,
    },
    /// There are fewer records than the log once signed for.
    #[error(
        "the log has {length} records, and its last signed checkpoint says {sealed}: record \
         {length} and what followed are lost; {}",
        RESTORE
    )]
    Shorter {
        /// What there is.
        length: Seq,
        /// What was signed for.
        sealed: u64,
    },
    /// The records are not those that the log signed for.
    #[error(
        "records 0 to {} are not those of the log's last signed checkpoint; {}",
        .sealed.saturating_sub(1),
        RESTORE
    )]
    Root {
        /// The size of the checkpoint.
        sealed: u64,
    },
    /// The guard's checkpoint is none, or is none of this log.
    #[error("the guard holds no checkpoint that this log's key signed; {}", RESTORE)]
    Seal,
    /// The tiles could not be read.
    #[error("the tiles of the log cannot be read")]
    Read(#[from] eventlog::ReadError),
}

/// What every refusal of evidence says in the end.
const RESTORE: &str = "restore the data directory from a backup, or start once with \
                       --accept-rollback, which begins a new origin that names this one";

/// The key of the extra that holds half of a full tile.
fn extra_key(index: TileIndex, half: u8) -> Vec<u8> {
    let mut key = b"tile".to_vec();
    key.push(index.level());
    key.extend_from_slice(&index.number().to_be_bytes());
    key.push(half);
    key
}

/// The two extras of a full tile: a value may not be as long as a whole one.
pub(crate) fn extras_of(tile: &Tile) -> [Extra; 2] {
    let (first, second) = tile.halves();
    [
        Extra { key: extra_key(tile.index(), 0), value: first.to_vec() },
        Extra { key: extra_key(tile.index(), 1), value: second.to_vec() },
    ]
}

/// The edge after these leaves, and the tiles that they complete, to be stored with the records.
pub(crate) fn grow(
    edge: &RightEdge,
    leaves: impl Iterator<Item = Leaf>,
) -> (Arc<RightEdge>, Vec<Extra>) {
    let mut edge = edge.clone();
    let mut extras = Vec::new();
    for leaf in leaves {
        for tile in edge.push(Hash(leaf.0)) {
            extras.extend(extras_of(&tile));
        }
    }
    (Arc::new(edge), extras)
}

/// The full tiles that a log keeps beside its records.
pub(crate) struct Stored<'l>(pub(crate) &'l dyn Log);

impl TileReader for Stored<'_> {
    type Error = eventlog::ReadError;

    fn tile(&self, index: TileIndex) -> Result<Option<Tile>, eventlog::ReadError> {
        let Some(full) = TileIndex::full(index.level(), index.number()) else { return Ok(None) };
        let (first, second) =
            (self.0.extra(&extra_key(full, 0))?, self.0.extra(&extra_key(full, 1))?);
        let (Some(first), Some(second)) = (first, second) else { return Ok(None) };
        let tile = Tile::from_halves(full, &first, &second).ok();
        Ok(tile.and_then(|tile| tile.prefix(index.width())))
    }
}

/// What a replay does with tiles that are missing or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Refuses the log.
    Refuse,
    /// Makes them again: an operator accepted the log as it is.
    Mend,
}

/// A tree being made again from the records of a log.
pub(crate) struct Regrowth<'l> {
    edge: RightEdge,
    log: &'l dyn Log,
    wrong: Wrong,
    /// Size and root that must come by.
    expected: Option<(u64, Hash)>,
    /// The tiles to be written again.
    mended: Vec<Extra>,
}

impl<'l> Regrowth<'l> {
    /// Goes on from `edge`. `expected` is the size and root of a checkpoint that was signed.
    pub(crate) fn new(
        edge: RightEdge,
        log: &'l dyn Log,
        wrong: Wrong,
        expected: Option<(u64, Hash)>,
    ) -> Result<Regrowth<'l>, TreeError> {
        let regrowth = Regrowth { edge, log, wrong, expected, mended: Vec::new() };
        regrowth.compare_root()?;
        Ok(regrowth)
    }

    /// Adds the leaf of the next record.
    pub(crate) fn push(&mut self, leaf: Leaf) -> Result<(), TreeError> {
        for tile in self.edge.push(Hash(leaf.0)) {
            let found = Stored(self.log).tile(tile.index())?;
            if found.as_ref() == Some(&tile) {
                continue;
            }
            match self.wrong {
                Wrong::Refuse => return Err(self.wrong_tile(&tile, found.as_ref())),
                Wrong::Mend => self.mended.extend(extras_of(&tile)),
            }
        }
        self.compare_root()
    }

    fn compare_root(&self) -> Result<(), TreeError> {
        match self.expected {
            Some((sealed, root)) if sealed == self.edge.size() && root != self.edge.root() => {
                Err(TreeError::Root { sealed })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn wrong_tile(&self, made: &Tile, found: Option<&Tile>) -> TreeError {
        let path = made.index().path();
        let Some(found) = found else {
            let seq = Seq(self.edge.size().saturating_sub(1));
            return TreeError::Missing { seq, path };
        };
        let differs = made.hashes().zip(found.hashes()).position(|(made, found)| made != found);
        match differs {
            Some(place) if made.index().level() == 0 => {
                let first = made.index().number() << 8;
                TreeError::Record { seq: Seq(first + place as u64), path }
            }
            Some(_) | None => TreeError::Tile { path },
        }
    }

    /// The edge, and the tiles that have to be written again.
    pub(crate) fn finish(self) -> Result<(Arc<RightEdge>, Vec<Extra>), TreeError> {
        match self.expected {
            Some((sealed, _)) if sealed > self.edge.size() => {
                Err(TreeError::Shorter { length: Seq(self.edge.size()), sealed })
            }
            Some(_) | None => Ok((Arc::new(self.edge), self.mended)),
        }
    }
}
