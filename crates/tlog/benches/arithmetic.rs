//! What the arithmetic of a log costs: a leaf, a copy of the edge, a proof, a checkpoint.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use tlog::note::Signer;
use tlog::{Checkpoint, Frontier, Prover, RightEdge, Tile, TileIndex, leaf_hash};

/// The size of the tree in which proofs are made.
const ENTRIES: u64 = 20_000;
/// The bytes of an entry: about those of a stored record.
const ENTRY: usize = 300;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    grow(&mut criterion);
    prove(&mut criterion);
    sign(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Entry `i`, made in place so that making it costs nothing.
fn entry(buffer: &mut [u8; ENTRY], i: u64) -> &[u8] {
    if let Some(number) = buffer.first_chunk_mut() {
        *number = i.to_be_bytes();
    }
    buffer
}

/// A tree, and the tiles that it completed.
fn tree() -> (RightEdge, HashMap<TileIndex, Tile>) {
    let mut buffer = [0; ENTRY];
    let mut edge = RightEdge::new();
    let mut stored = HashMap::new();
    for i in 0..ENTRIES {
        let completed = edge.push(leaf_hash(entry(&mut buffer, i)));
        stored.extend(completed.into_iter().map(|tile| (tile.index(), tile)));
    }
    (edge, stored)
}

fn grow(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("grow");
    let mut buffer = [0; ENTRY];
    let mut frontier = Frontier::new();
    group.bench_function("leaf of 300 bytes, frontier", |timed| {
        timed.iter(|| frontier.push(leaf_hash(entry(&mut buffer, frontier.size()))));
    });
    let mut edge = RightEdge::new();
    group.bench_function("leaf of 300 bytes, edge and tiles", |timed| {
        timed.iter(|| edge.push(leaf_hash(entry(&mut buffer, edge.size()))));
    });
    let (edge, _) = tree();
    group.bench_function("copy of the edge", |timed| timed.iter(|| black_box(edge.clone())));
    group.finish();
}

fn prove(criterion: &mut Criterion) {
    let (edge, stored) = tree();
    let log = edge.over(|index| Ok::<_, Infallible>(stored.get(&index).cloned()));
    let mut group = criterion.benchmark_group("prove");
    let mut index = 0;
    group.bench_function("inclusion, each alone, all over", |timed| {
        timed.iter(|| {
            index = (index + 397) % ENTRIES;
            Prover::new(&log, ENTRIES).inclusion(index)
        });
    });
    let mut prover = Prover::new(&log, ENTRIES);
    group.bench_function("inclusion, a batch of the newest", |timed| {
        timed.iter(|| {
            index = (index + 1) % 256;
            prover.inclusion(ENTRIES - 1 - index)
        });
    });
    group.finish();
}

fn sign(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let (edge, _) = tree();
    let signer = Signer::from_seed("ledger.example.com/apikeys", &[7; 32])?;
    let checkpoint = Checkpoint::new(signer.name(), edge.size(), edge.root())?;
    let message = checkpoint.sign(&signer)?;
    let mut group = criterion.benchmark_group("checkpoint");
    group.bench_function("sign", |timed| timed.iter(|| black_box(&checkpoint).sign(&signer)));
    group.bench_function("open", |timed| {
        timed.iter(|| Checkpoint::open(black_box(message.as_bytes()), signer.verifier_key()));
    });
    group.finish();
    Ok(())
}
