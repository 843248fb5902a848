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

/// How many of the keys are shown first.
const SHOWN: usize = 5;
/// The most refusals that the server names in an answer.
const MOST_REFUSED: usize = 1_000;

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
        if !how.json.json {
            show_first(&client, &concerned)?;
        }
        return finish(how, action, &rehearsal);
    }
    if asks {
        preview(&client, action, &rehearsal, &concerned)?;
        if !question::confirmed()? {
            print::line("Nothing was changed.")?;
            return Ok(Exit::Bad);
        }
    }
    // The rehearsal looked at all keys. A later answer may name only those that were changed before.
    let (mut changed, mut refused) = (Vec::new(), refusals(&rehearsal));
    let mut progress = Progress::new("keys");
    for number in 1.. {
        let call = Call::post("/v1/keys/bulk", &body);
        // Each request has an outcome of its own.
        let key = how.care.once.idempotency_key.as_ref().map(|key| format!("{key}-{number}"));
        let answer = client.call(call.header("idempotency-key", key))?;
        let now = ids(&answer);
        refused.extend(refusals(&answer));
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
    finish(how, action, &json!({ "changed": changed, "refused": refused }))
}

fn ids(answer: &Value) -> Vec<String> {
    let changed = answer.get("changed").and_then(Value::as_array).into_iter().flatten();
    changed.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// The refusals of an answer, by the key's id.
fn refusals(answer: &Value) -> BTreeMap<String, Value> {
    let refused = answer.get("refused").and_then(Value::as_array).into_iter().flatten();
    refused.map(|refusal| (cell(refusal, "/id"), refusal.clone())).collect()
}

/// Shows the first of the keys.
fn show_first(client: &Client, concerned: &[String]) -> Result<()> {
    if concerned.is_empty() {
        return Ok(());
    }
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
    Ok(())
}

/// Shows the first of the keys, and how many there are.
fn preview(client: &Client, action: &str, rehearsal: &Value, concerned: &[String]) -> Result<()> {
    show_first(client, concerned)?;
    let (count, keys) = (concerned.len(), if concerned.len() == 1 { "key" } else { "keys" });
    let at_least = at_least(has_more(rehearsal));
    print::line(format!(
        "\n{action} {at_least}{count} {keys}, of {} that match",
        cell(rehearsal, "/matching")
    ))
}

/// Whether there are keys beyond those that the answer names.
fn has_more(answer: &Value) -> bool {
    answer.get("more").and_then(Value::as_bool) == Some(true)
}

fn at_least(is_lower_bound: bool) -> &'static str {
    if is_lower_bound { "at least " } else { "" }
}

/// Whether a key that was refused so is as `action` would have it: so already, or at its end, where
/// no key can be used.
fn is_in_order(action: &str, code: &str) -> bool {
    code == "already"
        || (action != "enable" && matches!(code, "not_while_expired" | "not_while_revoked"))
}

/// Prints what came of it.
fn finish(how: &How, action: &str, answer: &Value) -> Result<Exit> {
    let refused = answer.get("refused").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let changed = ids(answer).len();
    if how.json.json {
        print::json(answer)?;
    } else {
        let would = if how.care.dry_run { "would be " } else { "" };
        let count = refused.len();
        let (more, unnamed) = (at_least(has_more(answer)), at_least(count >= MOST_REFUSED));
        print::line(format!("{more}{changed} {would}changed, {unnamed}{count} refused"))?;
        let mut table = Table::new(&["ID", "REFUSED"]);
        for refusal in refused {
            table.row(vec![cell(refusal, "/id"), cell(refusal, "/code")]);
        }
        if !refused.is_empty() {
            table.print()?;
        }
    }
    let in_order = refused.iter().all(|refusal| is_in_order(action, &cell(refusal, "/code")));
    Ok(if refused.is_empty() || (changed > 0 && in_order) { Exit::Fine } else { Exit::Bad })
}
