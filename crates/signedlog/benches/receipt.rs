//! What a receipt costs: of one of the newest records, of which the tree in memory holds all that
//! it needs, beside one of an old record, whose tiles are read from the log; and what the tail that
//! neighbours share saves.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use eventlog::memory::MemoryLog;
use signedlog::{Mismatch, ReplayError, Seq, SignedLog, Signing};

/// Enough for tiles of two levels.
const RECORDS: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    receipt(&mut criterion, &log()?)?;
    criterion.final_summary();
    Ok(())
}

fn log() -> Result<SignedLog, Box<dyn Error>> {
    let key = Arc::new(Signing::new("example.com/bench", [7; 32])?);
    let stored = Arc::new(MemoryLog::new());
    let decode = |_: &_| Ok::<_, ReplayError>(());
    let log = SignedLog::open(stored, Some(key), Mismatch::Refuse, decode, drop)?;
    let records: Vec<_> = (0..RECORDS).map(|number| number.to_be_bytes().to_vec()).collect();
    log.append(Seq(0), &records)?;
    Ok(log)
}

fn receipt(criterion: &mut Criterion, log: &SignedLog) -> Result<(), Box<dyn Error>> {
    let head = log.head();
    let mut group = criterion.benchmark_group("receipt");
    let (newest, old) = (Seq(RECORDS - 1), Seq(RECORDS / 2));
    group.bench_function("of the newest record", |timed| {
        timed.iter(|| head.receipt(black_box(newest)));
    });
    group.bench_function("of an old record", |timed| {
        timed.iter(|| head.receipt(black_box(old)));
    });
    let made = head.receipt(newest)?;
    let mut text = Vec::new();
    group.bench_function("text with the shared tail, quoted once", |timed| {
        timed.iter(|| {
            text.clear();
            made.push_beginning(&mut text, "\\n");
            text.extend_from_slice(made.tail().quoted(quote).as_bytes());
            black_box(text.len())
        });
    });
    group.bench_function("text quoted each time", |timed| {
        timed.iter(|| quote(&made.to_string()).len());
    });
    group.finish();
    Ok(())
}

/// As a JSON string has it.
fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
