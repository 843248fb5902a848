//! How fast a log takes and gives records: `cargo run -p eventlog --release --example append`.

use std::{error::Error, time::Instant};

use eventlog::{
    Extra, Log, Seq, check,
    sled::{Options, SledLog},
};

const RECORDS: u64 = 1_000_000;
const GROUP: usize = 256;
const READ: usize = 4_096;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir_in(std::env::args().nth(1).unwrap_or_else(|| ".".into()))?;
    let log = SledLog::open(&Options::new(dir.path().join("data")))?;
    let mut record = vec![0x5A; 250];
    let started = Instant::now();
    let mut at = Seq(0);
    while at.get() < RECORDS {
        let records: Vec<Vec<u8>> = (at.get()..)
            .take(GROUP)
            .map(|n| {
                record.splice(..8, n.to_be_bytes());
                record.clone()
            })
            .collect();
        let tile = |half: u8| Extra {
            key: [&b"tile"[..], &at.get().to_be_bytes(), &[half]].concat(),
            value: vec![half; 4_096],
        };
        log.append(at, &records, &[tile(0), tile(1)])?;
        at = *log.length().borrow();
    }
    report("append", at, started);

    let started = Instant::now();
    let mut at = Seq(0);
    loop {
        let records = log.read(at, READ)?;
        let Some(last) = records.last() else { break };
        at = last.seq.next();
    }
    report("read", at, started);

    let started = Instant::now();
    let checked = check(&log, &mut |_| ())?;
    report("check", checked.records, started);

    log.close()?;
    drop(log);
    let started = Instant::now();
    let log = SledLog::open(&Options::new(dir.path().join("data")))?;
    report("open", *log.length().borrow(), started);
    Ok(())
}

fn report(what: &str, records: Seq, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let records = u32::try_from(records.get()).map_or(f64::NAN, f64::from);
    let rate = records / seconds;
    // The one thing this program is for.
    eprintln!("{what:>8}: {records} records in {seconds:.2} s, {rate:.0} a second");
}
