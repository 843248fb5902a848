//! `keyledger audit rotate-signing-key`: another key signs the log from now on.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use eventlog::Log as _;
use keys::Timestamp;
use ledger::{Ledger, Options, SignedRoot, TreeHead};
use serde_json::json;

use crate::data_dir::log_key;
use crate::data_dir::stopped::{FixedClock, LogPrefix, StoppedDir};
use crate::exit::Exit;
use crate::options::{Data, Json};
use crate::print::{self, Progress};
use crate::random;

/// Give a stopped log another key to sign with, which the present one names
#[derive(Args, Debug)]
#[command(after_help = "\
The present key and the new one both sign a note that says so: whoever trusts the present key can
follow. The log is checked first, and its last checkpoint is in the note. Tell your auditors; they
need not do anything.

Examples:
  keyledger audit rotate-signing-key --data ./keyledger-data")]
pub(crate) struct Rotate {
    #[command(flatten)]
    data: Data,
    /// The guard file, if it is not in the data directory
    #[arg(long, env = "KEYLEDGER_GUARD", value_name = "FILE")]
    guard: Option<PathBuf>,
    #[command(flatten)]
    json: Json,
}

pub(crate) fn run(options: &Rotate) -> Result<Exit> {
    let data = options.data.data.as_path();
    let directory = StoppedDir::new(options.data.clone(), options.guard.clone());
    // While the log is open here, no other process can sign.
    let log = Arc::new(directory.open()?);
    let signing = Arc::new(directory.signing()?);
    let mut progress = Progress::new("records checked:");
    let prefix = Arc::new(LogPrefix::new(Arc::clone(&log), *log.length().borrow()));
    let ledger_options = Options {
        clock: Arc::new(FixedClock(Timestamp::MIN)),
        keyring: directory.keyring()?,
        signing: Some(Arc::clone(&signing)),
        ..Options::default()
    };
    let ledger = Ledger::open(prefix, ledger_options, &mut |seq| progress.at(seq.0))?;
    drop(progress);
    let SignedRoot { size, root, .. } = ledger.checkpoint()?;
    let last = TreeHead { size, root };
    let seed = random::bytes()?;
    let next = signing.rotate(*seed, last)?;
    log_key::replace(data, &next)?;
    drop(log);
    let (old, new) = (signing.chain().newest().to_string(), next.chain().newest().to_string());
    if options.json.json {
        print::json(&json!({ "old": old, "new": new, "size": size }))?;
    } else {
        print::line(format!("old  {old}"))?;
        print::line(format!("new  {new}"))?;
        print::line("keep a copy of log.key; verifiers of the old key follow to the new one")?;
    }
    Ok(Exit::Fine)
}
