//! How fast the log's arithmetic is on this machine: `cargo run --release -p tlog --example speed`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use tlog::note::Signer;
use tlog::{Checkpoint, Frontier, Prover, RightEdge, Tile, TileIndex, inclusion_proof, leaf_hash};

const ENTRIES: u64 = 2_000_000;
const SIGNATURES: u64 = 20_000;
const PROOFS: u64 = 5_000;
/// The length of an entry in bytes: about that of a stored record.
const ENTRY: usize = 300;

#[expect(clippy::print_stdout, reason = "an example's result is what it prints")]
fn report(what: &str, count: u64, start: Instant) {
    let rate = u128::from(count) * 1_000_000_000 / start.elapsed().as_nanos().max(1);
    println!("{what:<42} {rate:>10} a second");
}

/// Entry `i`, made in place so that making it costs nothing.
fn entry(buffer: &mut [u8; ENTRY], i: u64) -> &[u8] {
    if let Some(number) = buffer.first_chunk_mut() {
        *number = i.to_be_bytes();
    }
    buffer
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut buffer = [0; ENTRY];
    let start = Instant::now();
    let mut frontier = Frontier::new();
    for i in 0..ENTRIES {
        frontier.push(leaf_hash(entry(&mut buffer, i)));
    }
    report("leaf hashes of 300 bytes + frontier", ENTRIES, start);

    let start = Instant::now();
    let mut edge = RightEdge::new();
    let mut stored: HashMap<TileIndex, Tile> = HashMap::new();
    for i in 0..ENTRIES {
        let completed = edge.push(leaf_hash(entry(&mut buffer, i)));
        stored.extend(completed.into_iter().map(|tile| (tile.index(), tile)));
    }
    report("leaf hashes of 300 bytes + edge and tiles", ENTRIES, start);

    let start = Instant::now();
    for _ in 0..PROOFS {
        black_box(edge.clone());
    }
    report("copies of the edge", PROOFS, start);

    let read = |index| Ok::<_, Infallible>(stored.get(&index).cloned());
    let start = Instant::now();
    black_box(RightEdge::recover(ENTRIES / 256, &read)?);
    report("recoveries of the edge from tiles", 1, start);

    let log = edge.over(read);
    let start = Instant::now();
    for i in 0..PROOFS {
        black_box(inclusion_proof(&log, i * 397, ENTRIES)?);
    }
    report("inclusion proofs, each alone, all over", PROOFS, start);

    let start = Instant::now();
    let mut prover = Prover::new(&log, ENTRIES);
    for i in 0..PROOFS {
        black_box(prover.inclusion(ENTRIES - 1 - i % 256)?);
    }
    report("inclusion proofs, a batch of the newest", PROOFS, start);

    let signer = Signer::from_seed("ledger.example.com/apikeys", &[7; 32])?;
    let mut message = String::new();
    let start = Instant::now();
    for size in 0..SIGNATURES {
        let checkpoint = Checkpoint::new(signer.name(), size, edge.root())?;
        message = black_box(checkpoint.sign(&signer)?);
    }
    report("checkpoints signed, root included", SIGNATURES, start);

    let start = Instant::now();
    for _ in 0..SIGNATURES {
        black_box(Checkpoint::open(message.as_bytes(), signer.verifier_key())?);
    }
    report("checkpoints verified", SIGNATURES, start);
    Ok(())
}
