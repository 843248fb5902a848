//! `--all` of `keyledger keys enable`, `disable`, `expire` and `revoke`: every key that filters take.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::request::{Body, path};
use super::selection::{How, Which};
use crate::client::{Call, Client};
use crate::exit::{Exit, misuse};
use crate::print::{self, Progress, cell};
use crate::question;
use crate::table::Table;

/// How many keys are shown before the question.
const SHOWN: usize = 5;

/// Does `action` to every key that the filters take: a thousand in a commit, until none is left.
pub(super) fn run(which: &Which, how: &How, action: &str, body: Body) -> Result<Exit> {
    let filter = which.filter.body();
    if filter.as_object().is_none_or(serde_json::Map::is_empty) {
        return Err(misuse("--all needs a filter, such as --owner"));
    }
    let asks = question::is_needed(which.yes, how.care.dry_run)?;
    let client = Client::new(&how.remote)?;
    let body = body
        .with("action", Some(action))
        .with("filter", Some(filter))
        .with("reason", how.reason.clone())
        .done();
    let rehearsal = client.call(Call::post("/v1/keys/bulk", &body).query("dry_run", Some(true)))?;
    let concerned = ids(&rehearsal);
    if how.care.dry_run || concerned.is_empty() {
        return finish(how, &rehearsal);
    }
    if asks {
        preview(&client, action, &rehearsal, &concerned)?;
        if !question::confirmed()? {
            print::line("Nothing was changed.")?;
            return Ok(Exit::Bad);
        }
    }
    let (mut changed, mut refused) = (Vec::new(), BTreeMap::new());
    let mut progress = Progress::new("keys");
    for number in 1.. {
        let call = Call::post("/v1/keys/bulk", &body);
        // Each request has an outcome of its own.
        let key = how.care.once.idempotency_key.as_ref().map(|key| format!("{key}-{number}"));
        let answer = client.call(call.header("idempotency-key", key))?;
        let now = ids(&answer);
        let refusals = answer.get("refused").and_then(Value::as_array);
        for refusal in refusals.into_iter().flatten() {
            refused.insert(cell(refusal, "/id"), refusal.clone());
        }
        let more = answer.get("more").and_then(Value::as_bool).context("there is no `more`")?;
        let done = !more || now.is_empty();
        changed.extend(now);
        progress.at(changed.len() as u64);
        if done {
            break;
        }
    }
    drop(progress);
    for id in &changed {
        refused.remove(&print::plain(id));
    }
    let refused: Vec<Value> = refused.into_values().collect();
    finish(how, &json!({ "changed": changed, "refused": refused }))
}

fn ids(answer: &Value) -> Vec<String> {
    let changed = answer.get("changed").and_then(Value::as_array).into_iter().flatten();
    changed.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// Shows the first of the keys, and how many there are.
fn preview(client: &Client, action: &str, rehearsal: &Value, concerned: &[String]) -> Result<()> {
    let mut table = Table::new(&["ID", "STATUS", "NAME", "OWNER", "LAST USED"]);
    for id in concerned.iter().take(SHOWN) {
        let key = client.call(Call::get(path(id, "")))?;
        let fields = ["/id", "/status", "/name", "/owner", "/last_used_at"];
        table.row(fields.iter().map(|field| cell(&key, field)).collect());
    }
    table.print()?;
    if let Some(others @ 1..) = concerned.len().checked_sub(SHOWN) {
        print::line(format!("and {others} more"))?;
    }
    let more = rehearsal.get("more").and_then(Value::as_bool) == Some(true);
    let (count, keys) = (concerned.len(), if concerned.len() == 1 { "key" } else { "keys" });
    let at_least = if more { "at least " } else { "" };
    print::line(format!(
        "\n{action} {at_least}{count} {keys}, of {} that match",
        cell(rehearsal, "/matching")
    ))
}

/// Prints what came of it.
fn finish(how: &How, answer: &Value) -> Result<Exit> {
    let refused = answer.get("refused").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if how.json.json {
        print::json(answer)?;
    } else {
        let changed = ids(answer).len();
        let would = if how.care.dry_run { "would be " } else { "" };
        print::line(format!("{changed} {would}changed, {} refused", refused.len()))?;
        let mut table = Table::new(&["ID", "REFUSED"]);
        for refusal in refused {
            table.row(vec![cell(refusal, "/id"), cell(refusal, "/code")]);
        }
        if !refused.is_empty() {
            table.print()?;
        }
    }
    Ok(Exit::Fine)
}
