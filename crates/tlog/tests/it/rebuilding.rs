//! The verifier that makes the tree again from all entries, and forgeries it must refuse.

use std::collections::BTreeMap;
use std::convert::Infallible;

use tlog::{
    Hash, Rebuild, RebuildError, RightEdge, Tile, TileIndex, leaf_hash, tiles_of, verify_inclusion,
};

use crate::samples::{entry, inclusion_proof, leaf, root_at, tree};

/// A log as an auditor gets it: all tiles, partial ones too, and all entries.
#[derive(Clone)]
struct Export {
    entries: Vec<Vec<u8>>,
    tiles: BTreeMap<TileIndex, Tile>,
}

impl Export {
    fn of(size: u64) -> Export {
        Export::with((0..size).map(|i| entry(i).into_bytes()).collect())
    }

    /// A log of these entries with the tiles that they make.
    fn with(entries: Vec<Vec<u8>>) -> Export {
        let mut edge = RightEdge::new();
        let mut tiles = BTreeMap::new();
        for entry in &entries {
            let completed = edge.push(leaf_hash(entry));
            tiles.extend(completed.into_iter().map(|tile| (tile.index(), tile)));
        }
        for index in tiles_of(edge.size()).filter(|index| !index.is_full()) {
            tiles.insert(index, edge.tile(index).unwrap());
        }
        Export { entries, tiles }
    }

    fn reader(&self) -> impl Fn(TileIndex) -> Result<Option<Tile>, Infallible> {
        |index| Ok(self.tiles.get(&index).cloned())
    }

    fn check(&self, size: u64, root: &Hash) -> Result<RightEdge, RebuildError<Infallible>> {
        let reader = self.reader();
        let mut rebuild = Rebuild::new(&reader);
        for entry in &self.entries {
            rebuild.push(entry)?;
        }
        rebuild.finish(size, root)
    }
}

fn index(level: u8, number: u64, width: u16) -> TileIndex {
    TileIndex::new(level, number, width).unwrap()
}

#[test]
fn an_honest_log_is_accepted() {
    for size in [0, 1, 255, 256, 257, 600] {
        let root = root_at(&tree(size), size).unwrap();
        let edge = Export::of(size).check(size, &root).unwrap();
        assert_eq!((edge.size(), edge.root()), (size, root));
    }
}

/// A reader that checks an entry against the tile above it, and that tile against nothing,
/// takes this one (CVE-2026-56865).
#[test]
fn a_forged_entry_with_a_matching_forged_tile_is_refused() {
    let honest = Export::of(600);
    let root = root_at(&honest.reader(), 600).unwrap();
    let mut entries = honest.entries.clone();
    entries[5] = entry(5).replace("created", "revoked").into_bytes();
    let forgery = Export::with(entries.clone());

    // The entry and the tile over it are forged to match; the tiles above are honest, so the
    // root read from the tiles is the signed one.
    let mut forged = Export { entries, ..honest.clone() };
    forged.tiles.insert(index(0, 0, 256), forgery.tiles[&index(0, 0, 256)].clone());
    assert_eq!(
        forged.tiles[&index(0, 0, 256)].hashes().nth(5),
        Some(leaf_hash(&forged.entries[5]))
    );
    assert_eq!(root_at(&forged.reader(), 600).unwrap(), root);
    let error = forged.check(600, &root).unwrap_err();
    assert!(matches!(error, RebuildError::Tile(tile) if tile == index(1, 0, 2)), "{error}");
    let proof = inclusion_proof(&forged.reader(), 5, 600).unwrap();
    assert!(verify_inclusion(&leaf_hash(&forged.entries[5]), 5, 600, &proof, &root).is_err());

    // Every tile above is forged to match as well.
    let error = forgery.check(600, &root).unwrap_err();
    assert!(matches!(error, RebuildError::Root { size: 600 }), "{error}");

    // There are no partial tiles to compare with: the root alone tells.
    forged.tiles.retain(|index, _| index.is_full());
    let error = forged.check(600, &root).unwrap_err();
    assert!(matches!(error, RebuildError::Root { size: 600 }), "{error}");
}

#[test]
fn a_forged_last_entry_with_a_matching_partial_tile_is_refused() {
    let honest = Export::of(300);
    let root = root_at(&honest.reader(), 300).unwrap();
    let mut entries = honest.entries;
    entries[299] = b"forged".to_vec();
    let error = Export::with(entries).check(300, &root).unwrap_err();
    assert!(matches!(error, RebuildError::Root { size: 300 }), "{error}");
}

#[test]
fn a_missing_an_added_and_a_swapped_entry_are_refused() {
    let honest = Export::of(300);
    let root = root_at(&honest.reader(), 300).unwrap();
    let mut fewer = honest.clone();
    fewer.entries.pop();
    let error = fewer.check(300, &root).unwrap_err();
    assert!(matches!(error, RebuildError::Size { expected: 300, found: 299 }), "{error}");
    let mut more = honest.clone();
    more.entries.push(b"one more".to_vec());
    assert!(matches!(more.check(300, &root), Err(RebuildError::Size { found: 301, .. })));
    let mut swapped = honest.clone();
    swapped.entries.swap(298, 299);
    assert!(matches!(swapped.check(300, &root), Err(RebuildError::Tile(_))));
    let mut bare = honest;
    bare.tiles.remove(&index(0, 0, 256));
    assert!(matches!(bare.check(300, &root), Err(RebuildError::Read(_))));
}

#[test]
fn every_changed_byte_of_a_tile_is_refused() {
    let honest = Export::of(300);
    let root = root_at(&honest.reader(), 300).unwrap();
    for (index, tile) in &honest.tiles {
        for place in 0..tile.bytes().len() {
            let mut bytes = tile.bytes().to_vec();
            bytes[place] ^= 1 << (place % 8);
            let changed = Tile::new(*index, bytes).unwrap();
            let reader = |wanted: TileIndex| {
                let tile =
                    if wanted == *index { Some(&changed) } else { honest.tiles.get(&wanted) };
                Ok::<_, Infallible>(tile.cloned())
            };
            // Each proof that the changed tile goes into is refused; the others are the same.
            let leaf_index = (place as u64 / 32 + 256 * index.number()) ^ 1;
            let proof = inclusion_proof(&reader, leaf_index, 300).unwrap();
            let verdict = verify_inclusion(&leaf(leaf_index), leaf_index, 300, &proof, &root);
            assert!(verdict.is_err() || index.level() > 0, "{index:?} {place}");
            if place % 61 == 0 || index.level() > 0 || index.number() > 0 {
                let mut rebuild = Rebuild::new(&reader);
                let pushed = honest.entries.iter().try_for_each(|entry| rebuild.push(entry));
                let verdict = pushed.and_then(|()| rebuild.finish(300, &root).map(|_| ()));
                assert!(matches!(verdict, Err(RebuildError::Tile(bad)) if bad == *index));
            }
        }
    }
}
