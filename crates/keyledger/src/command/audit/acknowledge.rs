//! `keyledger audit acknowledge`: adds to the file in which an owner says which changes are its own.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _, stdin};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};

use super::watch::acknowledged::Acknowledgement;
use crate::exit::{Exit, misuse};
use crate::options::Json;
use crate::print;

/// Tell a watch which changes its owner made
#[derive(Args, Debug)]
#[command(after_help = "\
Without --seq, --key-id and --request-id it reads from stdin what the service answered to
changes, as --json prints it and the API gives it, and writes down which revision of which
key each of them made; never a secret. A revision happens once, so nobody else can use such
a line, and one that the log does not show within the watch's --grace is an alarm. A request
id counts for 10 minutes from its first event on; whoever reads it can send it too.

Examples:
  keyledger keys create --name ci --json | keyledger audit acknowledge --file own.ndjson
  keyledger audit acknowledge --file own.ndjson --seq 17
  keyledger audit acknowledge --file own.ndjson --request-id deploy-7")]
pub(crate) struct Acknowledge {
    /// The file that `audit watch --acknowledge` reads
    #[arg(long, env = "KEYLEDGER_ACKNOWLEDGE_FILE", value_name = "FILE")]
    file: PathBuf,
    /// An event, by its place in the log
    #[arg(long, value_name = "N")]
    seq: Vec<u64>,
    /// The changes of a request, by its X-Request-Id
    #[arg(long, value_name = "ID")]
    request_id: Vec<String>,
    /// A change of this key
    #[arg(long, value_name = "ID", requires = "revision")]
    key_id: Option<keys::KeyId>,
    /// The revision that the change gave the key
    #[arg(long, value_name = "N", requires = "key_id")]
    revision: Option<u32>,
    #[command(flatten)]
    json: Json,
}

pub(crate) fn run(options: &Acknowledge) -> Result<Exit> {
    let mut lines: Vec<Acknowledgement> = Vec::new();
    lines.extend(options.seq.iter().map(|&seq| Acknowledgement::Event { seq }));
    lines.extend(options.request_id.iter().map(|id| Acknowledgement::Request { id: id.clone() }));
    if let (Some(key), Some(revision)) = (options.key_id, options.revision) {
        lines.push(Acknowledgement::Revision { key, revision });
    }
    if lines.is_empty() {
        lines = answered()?;
    }
    let text: String = lines.iter().map(|line| format!("{}\n", line.to_json())).collect();
    let path = options.file.display();
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&options.file);
    // One write: no reader finds a half of a line for longer than that takes.
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.with_context(|| format!("`{path}` cannot be written"))?;
    if options.json.json {
        print::json(&json!({ "file": options.file, "acknowledged": lines.len() }))?;
    } else {
        print::line(format!("{path}: {} more", lines.len()))?;
    }
    Ok(Exit::Fine)
}

/// What the answers on stdin say was done.
fn answered() -> Result<Vec<Acknowledgement>> {
    let mut text = String::new();
    stdin().read_to_string(&mut text).context("stdin cannot be read")?;
    let mut lines = Vec::new();
    for answer in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
        // Not the answer itself: a secret may be in it.
        let answer = answer.map_err(|_| misuse("stdin is no answer in JSON"))?;
        let change = of_answer(&answer).ok_or_else(|| {
            misuse(
                "there is no change of one key in the answer; name those of a request of many keys \
                 with --request-id",
            )
        })?;
        lines.push(change);
    }
    if lines.is_empty() {
        return Err(misuse("give --seq, --key-id or --request-id, or an answer on stdin"));
    }
    Ok(lines)
}

/// The revision that a change made: of its event where the answer has one, else of its key.
fn of_answer(answer: &Value) -> Option<Acknowledgement> {
    let of = |object: &str, id: &str| {
        let object = answer.get(object)?;
        let key = object.get(id)?.as_str()?.parse().ok()?;
        let revision = u32::try_from(object.get("revision")?.as_u64()?).ok()?;
        Some(Acknowledgement::Revision { key, revision })
    };
    of("event", "key_id").or_else(|| of("key", "id"))
}
