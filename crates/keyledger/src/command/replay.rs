//! `keyledger replay`: rebuilds the table of keys from a stopped data directory.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use eventlog::{Log, Seq};
use keys::Timestamp;
use ledger::{KeyFilter, KeyView, Ledger, Options};
use serde_json::{Value, json};

use super::stored::{Prefix, Stored, Then, auditor, record_at};
use crate::arguments::{Bearer, Json, Remote};
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::print::{self, Progress, Table};

/// Rebuild the table of keys from a stopped data directory, as it was at any moment
#[derive(Args, Debug)]
#[command(after_help = "\
The digest is over the whole table: two logs with the same digest tell the same story. With --url
it is held against that of a running server; exit code 1 if they differ.

Examples:
  keyledger replay --data ./backup
  keyledger replay --until seq:1000
  keyledger replay --until 2026-01-02T03:04:05Z --json
  keyledger replay --data ./backup --url http://127.0.0.1:7070 --token-file auditor.jwt")]
pub(crate) struct Replay {
    #[command(flatten)]
    stored: Stored,
    /// Stop after this record (`seq:N`), or after the last one recorded by this time
    #[arg(long, value_name = "seq:N|TIME")]
    until: Option<Until>,
    /// Hold the digest against that of the server here
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    bearer: Bearer,
    #[command(flatten)]
    json: Json,
}

/// Where a replay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// After that record.
    Seq(Seq),
    /// After the last one recorded by then.
    Time(Timestamp),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Until, String> {
        let wrong = || "write it as seq:1000 or 2026-01-02T03:04:05Z".to_owned();
        match text.strip_prefix("seq:") {
            Some(seq) => seq.parse().map(|seq| Until::Seq(Seq(seq))).map_err(|_| wrong()),
            None => text.parse().map(Until::Time).map_err(|_| wrong()),
        }
    }
}

/// How many keys are taken from the table at once.
const CHUNK: usize = 500;

pub(crate) fn run(asked: &Replay) -> Result<Exit> {
    let log = Arc::new(asked.stored.open()?);
    let size = *log.length().borrow();
    let length = length(&*log, size, asked.until)?;
    let last = length.0.checked_sub(1).map(|last| record_at(&*log, Seq(last)).map(|last| last.at));
    let last = last.transpose()?.unwrap_or(Timestamp::MIN);
    let then = match asked.until {
        Some(Until::Time(time)) => time.max(last),
        Some(Until::Seq(_)) | None => last,
    };
    let mut progress = Progress::new("records applied:");
    let prefix = Arc::new(Prefix::new(Arc::clone(&log), length));
    let options = Options { clock: Arc::new(Then(then)), ..Options::default() };
    let ledger = Ledger::open(prefix, options, &mut |seq| progress.at(seq.0))?;
    drop(progress);
    let keys = keys(&ledger)?;
    let (_, digest) = ledger.table_digest(&auditor()?, None)?;
    log.close().context("the directory was not closed cleanly; run `keyledger fsck`")?;
    let digest = hex::encode(digest);
    let server = asked.server_digest(length)?;
    print_table(asked, length, &keys, &digest)?;
    match server {
        None => Ok(Exit::Fine),
        Some(server) if server == digest => {
            if !asked.json.json {
                print::line("the server's table is the same")?;
            }
            Ok(Exit::Fine)
        }
        Some(server) => Err(anyhow!("the server's table is another one, its digest is {server}")),
    }
}

impl Replay {
    /// The digest of the server's table at that length, if a server was named.
    fn server_digest(&self, length: Seq) -> Result<Option<String>> {
        let Some(url) = &self.url else { return Ok(None) };
        let bearer =
            Bearer { token: self.bearer.token.clone(), token_file: self.bearer.token_file.clone() };
        let client = Client::new(&Remote { url: url.clone(), bearer })?;
        let answer = client.call(Call::get("/v1/table-digest").query("seq", Some(length)))?;
        let digest = answer.get("digest").and_then(Value::as_str);
        Ok(Some(digest.context("the server's answer has no digest")?.to_owned()))
    }
}

/// How many records a replay takes.
fn length(log: &dyn Log, size: Seq, until: Option<Until>) -> Result<Seq> {
    match until {
        None => Ok(size),
        Some(Until::Seq(seq)) if seq < size => Ok(seq.next()),
        Some(Until::Seq(_)) => Err(anyhow!("the log has {size} records, from seq:0 on")),
        Some(Until::Time(time)) => {
            // The recorded time never goes backwards along the log.
            let (mut low, mut high) = (0, size.0);
            while low < high {
                let middle = low.midpoint(high);
                if record_at(log, Seq(middle))?.at <= time {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            Ok(Seq(low))
        }
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

fn print_table(asked: &Replay, length: Seq, keys: &[KeyView], digest: &str) -> Result<()> {
    if asked.json.json {
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
            view.standing.revision.to_string(),
            format!("{}…", print::plain(view.key.prefix.as_str())),
            print::plain(view.key.name.as_str()),
            view.created_at.to_string(),
            view.standing.expires_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
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
        "revision": view.standing.revision,
        "prefix": view.key.prefix.as_str(),
        "created_at": view.created_at.to_string(),
        "created_by": view.created_by.as_str(),
        "expires_at": view.standing.expires_at.map(|at| at.to_string()),
        "replaced_by": view.standing.replaced_by.map(|id| id.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_place_or_a_time() {
        assert_eq!("seq:7".parse(), Ok(Until::Seq(Seq(7))));
        assert!(matches!("2026-01-02T03:04:05Z".parse(), Ok(Until::Time(_))));
        for bad in ["", "7", "seq:", "seq:-1", "yesterday"] {
            assert!(bad.parse::<Until>().is_err(), "{bad}");
        }
    }
}
