//! How a check tells what it found: in words, in JSON, and by the exit code.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bundle::Refused;
use serde_json::json;

use crate::exit::Exit;
use crate::print;

/// Tells why something is not believed. Both checkpoints of a fork, and the one that a rollback
/// went behind, are kept next to `beside`: they are the evidence.
pub(super) fn tell(refused: &Refused, beside: &Path, as_json: bool) -> Result<Exit> {
    let code = match refused {
        Refused::Invalid(_) => "invalid",
        Refused::Fork { .. } => "fork",
        Refused::Rollback { .. } => "rollback",
        Refused::Stale { .. } => "stale",
    };
    let kept = keep(refused, beside)?;
    if as_json {
        print::json(&json!({
            "ok": false,
            "code": code,
            "detail": print::plain(&refused.to_string()),
            "kept": kept,
        }))?;
    } else {
        print::line(format!("{}: {}", code.to_uppercase(), print::plain(&refused.to_string())))?;
        for path in kept {
            print::line(format!("kept as evidence: {}", path.display()))?;
        }
    }
    Ok(Exit::Found(refused.exit_code()))
}

fn keep(refused: &Refused, beside: &Path) -> Result<Vec<PathBuf>> {
    let notes = match refused {
        Refused::Fork { one, other } => vec![one, other],
        Refused::Rollback { checkpoint, .. } => vec![checkpoint],
        Refused::Invalid(_) | Refused::Stale { .. } => return Ok(Vec::new()),
    };
    let mut kept = Vec::new();
    for (number, note) in (1..).zip(notes) {
        let mut name = beside.as_os_str().to_owned();
        name.push(format!(".evidence-{number}"));
        let path = PathBuf::from(name);
        eventlog::files::replace(&path, note.as_bytes())?;
        kept.push(path);
    }
    Ok(kept)
}
