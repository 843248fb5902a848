//! `keyledger audit verify`: checks a bundle, with nothing but the bundle and a key.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bundle::{Scope, Trust, Verified};
use clap::Args;
use ledger::{Clock as _, SystemClock};
use serde_json::json;
use tlog::note::VerifierKey;

use super::{before, checkpoint_file, lineage, outside, verdict, witnessed};
use crate::exit::{Exit, misuse};
use crate::option_values::duration;
use crate::options::Json;
use crate::policy_file;
use crate::print::{self, Progress};

/// Check a bundle, offline
#[derive(Args, Debug)]
#[command(after_help = "\
It trusts the given key and nothing else: every record is hashed and judged by the rules again, the
tree, the table of keys and the exports are made again, and the file has no byte more. Give it the key as
you got it from the operator, not as the bundle has it.
Exit code 0 good, 10 invalid, 11 a fork, 12 a rollback, 13 stale, 14 rolled back, which is on record.

Examples:
  keyledger audit verify today.tar --key ledger.example.com/keys+dd441a68+AepKbGPi…
  keyledger audit verify today.tar --policy witnesses.txt --max-age 1d
  keyledger audit verify today.tar --key … --kept checkpoint-of-last-month --max-age 1d --json
  keyledger audit verify today.tar --key … --tsa-ca roots-of-the-authority.pem")]
pub(crate) struct Verify {
    /// The bundle
    bundle: PathBuf,
    /// A verifier key of the log, present or past; not needed if the policy names the log
    #[arg(long, value_name = "NAME+ID+KEY", required_unless_present = "policy")]
    key: Option<VerifierKey>,
    /// A policy (c2sp.org/tlog-policy): a quorum of its witnesses must have cosigned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A checkpoint that you kept: the log must extend it
    #[arg(long = "kept", value_name = "FILE")]
    previous: Option<PathBuf>,
    /// How old the log's last word in it may be, such as 1d: an old bundle is as well signed as a new one
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_age: Option<Duration>,
    /// A PEM file with the root certificates of the time-stamping authorities that you trust: the records
    /// are held against their times
    #[arg(long, value_name = "FILE")]
    tsa_ca: Option<PathBuf>,
    /// Write the checkpoint there, to keep for the next time
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    json: Json,
}

pub(crate) fn run(options: &Verify) -> Result<Exit> {
    let file = File::open(&options.bundle).map_err(|error| {
        misuse(format!("the bundle `{}` cannot be read: {error}", options.bundle.display()))
    })?;
    let now = SystemClock::default().now();
    let policy = options.policy.as_deref().map(|path| policy_file::read(path, "--policy"));
    let policy = policy.transpose()?;
    let named = || policy_file::log_key(policy.as_ref()?, bundle::key_chain(&file).as_ref());
    let key = options.key.clone().or_else(named);
    let key = key.ok_or_else(|| misuse("--policy: it names no log; give --key too"))?;
    let trust = Trust {
        key: key.clone(),
        checkpoint: options.previous.as_deref().map(checkpoint_file::read).transpose()?,
        not_before: options.max_age.map(|limit| before(now, limit)),
        policy,
        now,
        tsa: options.tsa_ca.as_deref().map(outside::roots).transpose()?,
    };
    let mut progress = Progress::new("records checked:");
    let checked = bundle::verify(&file, &trust, &server::EXPORTS, &mut |count| progress.at(count));
    drop(progress);
    match checked {
        Ok(verified) => {
            if let Some(path) = &options.keep {
                let note = verified.checkpoint.note.as_bytes();
                eventlog::files::replace(path, note)
                    .with_context(|| format!("`{}` cannot be written", path.display()))?;
            }
            print_verified(&verified, &key, options.json.json)?;
            Ok(Exit::Fine)
        }
        Err(refused) => {
            let chain = bundle::key_chain(&file);
            verdict::report(&refused, chain.as_ref(), &options.bundle, options.json.json)
        }
    }
}

fn print_verified(verified: &Verified, trusted: &VerifierKey, as_json: bool) -> Result<()> {
    let Verified { scope, checkpoint, earlier, chain, .. } = verified;
    let partial = !scope.is_whole();
    if as_json {
        return print::json(&json!({
            "ok": true,
            "partial": partial,
            "complete": verified.complete,
            "origin": verified.origin,
            "size": verified.size,
            "root": checkpoint.root.to_string(),
            "records": verified.records,
            "keys": verified.keys,
            "earlier_size": earlier.size,
            "table_size": verified.table,
            "account": scope.account.as_ref().map(keys::Account::as_str),
            "from": scope.from.map(|from| from.to_string()),
            "to": scope.to.map(|to| to.to_string()),
            "as_of": verified.as_of.map(|at| at.to_string()),
            "last_recorded_at": verified.last_at.map(|at| at.to_string()),
            "outside_times": outside::json(verified),
            "witnessed": verified.witnessed.as_ref().map(witnessed::json),
            "signed_by": verified.signed_by.to_string(),
            "newest_key": chain.newest().to_string(),
            "lineage": lineage::json(chain),
        }));
    }
    let mut rows = vec![
        ("log", verified.origin.clone()),
        ("size", verified.size.to_string()),
        ("root", checkpoint.root.to_string()),
        ("extends", format!("the checkpoint of size {}", earlier.size)),
        ("part", part(scope)),
        ("records", verified.records.to_string()),
        ("keys", verified.keys.to_string()),
    ];
    rows.extend(verified.table.map(|size| ("key table", format!("as signed at size {size}"))));
    rows.extend(verified.last_at.map(|at| ("last record", at.to_string())));
    rows.extend(verified.as_of.map(|at| ("as of", at.to_string())));
    rows.extend(outside::sentence(verified).map(|sentence| ("outside time", sentence)));
    rows.extend(verified.witnessed.as_ref().map(witnessed::rows).unwrap_or_default());
    rows.push(("signed by", verified.signed_by.to_string()));
    for (what, value) in rows {
        print::line(format!("{what:<12} {}", print::plain(&value)))?;
    }
    lineage::print(chain)?;
    lineage::print_newer(chain, trusted)?;
    print::line(match (partial, verified.complete) {
        (false, _) => {
            "good: every record, every change by the rules, the table of keys, the exports"
        }
        (true, true) => {
            "good, but partial: these records are in the log and follow the rules, and none of the part \
             is missing; the rest of the log was not checked"
        }
        (true, false) => {
            "good, but partial: these records are in the log and follow the rules; what is not in the \
             bundle was not checked, and this older form does not show whether records of the part are \
             missing"
        }
    })
}

/// Which part of the log it is.
fn part(scope: &Scope) -> String {
    let account = scope.account.as_ref().map(|account| format!("account {account}"));
    let from = scope.from.map(|from| format!("from {from}"));
    let to = scope.to.map(|to| format!("to before {to}"));
    let parts: Vec<String> = [account, from, to].into_iter().flatten().collect();
    if parts.is_empty() { "the whole log".to_owned() } else { parts.join(", ") }
}
