//! Full tiles of hashes, kept beside the records: written in the same step as the record that
//! completes them.

use std::sync::Arc;

use eventlog::{Extra, Log, ReadError};
use tlog::{RightEdge, Tile, TileIndex, TileReader};

use crate::tree::Leaf;

/// The key of the extra that holds half of a full tile.
fn extra_key(index: TileIndex, half: u8) -> Vec<u8> {
    let mut key = b"tile".to_vec();
    key.push(index.level());
    key.extend_from_slice(&index.number().to_be_bytes());
    key.push(half);
    key
}

/// The two extras of a full tile: the value of an extra may not be as long as a whole tile.
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
        for tile in edge.push(leaf.into()) {
            extras.extend(extras_of(&tile));
        }
    }
    (Arc::new(edge), extras)
}

/// Reads the full tiles that a log keeps beside its records.
pub(crate) struct StoredTiles<'l>(pub(crate) &'l dyn Log);

impl TileReader for StoredTiles<'_> {
    type Error = ReadError;

    fn tile(&self, index: TileIndex) -> Result<Option<Tile>, ReadError> {
        let Some(full) = TileIndex::full(index.level(), index.number()) else { return Ok(None) };
        let (first, second) =
            (self.0.extra(&extra_key(full, 0))?, self.0.extra(&extra_key(full, 1))?);
        let (Some(first), Some(second)) = (first, second) else { return Ok(None) };
        let tile = Tile::from_halves(full, &first, &second).ok();
        Ok(tile.and_then(|tile| tile.prefix(index.width())))
    }
}
