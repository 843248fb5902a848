//! `keyledger fsck`: checks every byte of a stopped data directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use eventlog::{Log, Seq};
use ledger::{Clock as _, Journal, JournalOptions, Keyring, Ledger, Options, SystemClock};
use serde_json::json;

use crate::data_dir::stopped::{FixedClock, LogPrefix, StoppedDir, auditor};
use crate::exit::Exit;
use crate::options::Json;
use crate::print::{self, Progress};

/// Check every byte of a stopped data directory
#[derive(Args, Debug)]
#[command(after_help = "\
It checks every frame's checksum and the chain of hashes through them, decodes every record,
rebuilds the table of keys and the Merkle tree, and holds the tree against the stored tiles and
the last signed checkpoint. Exit code 1: something is wrong, and the message says where.

Examples:
  keyledger fsck --data ./keyledger-data
  keyledger fsck --json")]
pub(crate) struct Fsck {
    #[command(flatten)]
    directory: StoppedDir,
    #[command(flatten)]
    json: Json,
}

/// How many records one read takes.
const CHUNK: usize = 4_096;

pub(crate) fn run(options: &Fsck) -> Result<Exit> {
    let log = Arc::new(options.directory.open()?);
    let mut progress = Progress::new("frames checked, records:");
    let checked = log.check(&mut |seq| progress.at(seq.0))?;
    drop(progress);

    let keyring = options.directory.keyring()?;
    let kinds = decode_all(&*log, checked.records, &keyring)?;
    let mut progress = Progress::new("records applied:");
    // Read-only: whatever is wrong with the log, nothing is added to it.
    let prefix = Arc::new(LogPrefix::new(Arc::clone(&log), checked.records));
    let now = SystemClock::default().now();
    let signing = Some(Arc::new(options.directory.signing()?));
    let ledger_options = Options {
        clock: Arc::new(FixedClock(now)),
        keyring: Arc::clone(&keyring),
        signing,
        ..Options::default()
    };
    let ledger = Ledger::open(prefix, ledger_options, &mut |seq| progress.at(seq.0))?;
    drop(progress);
    let keys = ledger.stats().keys;
    let (_, digest) = ledger.table_digest(&auditor()?, None)?;
    let readings = check_journal(&options.directory, keyring).context("the access journal")?;

    let count = |kind| kinds.get(&kind).copied().unwrap_or(0);
    if options.json.json {
        let events: BTreeMap<_, _> =
            keys::EventKind::ALL.iter().map(|kind| (kind.as_str(), count(*kind))).collect();
        print::json(&json!({
            "ok": true,
            "records": checked.records.0,
            "frames": checked.frames,
            "extras": checked.extras,
            "last_frame": hex::encode(checked.hash.0),
            "events": events,
            "keys": keys,
            "table_digest": hex::encode(digest.as_bytes()),
            "readings": readings,
        }))?;
        return Ok(Exit::Fine);
    }
    let rows = [
        ("records", checked.records.0),
        ("frames", checked.frames),
        ("keys", keys),
        ("readings", readings),
    ];
    for (name, number) in rows {
        print::line(format!("{name:<12} {number}"))?;
    }
    for kind in keys::EventKind::ALL {
        print::line(format!("{:<12} {}", kind.as_str(), count(*kind)))?;
    }
    print::line(format!("{:<12} {}", "table digest", hex::encode(digest.as_bytes())))?;
    print::line("in order")?;
    Ok(Exit::Fine)
}

/// Decodes the records before `until`, and returns how many there are of each kind.
fn decode_all(
    log: &dyn Log,
    until: Seq,
    keyring: &Arc<Keyring>,
) -> Result<BTreeMap<keys::EventKind, u64>> {
    let mut progress = Progress::new("records decoded:");
    let mut kinds = BTreeMap::new();
    let mut at = Seq(0);
    while at < until {
        let read = log.read(at, CHUNK)?;
        let last = read.last().with_context(|| format!("there is no record {at}"))?.seq;
        for record in read {
            let seq = record.seq;
            let record = ledger::decode(&record.bytes, keyring)
                .with_context(|| format!("record {seq} is damaged"))?;
            *kinds.entry(record.event.kind()).or_insert(0) += 1;
        }
        at = last.next();
        progress.at(at.0);
    }
    Ok(kinds)
}

/// Checks the access journal and returns its number of entries.
fn check_journal(directory: &StoppedDir, keyring: Arc<Keyring>) -> Result<u64> {
    let Some((log, signing)) = directory.open_journal()? else { return Ok(0) };
    let log = Arc::new(log);
    let mut progress = Progress::new("frames of the access journal checked, entries:");
    let checked = log.check(&mut |seq| progress.at(seq.0))?;
    drop(progress);
    let prefix = Arc::new(LogPrefix::new(Arc::clone(&log), checked.records));
    let clock = Arc::new(FixedClock(SystemClock::default().now()));
    let options = JournalOptions { keyring, ..JournalOptions::default() };
    let journal = Journal::open(prefix, clock, Arc::new(signing), options)?;
    let (caller, mut next) = (auditor()?, Some(Seq(0)));
    while let Some(from) = next {
        next = journal.page(&caller, from, CHUNK)?.next;
    }
    Ok(checked.records.0)
}
