//! `keyledger replay`: rebuilds the table of keys from a stopped data directory.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use eventlog::{Log, Seq};
use keys::Timestamp;
use ledger::{AsOf, KeyFilter, KeyView, Ledger, Moment, Options};
use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::data_dir::stopped::{FixedClock, LogPrefix, StoppedDir, auditor};
use crate::exit::Exit;
use crate::options::{Bearer, Json, Remote};
use crate::print::{self, Progress};
use crate::table::Table;

/// Rebuild the table of keys from a stopped data directory, as it was at any moment
#[derive(Args, Debug)]
#[command(after_help = "\
The digest is the root of the whole table, which the log's table notes sign: two logs with the same
digest tell the same story. With --url it is held against that of a running server, which tells it
of the last 10,000 records; exit code 1 if they differ.

Examples:
  keyledger replay --data ./backup
  keyledger replay --until seq:1000
  keyledger replay --until 2026-01-02T03:04:05Z --json
  keyledger replay --data ./backup --url http://127.0.0.1:7070 --token-file auditor.jwt")]
pub(crate) struct Replay {
    #[command(flatten)]
    directory: StoppedDir,
    /// Stop after this record (`seq:N`), or after the last one recorded by this time
    #[arg(long, value_name = "seq:N|TIME")]
    until: Option<AsOf>,
    /// Hold the digest against that of the server here
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    bearer: Bearer,
    #[command(flatten)]
    json: Json,
}

/// How many keys one page of the table has.
const CHUNK: usize = 500;

pub(crate) fn run(options: &Replay) -> Result<Exit> {
    let log = Arc::new(options.directory.open()?);
    let size = *log.length().borrow();
    let (length, at) = end(&*log, size, options.until)?;
    let mut progress = Progress::new("records applied:");
    let prefix = Arc::new(LogPrefix::new(Arc::clone(&log), length));
    let keyring = options.directory.keyring()?;
    let clock = Arc::new(FixedClock(at));
    let ledger_options = Options { clock, keyring, ..Options::default() };
    let ledger = Ledger::open(prefix, ledger_options, &mut |seq| progress.at(seq.0))?;
    drop(progress);
    let keys = keys(&ledger)?;
    let (_, digest) = ledger.table_digest(&auditor()?, None)?;
    let digest = hex::encode(digest.as_bytes());
    let server = options.server_digest(length)?;
    print_table(options, length, &keys, &digest)?;
    match server {
        None => Ok(Exit::Fine),
        Some(server) if server == digest => {
            if !options.json.json {
                print::line("the server's table is the same")?;
            }
            Ok(Exit::Fine)
        }
        Some(server) => Err(anyhow!("the server's table is another one, its digest is {server}")),
    }
}

impl Replay {
    /// The digest of the server's table at that length, if `--url` names a server.
    fn server_digest(&self, length: Seq) -> Result<Option<String>> {
        let Some(url) = &self.url else { return Ok(None) };
        let bearer =
            Bearer { token: self.bearer.token.clone(), token_file: self.bearer.token_file.clone() };
        let client = Client::new(&Remote { url: url.clone(), bearer })?;
        let last = length.get().checked_sub(1);
        let answer = client.call(Call::get("/v1/table-digest").query("seq", last))?;
        let digest = answer.get("digest").and_then(Value::as_str);
        Ok(Some(digest.context("the server's answer has no digest")?.to_owned()))
    }
}

/// The end of a replay: how many records it applies, and the time at which statuses are judged.
fn end(log: &dyn Log, size: Seq, until: Option<AsOf>) -> Result<(Seq, Timestamp)> {
    let last = || size.get().checked_sub(1).map(|last| AsOf::Seq(Seq(last)));
    let Some(as_of) = until.or_else(last) else { return Ok((size, Timestamp::MIN)) };
    match Moment::find(log, size, as_of) {
        Ok(moment) => Ok((moment.length(), moment.at())),
        Err(ledger::Error::BeyondTheLog { .. }) => {
            Err(anyhow!("the log has {size} records, from seq:0 on"))
        }
        Err(error) => Err(error.into()),
    }
}

fn keys(ledger: &Ledger) -> Result<Vec<KeyView>> {
    let caller = auditor()?;
    let mut keys = Vec::new();
    let mut after = Some(0);
    while let Some(place) = after {
        let page = ledger.keys(&caller, &KeyFilter::default(), place, CHUNK)?;
        keys.extend(page.items);
        after = page.next;
    }
    Ok(keys)
}

fn print_table(options: &Replay, length: Seq, keys: &[KeyView], digest: &str) -> Result<()> {
    if options.json.json {
        let keys: Vec<_> = keys.iter().map(row_json).collect();
        return print::json(&json!({ "log_size": length.0, "digest": digest, "keys": keys }));
    }
    let mut table =
        Table::new(&["ID", "ACCOUNT", "STATUS", "REVISION", "KEY", "NAME", "CREATED", "EXPIRES"]);
    for view in keys {
        table.row(vec![
            view.key.id.to_string(),
            print::plain(view.key.account.as_str()),
            view.status.to_string(),
            view.state.revision.to_string(),
            format!("{}…", print::plain(view.key.prefix.as_str())),
            print::plain(view.key.name.as_str()),
            view.created_at.to_string(),
            view.state.expires_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        ]);
    }
    table.print()?;
    print::line(format!("\n{} keys of {length} events, digest {digest}", keys.len()))
}

fn row_json(view: &KeyView) -> Value {
    json!({
        "id": view.key.id.to_string(),
        "account": view.key.account.as_str(),
        "owner": view.key.owner.as_str(),
        "name": view.key.name.as_str(),
        "status": view.status.to_string(),
        "revision": view.state.revision,
        "prefix": view.key.prefix.as_str(),
        "created_at": view.created_at.to_string(),
        "created_by": view.created_by.as_str(),
        "expires_at": view.state.expires_at.map(|at| at.to_string()),
        "replaced_by": view.state.replaced_by.map(|id| id.to_string()),
    })
}
