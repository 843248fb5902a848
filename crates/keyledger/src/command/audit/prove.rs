//! `keyledger audit prove`: has a server prove an event or a key, and checks the proof.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bundle::{Invalid, KeyProved, Refused, check_key_proof, not_rolled_back, signed_statement};
use clap::Args;
use keys::KeyId;
use ledger::{Clock as _, KeyChain, SystemClock};
use serde_json::{Value, json};
use tlog::ProofFile;
use tlog::note::VerifierKey;

use super::served::{Checked, Served};
use super::{before, checkpoint_file, lineage, verdict};
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::option_values::duration;
use crate::options::{Json, Remote};
use crate::print;

/// Have a server prove an event or a key, and check the proof
#[derive(Args, Debug)]
#[command(after_help = "\
Of an event it gets the receipt and the stored record, checks that the record is in the signed log,
and that the event says what the record says. Of a key it gets all records and the table's note: how
the key stands, that these are all its events, or that there is no such key.
Exit code 0 proved, 10 not, 11 a fork, 12 a rollback, 13 the proof is not of now, 14 the log was rolled
back, which is on record.

Examples:
  keyledger audit prove --seq 17 --key ledger.example.com/keys+dd441a68+AepKbGPi… --out 17.tlog-proof
  keyledger audit prove --key-id 01890a5d-ac96-774b-bcce-b302099a8057")]
pub(crate) struct Prove {
    #[command(flatten)]
    what: What,
    /// A verifier key of the log; without it the server's own word is taken
    #[arg(long, value_name = "NAME+ID+KEY")]
    key: Option<VerifierKey>,
    /// A checkpoint that you kept: the log must extend it
    #[arg(long = "kept", value_name = "FILE")]
    previous: Option<PathBuf>,
    /// How old the heartbeat in the proof may be: an older answer may be one shown again
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    max_age: Duration,
    /// Write what was checked there: the receipt of an event, the proof of a key
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// The event
    #[arg(long)]
    seq: Option<u64>,
    /// The key
    #[arg(long, value_name = "ID")]
    key_id: Option<KeyId>,
}

pub(crate) fn run(options: &Prove) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let served = match Served::new(&client, options.key.as_ref())? {
        Ok(served) => served,
        Err(refused) => return options.report(&refused, None),
    };
    if let Some(path) = &options.previous {
        let note = checkpoint_file::read(path)?;
        if let Err(refused) = extends_earlier(&served, &note)? {
            return options.report(&refused, Some(&served.chain));
        }
    }
    let now = SystemClock::default().now();
    let not_before = before(now, options.max_age);
    let fresh = |proved: &KeyProved| proved.heartbeat.is_fresh(not_before, now);
    let proved = match (options.what.seq, options.what.key_id) {
        (Some(seq), _) => event(&served, seq, &fresh)?,
        (None, Some(id)) => key(&served, id, &fresh)?,
        (None, None) => anyhow::bail!("name an event with --seq or a key with --key-id"),
    };
    let Proof { mut summary, file } = match proved {
        Ok(proved) => proved,
        Err(refused) => return options.report(&refused, Some(&served.chain)),
    };
    if let Some(path) = &options.out {
        eventlog::files::replace(path, file.as_bytes())
            .with_context(|| format!("`{}` cannot be written", path.display()))?;
    }
    if let Some(fields) = summary.as_object_mut() {
        fields.insert("verified_with".into(), served.trusted.to_string().into());
        fields.insert("key_given".into(), options.key.is_some().into());
    }
    if options.json.json {
        if let Some(fields) = summary.as_object_mut() {
            fields.insert("lineage".into(), lineage::json(&served.chain));
        }
        print::json(&summary)?;
    } else {
        for (name, value) in summary.as_object().into_iter().flatten() {
            print::line(format!("{name:<14} {}", print::cell(value, "")))?;
        }
        lineage::print(&served.chain)?;
        lineage::print_newer(&served.chain, &served.trusted)?;
        if options.key.is_none() {
            print::line("checked with the key that the server names; give --key to trust yours")?;
        }
    }
    Ok(Exit::Fine)
}

impl Prove {
    fn report(&self, refused: &Refused, chain: Option<&KeyChain>) -> Result<Exit> {
        let base = self.out.clone().unwrap_or_else(|| "keyledger-proof".into());
        verdict::report(refused, chain, &base, self.json.json)
    }
}

/// What is proved, and the file that proves it.
struct Proof {
    summary: Value,
    file: String,
}

/// Whether the log extends a checkpoint that the auditor has.
fn extends_earlier(served: &Served<'_>, note: &str) -> Checked<()> {
    let earlier = match signed_statement(note, &served.chain, served.chain.keys()) {
        Ok(earlier) => earlier,
        Err(refused) => return Ok(Err(refused.into())),
    };
    match served.checkpoint()? {
        Ok(checkpoint) => served.extends(&earlier, &checkpoint),
        Err(refused) => Ok(Err(refused)),
    }
}

/// Whether what was proved is of now.
type Fresh<'f> = &'f dyn Fn(&KeyProved) -> Result<(), Refused>;

fn fetch(served: &Served<'_>, id: KeyId, fresh: Fresh<'_>) -> Checked<(KeyProved, String)> {
    let answer = served.client.text(Call::get(format!("/v1/keys/{id}/proof")))?;
    let checked = check_key_proof(&answer, id, &served.chain, &served.trusted);
    let checked = checked.map_err(Refused::from).and_then(|proved| {
        not_rolled_back(&served.chain, &served.trusted, proved.checkpoint.size)?;
        fresh(&proved)?;
        Ok((proved, answer))
    });
    let (proved, answer) = match checked {
        Ok(found) => found,
        Err(refused) => return Ok(Err(refused)),
    };
    let extended = served.extends(&proved.heartbeat.statement, &proved.checkpoint)?;
    Ok(extended.map(|()| (proved, answer)))
}

fn key(served: &Served<'_>, id: KeyId, fresh: Fresh<'_>) -> Checked<Proof> {
    let (proved, file) = match fetch(served, id, fresh)? {
        Ok(found) => found,
        Err(refused) => return Ok(Err(refused)),
    };
    let events = proved.records.len();
    let last = proved.records.last().map(|(entry, _)| entry.record.at.to_string());
    let summary = json!({
        "key_id": id.to_string(),
        "exists": proved.state.is_some(),
        "status": proved.state.map(|state| state.status.as_str()),
        "revision": proved.state.map(|state| state.revision),
        "due_at": proved.state.and_then(|state| state.expires_at).map(|at| at.to_string()),
        "events": events,
        "last_event_at": last,
        "complete_as_of_size": proved.table_size,
        "complete_as_of": proved.heartbeat.at.to_string(),
        "log_size": proved.checkpoint.size,
        "signed_by": proved.checkpoint.by.to_string(),
    });
    Ok(Ok(Proof { summary, file }))
}

/// The receipt proves the record, and the record proves the event.
fn event(served: &Served<'_>, seq: u64, fresh: Fresh<'_>) -> Checked<Proof> {
    let shown = served.client.call(Call::get(format!("/v1/events/{seq}")))?;
    let receipt = served.client.text(Call::get(format!("/v1/events/{seq}/receipt")))?;
    let id = shown.get("key_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let (proved, _) = match fetch(served, id.context("the answer is no event")?, fresh)? {
        Ok(found) => found,
        Err(refused) => return Ok(Err(refused)),
    };
    let found = proved.records.iter().find(|(entry, _)| entry.seq.0 == seq);
    let Some((entry, bytes)) = found else {
        return Ok(Err(Invalid::Scope(seq).into()));
    };
    let file: Result<ProofFile, _> = receipt.parse();
    let trusted = served.trusted_keys()?;
    let signed = |file: ProofFile| {
        let by = |key| Some((key, file.verify(bytes, key).ok()?));
        let (key, tree) = trusted.iter().rev().find_map(by)?;
        served.chain.signs_for(key, tree.size()).is_ok().then_some((key, tree))
    };
    let checked = file.ok().filter(|file| file.index == seq).and_then(signed);
    let Some((signed_by, tree)) = checked else {
        return Ok(Err(Invalid::Malformed("the receipt").into()));
    };
    let mut texts = Default::default();
    (server::EXPORTS.write)(entry, &mut texts);
    let [event, ..] = texts;
    if serde_json::from_slice::<Value>(&event)? != shown {
        return Ok(Err(Invalid::Export { name: "the event", seq }.into()));
    }
    let summary = json!({
        "seq": seq,
        "type": shown.get("type"),
        "key_id": shown.get("key_id"),
        "recorded_at": shown.get("recorded_at"),
        "leaf": tlog::leaf_hash(bytes).to_string(),
        "log_size": tree.size(),
        "root": tree.root().to_string(),
        "signed_by": signed_by.to_string(),
    });
    Ok(Ok(Proof { summary, file: receipt }))
}
