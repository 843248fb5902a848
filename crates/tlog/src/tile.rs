//! Tiles and their paths (c2sp.org/tlog-tiles, "Merkle Tree" and "Log entries").
//!
//! A tile is up to 256 consecutive hashes of one level of the tree. Level 0 holds leaf hashes;
//! each hash of a level above is the root of a full tile below.

use std::fmt;
use std::str::FromStr;

use crate::Hash;
use crate::text::parse_decimal;

/// The number of hashes in a full tile, and of entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// The place of a tile in the tree, and how many hashes of it are meant.
///
/// Holding one proves that it lies within a tree of fewer than 2^64 leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileIndex {
    level: u8,
    number: u64,
    width: u16,
}

impl TileIndex {
    /// The highest level that a tree of fewer than 2^64 leaves can have.
    pub const MAX_LEVEL: u8 = 7;

    /// The first `width` hashes of tile `number` (from 0) of `level`. `None` if the width is
    /// not 1 to 256, or no tree of fewer than 2^64 leaves has such a tile.
    #[must_use]
    pub fn new(level: u8, number: u64, width: u16) -> Option<TileIndex> {
        let room = 56_u8.checked_sub(level.checked_mul(8)?)?;
        let lawful = number >> room == 0 && (1..=TILE_WIDTH).contains(&width);
        lawful.then_some(TileIndex { level, number, width })
    }

    /// The whole tile `number` of `level`; `None` as for [`TileIndex::new`].
    #[must_use]
    pub fn full(level: u8, number: u64) -> Option<TileIndex> {
        TileIndex::new(level, number, TILE_WIDTH)
    }

    /// Tile `number` of `level` as wide as it is in a tree of `size` leaves; `None` if it is
    /// still empty there.
    #[must_use]
    pub fn at(level: u8, number: u64, size: u64) -> Option<TileIndex> {
        TileIndex::full(level, number)?;
        let hashes = (size >> (8 * level)).checked_sub(number << 8)?;
        TileIndex::new(level, number, u16::try_from(hashes).unwrap_or(TILE_WIDTH).min(TILE_WIDTH))
    }

    /// The level, 0 for leaf hashes.
    #[must_use]
    pub fn level(self) -> u8 {
        self.level
    }

    /// The place within the level, from 0.
    #[must_use]
    pub fn number(self) -> u64 {
        self.number
    }

    /// The number of hashes, 1 to 256.
    #[must_use]
    pub fn width(self) -> u16 {
        self.width
    }

    /// Whether this is the whole tile, which never changes again.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Whether a tree of `size` leaves has all these hashes. Serve no other.
    #[must_use]
    pub fn is_within(self, size: u64) -> bool {
        let end = (self.number << 8).checked_add(u64::from(self.width));
        end.is_some_and(|end| end <= size >> (8 * self.level))
    }

    /// The path of the tile of hashes, `tile/<L>/<N>[.p/<W>]`.
    #[must_use]
    pub fn path(self) -> String {
        TilePath::Hashes(self).to_string()
    }
}

/// A path under which a log serves a tile or a bundle of entries.
///
/// ```
/// use tlog::{TileIndex, TilePath};
///
/// let index = TileIndex::at(0, 1234, 316_000).expect("a tree of that size has the tile");
/// assert_eq!(index.width(), 96);
/// assert_eq!(index.path(), "tile/0/x001/234.p/96");
/// assert_eq!("tile/0/x001/234.p/96".parse(), Ok(TilePath::Hashes(index)));
/// assert!("tile/0/1234.p/96".parse::<TilePath>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TilePath {
    /// A tile of hashes, `tile/<L>/<N>[.p/<W>]`.
    Hashes(TileIndex),
    /// The entries whose leaf hashes are in this tile of level 0, `tile/entries/<N>[.p/<W>]`.
    Entries(TileIndex),
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = match self {
            TilePath::Hashes(index) => {
                write!(f, "tile/{}/", index.level)?;
                index
            }
            TilePath::Entries(index) => {
                f.write_str("tile/entries/")?;
                index
            }
        };
        let mut groups = Vec::new();
        let mut rest = index.number;
        while rest >= 1000 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        if groups.is_empty() {
            write!(f, "{rest:03}")?;
        } else {
            write!(f, "x{rest:03}")?;
        }
        for (left, group) in groups.iter().enumerate().rev() {
            write!(f, "/{}{group:03}", if left == 0 { "" } else { "x" })?;
        }
        if index.is_full() { Ok(()) } else { write!(f, ".p/{}", index.width) }
    }
}

impl FromStr for TilePath {
    type Err = TileError;

    /// Accepts exactly what [`TilePath`] prints.
    fn from_str(path: &str) -> Result<TilePath, TileError> {
        parse_path(path).filter(|parsed| parsed.to_string() == path).ok_or(TileError::Path)
    }
}

fn parse_path(path: &str) -> Option<TilePath> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => (number, u16::try_from(parse_decimal(width)?).ok()?),
        None => (rest, TILE_WIDTH),
    };
    let number = number.split('/').try_fold(0_u64, |number, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let lawful = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let group: u64 = if lawful { digits.parse().ok()? } else { return None };
        number.checked_mul(1000)?.checked_add(group)
    })?;
    if kind == "entries" {
        return TileIndex::new(0, number, width).map(TilePath::Entries);
    }
    let level = u8::try_from(parse_decimal(kind)?).ok()?;
    TileIndex::new(level, number, width).map(TilePath::Hashes)
}

/// Why bytes are not a tile, or a text not the path of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not the path of a tile of hashes or a bundle of entries.
    #[error("not the path of a tile")]
    Path,
    /// The bytes are not as many as the width says, 32 a hash.
    #[error("the tile has {found} bytes instead of {expected}")]
    Length {
        /// 32 times the width.
        expected: usize,
        /// What came.
        found: usize,
    },
}

/// Consecutive hashes of one level of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    index: TileIndex,
    bytes: Vec<u8>,
}

impl Tile {
    /// A tile from its bytes, 32 a hash.
    ///
    /// # Errors
    ///
    /// [`TileError::Length`] if the bytes are not as many as the index's width says.
    pub fn new(index: TileIndex, bytes: Vec<u8>) -> Result<Tile, TileError> {
        let expected = usize::from(index.width) * Hash::LEN;
        if bytes.len() == expected {
            Ok(Tile { index, bytes })
        } else {
            Err(TileError::Length { expected, found: bytes.len() })
        }
    }

    /// A tile from the two parts that [`Tile::halves`] made.
    ///
    /// # Errors
    ///
    /// As [`Tile::new`].
    pub fn from_halves(index: TileIndex, first: &[u8], second: &[u8]) -> Result<Tile, TileError> {
        Tile::new(index, [first, second].concat())
    }

    /// Where in the tree this is.
    #[must_use]
    pub fn index(&self) -> TileIndex {
        self.index
    }

    /// The hashes one after the other, 32 bytes each: what is served.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes in two equal parts: of a full tile 4,096 each, for a store that keeps no
    /// longer values.
    #[must_use]
    pub fn halves(&self) -> (&[u8], &[u8]) {
        let middle = self.bytes.len() / 2;
        self.bytes.split_at(middle)
    }

    /// The bytes alone, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The hashes in order.
    pub fn hashes(&self) -> impl DoubleEndedIterator<Item = Hash> + ExactSizeIterator + '_ {
        let (hashes, _) = self.bytes.as_chunks::<{ Hash::LEN }>();
        hashes.iter().copied().map(Hash)
    }

    /// The first `width` hashes as a tile: what the tile was when the tree was smaller.
    /// `None` if `width` is 0 or more than there are.
    #[must_use]
    pub fn prefix(&self, width: u16) -> Option<Tile> {
        let index = TileIndex::new(self.index.level, self.index.number, width)?;
        let bytes = self.bytes.get(..usize::from(width) * Hash::LEN)?.to_vec();
        Some(Tile { index, bytes })
    }
}

/// All tiles of hashes of a tree of `size` leaves, lowest level first, the partial tile last
/// in its level.
pub fn tiles_of(size: u64) -> impl Iterator<Item = TileIndex> {
    (0..=TileIndex::MAX_LEVEL).flat_map(move |level| {
        let tiles = (size >> (8 * level)).div_ceil(u64::from(TILE_WIDTH));
        (0..tiles).filter_map(move |number| TileIndex::at(level, number, size))
    })
}

/// All bundles of entries of a log of `size` entries, in order; see [`TilePath::Entries`].
pub fn bundles_of(size: u64) -> impl Iterator<Item = TileIndex> {
    let tiles = size.div_ceil(u64::from(TILE_WIDTH));
    (0..tiles).filter_map(move |number| TileIndex::at(0, number, size))
}
