//! The output of a check that failed: in words, in JSON, and as the exit code.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bundle::Refused;
use ledger::KeyChain;
use serde_json::json;

use super::lineage;
use crate::exit::Exit;
use crate::print;

/// Prints why the check failed, and the lineage where the keys of the log could be read. The evidence
/// (both checkpoints of a fork, the one that a rollback went behind, or the note that admits it) is written to files whose names begin with `base`.
pub(super) fn report(
    refused: &Refused,
    chain: Option<&KeyChain>,
    base: &Path,
    as_json: bool,
) -> Result<Exit> {
    let code = match refused {
        Refused::Invalid(_) => "invalid",
        Refused::Fork { .. } => "fork",
        Refused::Rollback { .. } => "rollback",
        Refused::Stale { .. } => "stale",
        Refused::RolledBack { .. } => "rolled_back",
    };
    let evidence = write_evidence(refused, base)?;
    if as_json {
        print::json(&json!({
            "ok": false,
            "code": code,
            "detail": print::plain(&refused.to_string()),
            "kept": evidence,
            "lineage": chain.map(lineage::json),
        }))?;
    } else {
        let word = code.replace('_', " ").to_uppercase();
        print::line(format!("{word}: {}", print::plain(&refused.to_string())))?;
        chain.map_or(Ok(()), lineage::print)?;
        if let (Refused::RolledBack { .. }, Some(chain)) = (refused, chain) {
            let newest = print::plain(&chain.newest().to_string());
            print::line(format!(
                "whoever accepts the loss trusts the new origin: --key '{newest}'"
            ))?;
        }
        for path in evidence {
            print::line(format!("kept as evidence: {}", path.display()))?;
        }
    }
    Ok(Exit::Found(refused.exit_code()))
}

fn write_evidence(refused: &Refused, base: &Path) -> Result<Vec<PathBuf>> {
    let notes = match refused {
        Refused::Fork { one, other } => vec![one, other],
        Refused::Rollback { checkpoint, .. } => vec![checkpoint],
        Refused::RolledBack { note, .. } => vec![note],
        Refused::Invalid(_) | Refused::Stale { .. } => return Ok(Vec::new()),
    };
    let mut paths = Vec::new();
    for (number, note) in (1..).zip(notes) {
        let mut name = base.as_os_str().to_owned();
        name.push(format!(".evidence-{number}"));
        let path = PathBuf::from(name);
        eventlog::files::replace(&path, note.as_bytes())?;
        paths.push(path);
    }
    Ok(paths)
}
