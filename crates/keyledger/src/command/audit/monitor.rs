//! `keyledger audit monitor`: remembers what the log signed, and holds it to that.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use bundle::{Refused, Statement, extends};
use clap::Args;
use ledger::{Clock as _, SystemClock};
use serde_json::json;
use tlog::note::VerifierKey;

use super::found;
use super::served::{Checked, Served};
use crate::client::{Client, pause};
use crate::exit::{Exit, Failure};
use crate::option_values::duration;
use crate::options::{Json, Remote};
use crate::print;

/// Watch a running log: what it signed once must be in what it signs now
#[derive(Args, Debug)]
#[command(after_help = "\
The state file holds the last checkpoint as the log signed it, and nothing else; its time is when it
last grew. Keep it where the operator of the log cannot reach it. No token is needed: checkpoint,
keys and tiles are public. Without --key the first answer is taken on trust, and everything after is
held against it.
Exit code 0 good, 10 invalid, 11 a fork, 12 a rollback, 13 stale; 3 when it cannot be reached.

Examples:
  keyledger audit monitor --url https://ledger.example.com --state /var/lib/audit/ledger
  keyledger audit monitor --once --key ledger.example.com/keys+dd441a68+AepKbGPi… --max-age 1h")]
pub(crate) struct Monitor {
    /// Where the last checkpoint is kept
    #[arg(long, value_name = "FILE", default_value = "./keyledger-checkpoint")]
    state: PathBuf,
    /// A verifier key of the log, present or past
    #[arg(long, value_name = "NAME+ID+KEY")]
    key: Option<VerifierKey>,
    /// Look once, and end
    #[arg(long)]
    once: bool,
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    every: Duration,
    /// How long the log may go without anything new, or without being reached
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = duration)]
    max_age: Duration,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(crate) fn run(asked: &Monitor) -> Result<Exit> {
    let client = Client::public(&asked.remote)?;
    let mut reached = true;
    loop {
        let looked = match look(asked, &client) {
            // One that cannot be reached for a while is stale, and before that only not reached.
            Err(error) if matches!(error.downcast_ref(), Some(Failure::Unreachable(_))) => {
                match stale(&asked.state, asked.max_age)? {
                    Some(refused) => Ok(Err(refused)),
                    None if asked.once => return Err(error),
                    None => {
                        // Once: whoever watches it need not read the same every minute.
                        if reached {
                            let every = asked.every.as_secs();
                            eprintln!("keyledger: {error:#}; trying again every {every} s");
                        }
                        reached = false;
                        pause(asked.every);
                        continue;
                    }
                }
            }
            looked => looked,
        }?;
        reached = true;
        match looked {
            Err(refused) => return found::tell(&refused, &asked.state, asked.json.json),
            Ok(seen) => tell(&seen, asked.json.json)?,
        }
        if asked.once {
            return Ok(Exit::Fine);
        }
        pause(asked.every);
    }
}

/// What was seen, and the size that was known before.
struct Seen {
    checkpoint: Statement,
    before: Option<u64>,
}

fn look(asked: &Monitor, client: &Client) -> Checked<Seen> {
    let kept = match std::fs::read_to_string(&asked.state) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        text => Some(text.with_context(|| unreadable(&asked.state))?),
    };
    let mut served = match Served::new(client, asked.key.as_ref())? {
        Ok(served) => served,
        Err(refused) => return Ok(Err(refused)),
    };
    let kept = match kept.map(|kept| signer(&served, &kept)).transpose() {
        Err(refused) => return Ok(Err(refused)),
        Ok(None) => None,
        Ok(Some((kept, key))) => {
            // Whoever signed what was kept is trusted from then on.
            if asked.key.is_none() {
                served.trusted = key;
            }
            Some(kept)
        }
    };
    let checkpoint = match served.checkpoint()? {
        Ok(checkpoint) => checkpoint,
        Err(refused) => return Ok(Err(refused)),
    };
    if let Some(kept) = &kept {
        let larger = checkpoint.size >= kept.size;
        let proof = if larger { served.consistency(kept.size, checkpoint.size)? } else { vec![] };
        if let Err(refused) = extends(kept, &checkpoint, &proof) {
            return Ok(Err(refused));
        }
    }
    let before = kept.map(|kept| kept.size);
    if before == Some(checkpoint.size) {
        if let Some(refused) = stale(&asked.state, asked.max_age)? {
            return Ok(Err(refused));
        }
    } else {
        eventlog::files::replace(&asked.state, checkpoint.note.as_bytes())
            .with_context(|| format!("`{}` cannot be written", asked.state.display()))?;
    }
    Ok(Ok(Seen { checkpoint, before }))
}

fn unreadable(path: &Path) -> String {
    format!("the state `{}` cannot be read", path.display())
}

/// The checkpoint that was kept, and which of the log's keys signed it.
fn signer(served: &Served<'_>, kept: &str) -> Result<(Statement, VerifierKey), Refused> {
    let keys = served.chain.keys();
    let kept = bundle::signed_statement(kept, keys)?;
    let by = |key: &&VerifierKey| {
        bundle::signed_statement(&kept.note, std::slice::from_ref(*key)).is_ok()
    };
    let key = keys.iter().find(by).unwrap_or(served.chain.newest()).clone();
    Ok((kept, key))
}

/// Whether the state has not grown for too long.
fn stale(state: &Path, max_age: Duration) -> Result<Option<Refused>> {
    let Ok(about) = std::fs::metadata(state) else { return Ok(None) };
    let grown = about.modified().with_context(|| unreadable(state))?;
    let grown = grown.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let grown = i64::try_from(grown.as_micros()).unwrap_or(i64::MAX);
    let grown = keys::Timestamp::from_micros(grown);
    let age = Duration::from_micros(SystemClock::default().now().micros_since(grown));
    Ok((age > max_age).then(|| Refused::Stale { since: grown.to_string() }))
}

fn tell(seen: &Seen, as_json: bool) -> Result<()> {
    let Seen { checkpoint, before } = seen;
    let (size, root) = (checkpoint.size, checkpoint.root);
    if as_json {
        return print::json_line(&json!({
            "ok": true, "size": size, "root": root.to_string(), "before": before,
        }));
    }
    print::line(match before {
        None => format!("size {size}, root {root}; the first that is kept"),
        Some(before) if *before == size => format!("size {size}, root {root}; nothing new"),
        Some(before) => format!("size {size}, root {root}; extends size {before}"),
    })
}
