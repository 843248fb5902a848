//! Tiles, their paths, the edge of a growing tree, bundles.

use std::collections::BTreeMap;
use std::convert::Infallible;

use tlog::entries::{self, BundleError};
use tlog::{
    Frontier, ProveError, RightEdge, Tile, TileIndex, TilePath, TileReader as _, bundles_of,
    tiles_of,
};

use crate::samples::{entry, leaf, root_at, tree};

type Store = BTreeMap<TileIndex, Tile>;

fn reader(store: &Store) -> impl Fn(TileIndex) -> Result<Option<Tile>, Infallible> {
    |index| {
        assert!(index.is_full(), "only full tiles are stored");
        Ok(store.get(&index).cloned())
    }
}

/// A log of this size: the edge in memory and the store of completed tiles.
fn grown(size: u64) -> (RightEdge, Store) {
    let (mut edge, mut store) = (RightEdge::new(), Store::new());
    for i in 0..size {
        store.extend(edge.push(leaf(i)).into_iter().map(|tile| (tile.index(), tile)));
    }
    (edge, store)
}

#[test]
fn a_tree_of_70000_has_the_tiles_of_the_specification() {
    let tiles: Vec<TileIndex> = tiles_of(70_000).collect();
    let of = |level| tiles.iter().filter(move |tile| tile.level() == level);
    let full = |level| of(level).filter(|tile| tile.is_full()).count();
    let partial = |level| of(level).find(|tile| !tile.is_full()).map(|tile| tile.width());
    assert_eq!((full(0), partial(0)), (273, Some(112)));
    assert_eq!((full(1), partial(1)), (1, Some(17)));
    assert_eq!((full(2), partial(2)), (0, Some(1)));
    assert_eq!(tiles.len(), 277);
    let paths: Vec<String> = tiles_of(256).map(TileIndex::path).collect();
    assert_eq!(paths, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(tiles_of(0).count(), 0);
    assert_eq!(bundles_of(70_000).count(), 274);
    assert_eq!(tiles_of(u64::MAX).next(), TileIndex::full(0, 0));
}

#[test]
fn paths_are_those_of_the_specification() {
    let path = |level, number, width| {
        TileIndex::new(level, number, width).map(TileIndex::path).unwrap_or_default()
    };
    assert_eq!(path(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(path(1, 0, 256), "tile/1/000");
    assert_eq!(path(2, 999, 1), "tile/2/999.p/1");
    assert_eq!(path(0, 1000, 255), "tile/0/x001/000.p/255");
    assert_eq!(path(7, 0, 255), "tile/7/000.p/255");
    assert_eq!([path(8, 0, 1), path(7, 1, 1), path(0, 0, 0), path(0, 0, 257)], [""; 4]);
    assert_eq!(path(0, 1 << 56, 1), "");
    let entries = TilePath::Entries(TileIndex::new(0, 1_234_067, 3).unwrap());
    assert_eq!(entries.to_string(), "tile/entries/x001/x234/067.p/3");
}

#[test]
fn a_tile_has_one_path() {
    for good in ["tile/0/000", "tile/7/000.p/9", "tile/entries/x001/000", "tile/entries/007.p/9"] {
        assert_eq!(good.parse::<TilePath>().map(|path| path.to_string()), Ok(good.to_owned()));
    }
    for bad in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/+1/000",
        "tile/8/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x001/x000",
        "tile/0/000/",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/1/2",
        "tile/0/000.p/1.p/1",
        "tile/data/000",
        "tile/0/-01",
        "tile/0/x072/x057/x594/x037/x927/936",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/é00",
        "tile/0/xé0/000",
        "tile/0/+12",
    ] {
        assert!(bad.parse::<TilePath>().is_err(), "{bad}");
    }
}

#[test]
fn nothing_beyond_the_size_is_within_a_tree() {
    let index = |level, number, width| TileIndex::new(level, number, width).unwrap();
    assert!(index(0, 1, 44).is_within(300));
    assert!(!index(0, 1, 45).is_within(300));
    assert!(!index(0, 1, 256).is_within(300));
    assert!(index(0, 0, 3).is_within(300));
    assert!(index(1, 0, 1).is_within(300));
    assert!(!index(1, 0, 2).is_within(300));
    assert!(!index(2, 0, 1).is_within(300));
    assert!(!index(0, (1 << 56) - 1, 256).is_within(u64::MAX));
    assert!(index(0, (1 << 56) - 1, 255).is_within(u64::MAX));
    for size in [0, 1, 255, 256, 257, 70_000] {
        assert!(tiles_of(size).all(|tile| tile.is_within(size)));
    }
}

#[test]
fn completed_tiles_and_the_edge_are_all_tiles_of_the_tree() {
    let (edge, store) = grown(70_000);
    assert_eq!(store.len(), 274);
    assert!(store.values().all(|tile| tile.bytes().len() == 8192));
    for index in tiles_of(70_000) {
        let tile = store.get(&index).cloned().or_else(|| edge.tile(index)).unwrap();
        assert_eq!(store.contains_key(&index), index.is_full());
        let span = 1 << (8 * index.level());
        let mut first = (index.number() << 8) * span;
        for hash in tile.hashes() {
            let leaves: Frontier = (first..first + span).map(leaf).collect();
            assert_eq!(hash, leaves.root(), "{index:?}");
            first += span;
        }
    }
}

#[test]
fn a_tile_in_two_halves_is_the_tile() {
    let (_, store) = grown(256);
    let tile = store.values().next().unwrap();
    let (first, second) = tile.halves();
    assert_eq!((first.len(), second.len()), (4096, 4096));
    assert_eq!(Tile::from_halves(tile.index(), first, second).as_ref(), Ok(tile));
    assert!(Tile::from_halves(tile.index(), first, &second[1..]).is_err());
    assert!(Tile::new(tile.index(), Vec::new()).is_err());
    assert_eq!(tile.prefix(0), None);
    assert_eq!(tile.prefix(257), None);
    assert_eq!(tile.prefix(3).unwrap().bytes(), &tile.bytes()[..96]);
    assert_eq!(tile.prefix(3).unwrap().prefix(4), None);
}

#[test]
fn proofs_over_edge_and_store_are_those_of_the_whole_tree_at_any_size() {
    let (edge, store) = grown(66_000);
    let whole = tree(66_000);
    let log = edge.over(reader(&store));
    for size in (0..=66_000).step_by(613).chain([255, 256, 257, 65_535, 65_536, 65_537, 66_000]) {
        assert_eq!(root_at(&log, size).unwrap(), root_at(&whole, size).unwrap(), "{size}");
    }
    assert_eq!(root_at(&log, 66_000).unwrap(), edge.root());
    let beyond = root_at(&log, 66_001).unwrap_err();
    assert!(matches!(beyond, ProveError::Missing(index) if !index.is_within(66_000)));
}

#[test]
fn a_tile_stored_ahead_of_the_edge_is_not_read() {
    let (edge, _) = grown(255);
    let (_, ahead) = grown(256);
    let log = edge.over(reader(&ahead));
    let full = TileIndex::full(0, 0).unwrap();
    assert_eq!(log.tile(full).unwrap(), None);
    let error = root_at(&log, 256).unwrap_err();
    assert!(matches!(error, ProveError::Missing(_)), "{error}");
}

#[test]
fn a_prover_takes_a_wider_tile_and_no_narrower_or_other_one() {
    let (_, store) = grown(512);
    let give = |number, width| {
        let tile = store.get(&TileIndex::full(0, number).unwrap()).unwrap().prefix(width);
        move |_| Ok::<_, Infallible>(tile.clone())
    };
    let root = root_at(&tree(100), 100).unwrap();
    for width in [100, 101, 256] {
        assert_eq!(root_at(&give(0, width), 100).unwrap(), root);
    }
    for (number, width) in [(0, 99), (0, 1), (1, 100), (1, 256)] {
        let error = root_at(&give(number, width), 100).unwrap_err();
        let missing = TileIndex::new(0, 0, 100).unwrap();
        assert!(matches!(error, ProveError::Missing(index) if index == missing), "{error}");
    }
}

#[test]
fn a_bundle_holds_the_entries_byte_for_byte() {
    let all: Vec<String> = (0..256).map(entry).collect();
    let bundle = entries::encode(&all).unwrap();
    assert_eq!(bundle[..2], [0, 41]);
    let decoded = entries::decode(&bundle).unwrap();
    assert!(decoded.iter().zip(&all).all(|(found, entry)| *found == entry.as_bytes()));
    assert_eq!(decoded.len(), 256);
    assert_eq!(entries::encode([vec![0; 65_535]]).map(|bundle| bundle.len()), Ok(65_537));
    assert_eq!(entries::encode([vec![0; 65_536]]), Err(BundleError::TooLong(65_536)));
    assert_eq!(entries::encode([b""; 257]), Err(BundleError::Count));
    assert_eq!(entries::encode::<[&[u8]; 0]>([]), Err(BundleError::Count));
    assert_eq!(entries::decode(&[]), Err(BundleError::Count));
    assert_eq!(entries::decode(&[0; 2 * 257]), Err(BundleError::Count));
    assert_eq!(entries::decode(&[0; 2 * 256]).map(|entries| entries.len()), Ok(256));
    for cut in 1..43 {
        assert_eq!(entries::decode(&bundle[..cut]), Err(BundleError::Truncated), "{cut}");
    }
}
