//! What must hold in the end: of the log, of a bundle, of the directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::client::{Connection, Target};

/// Events in one page.
const PAGE: usize = 500;

/// How many events each key has.
///
/// # Errors
///
/// The places of the events have a gap, or the revisions of a key.
pub(super) async fn read_log(target: &Target) -> Result<BTreeMap<String, u64>> {
    let mut connection = Connection::open(target.address).await?;
    let (mut log, mut next) = (BTreeMap::new(), 0);
    loop {
        let after = if next == 0 { String::new() } else { format!("&after={}", next - 1) };
        let page = get(&mut connection, target, &format!("/v1/events?limit={PAGE}{after}")).await?;
        let items = page.get("items").and_then(Value::as_array).context("no items")?;
        if items.is_empty() {
            return Ok(log);
        }
        for event in items {
            let number = |name| event.get(name).and_then(Value::as_u64);
            ensure!(number("seq") == Some(next), "seq {next} is missing: {event}");
            count(&mut log, event)?;
            next += 1;
        }
    }
}

/// Counts an event for its keys: a rotation is one of two.
fn count(log: &mut BTreeMap<String, u64>, event: &Value) -> Result<()> {
    let key = event.get("key_id").and_then(Value::as_str).context("an event of no key")?;
    let revision = event.get("revision").and_then(Value::as_u64);
    let events = log.entry(key.to_owned()).or_default();
    *events += 1;
    ensure!(revision == Some(*events), "key {key} has {events} events at {event}");
    if let Some(replaced) = event.pointer("/data/replaced/key_id").and_then(Value::as_str) {
        *log.entry(replaced.to_owned()).or_default() += 1;
    }
    Ok(())
}

/// The digest of the table of keys.
pub(super) async fn digest(target: &Target) -> Result<String> {
    let mut connection = Connection::open(target.address).await?;
    let answer = get(&mut connection, target, "/v1/table-digest").await?;
    let digest = answer.get("digest").and_then(Value::as_str);
    Ok(digest.context("an answer without a digest")?.to_owned())
}

async fn get(connection: &mut Connection, target: &Target, path: &str) -> Result<Value> {
    let response = connection.call(&target.get(path)).await?;
    let raw = String::from_utf8_lossy(response.raw());
    ensure!(response.status() == 200, "an unexpected response: {raw}");
    serde_json::from_slice(&response.body()?).context("the response is no JSON")
}

/// Has the program make a bundle of everything, and verify it.
pub(super) fn bundle(program: &Path, target: &Target, file: &Path) -> Result<()> {
    let key = crate::setup::wait(async {
        let mut connection = Connection::open(target.address).await?;
        let response = connection.call(&target.get("/log/keys")).await?;
        Ok(String::from_utf8(response.body()?)?)
    })?;
    let key = key.lines().next().context("the log has no key")?;
    let url = format!("http://{}", target.address);
    let mut export = Command::new(program);
    export.args(["audit", "export", "--url", &url, "--out"]).arg(file);
    finished(export.env("KEYLEDGER_TOKEN", &target.token)).context("audit export")?;
    let mut verify = Command::new(program);
    verify.args(["audit", "verify", "--key", key]).arg(file);
    finished(&mut verify).context("audit verify")?;
    Ok(())
}

/// Has the program check a stopped directory and replay it: the digest is that of the service.
pub(super) fn directory(program: &Path, data: &Path, digest: &str) -> Result<()> {
    let mut fsck = Command::new(program);
    finished(fsck.arg("fsck").arg("--data").arg(data)).context("fsck")?;
    let mut replay = Command::new(program);
    let replayed = finished(replay.args(["replay", "--json", "--data"]).arg(data))?;
    let replayed: Value = serde_json::from_str(&replayed).context("replay printed no JSON")?;
    let found = replayed.get("digest").and_then(Value::as_str);
    ensure!(found == Some(digest), "the digest is {digest}, of a replay {found:?}");
    Ok(())
}

/// What a command printed, which must pass.
fn finished(command: &mut Command) -> Result<String> {
    let output = command.output().context("cannot be started")?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_gap_in_the_revisions_is_found() {
        let mut log = BTreeMap::new();
        let mut add = |key: &str, revision: u64, replaces: Option<&str>| {
            let data = json!({ "replaced": {"key_id": replaces} });
            count(&mut log, &json!({"key_id": key, "revision": revision, "data": data})).is_ok()
        };
        assert!(add("a", 1, None) && add("a", 2, None));
        // The rotation of `a` is its third event, and the first of `b`.
        assert!(add("b", 1, Some("a")) && add("a", 4, None));
        assert!(!add("b", 3, None) && !add("c", 2, None));
    }
}
