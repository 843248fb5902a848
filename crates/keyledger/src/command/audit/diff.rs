//! `keyledger audit diff`: the served table of keys, against a replay of the served entries.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use bundle::{Invalid, Refused, Statement};
use clap::Args;
use keys::KeyId;
use ledger::{Auditor, Decoder, Seq};
use serde_json::{Value, json};
use tlog::note::VerifierKey;
use tlog::{Hash, RightEdge, bundles_of, entries};

use super::served::{Checked, Served};
use super::verdict;
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print::{self, Progress};

/// Compare the served table of keys with a replay of the served entries
#[derive(Args, Debug)]
#[command(after_help = "\
It reads all entries of the log, judges each by the rules, makes the signed root again, and compares
every key as the server shows it at that size. It needs the token of an auditor of all accounts.
Exit code 0 the same, 1 they differ, 10 the entries are not those that were signed.

Examples:
  keyledger audit diff --token-file auditor.jwt
  keyledger audit diff --key ledger.example.com/keys+dd441a68+AepKbGPi… --json")]
pub(crate) struct Diff {
    /// A verifier key of the log; without it the server's own word is taken
    #[arg(long, value_name = "NAME+ID+KEY")]
    key: Option<VerifierKey>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

/// What is compared of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    status: String,
    revision: u64,
    expires_at: Option<String>,
}

/// A key that is not the same on both sides; `None` where it does not exist.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    id: KeyId,
    replayed: Option<Row>,
    served: Option<Row>,
}

pub(crate) fn run(options: &Diff) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let base = std::path::Path::new("keyledger-diff");
    let replayed = match Served::new(&client, options.key.as_ref())? {
        Ok(served) => replay(&served)?,
        Err(refused) => Err(refused),
    };
    let (auditor, checkpoint) = match replayed {
        Ok(replayed) => replayed,
        Err(refused) => return verdict::report(&refused, None, base, options.json.json),
    };
    let table = table(&client, checkpoint.size)?;
    let mut differences = Vec::new();
    let mut keys = 0_u64;
    for (id, state) in auditor.states() {
        keys += 1;
        let replayed = Row {
            status: state.status_at(auditor.last_at()).as_str().to_owned(),
            revision: u64::from(state.revision),
            expires_at: state.expires_at.map(|at| at.to_string()),
        };
        let served = table.get(&id);
        if served != Some(&replayed) {
            differences.push(Difference { id, replayed: Some(replayed), served: served.cloned() });
        }
    }
    let unknown = table.iter().filter(|(id, _)| auditor.state(**id).is_none());
    differences.extend(unknown.map(|(id, row)| Difference {
        id: *id,
        replayed: None,
        served: Some(row.clone()),
    }));
    differences.sort();
    report(options, &checkpoint, keys, &differences)
}

/// Replays the served entries up to the served checkpoint.
fn replay(served: &Served<'_>) -> Checked<(Auditor, Statement)> {
    let checkpoint = match served.checkpoint()? {
        Ok(checkpoint) => checkpoint,
        Err(refused) => return Ok(Err(refused)),
    };
    let (mut auditor, mut edge) = (Auditor::whole(), RightEdge::default());
    let mut progress = Progress::new("records replayed:");
    for index in bundles_of(checkpoint.size) {
        let bundle = served.entries(index)?;
        let mut decoder = Decoder::new(served.persons(index)?);
        let records = entries::decode(&bundle).context("the answer is no bundle of entries")?;
        for (seq, bytes) in (index.number() << 8..).zip(records) {
            let judged = decoder
                .read(Seq(seq), bytes)
                .and_then(|exhibit| auditor.push(&exhibit).map(|_| exhibit.leaf));
            match judged {
                Ok(leaf) => drop(edge.push(Hash(leaf.0))),
                Err(finding) => return Ok(Err(finding.into())),
            }
        }
        progress.at(auditor.size().0);
    }
    if edge.size() != checkpoint.size || edge.root() != checkpoint.root {
        let sentence = format!("at size {} they make another root", edge.size());
        return Ok(Err(Refused::from(Invalid::Tree(sentence))));
    }
    Ok(Ok((auditor, checkpoint)))
}

/// Every key as the server lists it at that size of the log.
fn table(client: &Client, size: u64) -> Result<BTreeMap<KeyId, Row>> {
    let mut table = BTreeMap::new();
    let Some(last) = size.checked_sub(1) else { return Ok(table) };
    let call = || Call::get("/v1/keys").query("as_of", Some(format!("seq:{last}")));
    let mut progress = Progress::new("keys compared:");
    client.pages(call, None, &mut |key| {
        let text = |name| key.get(name).and_then(Value::as_str);
        let id = text("id").and_then(|id| id.parse().ok());
        let (status, revision) = (text("status"), key.get("revision").and_then(Value::as_u64));
        let parts = id.zip(status).zip(revision).context("the answer is no list of keys")?;
        let ((id, status), revision) = parts;
        let expires_at = text("expires_at").map(str::to_owned);
        table.insert(id, Row { status: status.to_owned(), revision, expires_at });
        progress.at(table.len() as u64);
        Ok(())
    })?;
    Ok(table)
}

fn report(options: &Diff, tree: &Statement, keys: u64, differences: &[Difference]) -> Result<Exit> {
    let exit = if differences.is_empty() { Exit::Fine } else { Exit::Bad };
    let row = |row: &Option<Row>| {
        row.as_ref().map(|row| {
            json!({
                "status": row.status, "revision": row.revision, "expires_at": row.expires_at,
            })
        })
    };
    if options.json.json {
        let differences = differences.iter().map(|Difference { id, replayed, served }| {
            json!({ "key_id": id.to_string(), "replayed": row(replayed), "served": row(served) })
        });
        print::json(&json!({
            "ok": exit == Exit::Fine,
            "size": tree.size,
            "keys": keys,
            "differences": differences.collect::<Vec<_>>(),
        }))?;
        return Ok(exit);
    }
    let shown = |row: &Option<Row>| match row {
        None => "no such key".to_owned(),
        Some(Row { status, revision, expires_at }) => {
            let due = expires_at.as_deref().map(print::plain).unwrap_or_default();
            format!("{} at revision {revision} {due}", print::plain(status)).trim_end().to_owned()
        }
    };
    for Difference { id, replayed, served } in differences {
        print::line(format!("{id}: served {}, replayed {}", shown(served), shown(replayed)))?;
    }
    let size = tree.size;
    print::line(match differences.len() {
        0 => format!("the same: {keys} keys at size {size}, {size} records replayed"),
        count => format!("{count} of {keys} keys differ at size {size}"),
    })?;
    Ok(exit)
}
