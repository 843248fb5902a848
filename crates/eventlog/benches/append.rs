//! What a log on disk costs: an append with its sync, a read, a check, an opening.
//!
//! The log is made below the target directory: in a file system in memory a sync costs nothing.

use std::{
    error::Error,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};
use eventlog::{
    Extra, Log, Seq,
    sled::{Options, SledLog},
};

/// Records in one append, as group commit makes them under load.
const GROUP: u64 = 256;
/// The bytes of a record: about those of a stored event.
const RECORD: usize = 250;
/// Records in the log that is read, checked and opened.
const STORED: u64 = 4_096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    append(&mut criterion, &dir.path().join("append"))?;
    stored(&mut criterion, &dir.path().join("stored"))?;
    criterion.final_summary();
    Ok(())
}

/// The records from that place on, and the two tiles that come with them.
fn group(first: Seq) -> (Vec<Vec<u8>>, [Extra; 2]) {
    let record = |place: u64| [&place.to_be_bytes()[..], &[0x5A; RECORD - 8]].concat();
    let tile = |half: u8| Extra {
        key: [&b"tile"[..], &first.get().to_be_bytes(), &[half]].concat(),
        value: vec![half; 4_096],
    };
    let records = (first.get()..).take(usize::try_from(GROUP).unwrap_or(0)).map(record);
    (records.collect(), [tile(0), tile(1)])
}

fn append(criterion: &mut Criterion, dir: &Path) -> Result<(), Box<dyn Error>> {
    let log = SledLog::open(&Options::new(dir))?;
    let mut group_of = criterion.benchmark_group("append");
    group_of.throughput(Throughput::Elements(GROUP));
    group_of.bench_function("256 records with two tiles", |timed| {
        timed.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let at = *log.length().borrow();
                let (records, extras) = group(at);
                let started = Instant::now();
                let appended = log.append(at, &records, &extras);
                spent += started.elapsed();
                assert!(appended.is_ok(), "{appended:?}");
            }
            spent
        });
    });
    group_of.finish();
    Ok(log.close()?)
}

fn stored(criterion: &mut Criterion, dir: &Path) -> Result<(), Box<dyn Error>> {
    let options = Options::new(dir);
    let log = SledLog::open(&options)?;
    for first in (0..STORED / GROUP).map(|number| Seq(number * GROUP)) {
        let (records, extras) = group(first);
        log.append(first, &records, &extras)?;
    }
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Elements(STORED));
    group.bench_function("read", |timed| {
        timed.iter(|| black_box(log.read(Seq(0), usize::MAX)));
    });
    group.bench_function("check", |timed| timed.iter(|| black_box(log.check(&mut |_| ()))));
    log.close()?;
    drop(log);
    group.bench_function("open", |timed| {
        timed.iter(|| {
            let opened = SledLog::open(&options);
            assert!(opened.is_ok(), "{opened:?}");
            opened
        });
    });
    group.finish();
    Ok(())
}
