//! `keyledger keys enable`, `disable`, `expire` and `revoke`

use anyhow::Result;
use clap::Args;
use keys::ReasonCode;
use serde_json::Value;

use super::bulk;
use super::output::print_key;
use super::request::{Body, path};
use super::selection::{How, Which};
use crate::client::{Call, Client};
use crate::exit::{Exit, misuse};
use crate::option_values::one_of;
use crate::print;

/// A change of one key
#[derive(Args, Debug)]
pub(super) struct Change {
    /// The key's id
    id: String,
    #[command(flatten)]
    pub(super) how: How,
}

/// A change of the status of one key, or of every key that filters take
#[derive(Args, Debug)]
#[command(after_help = "\
Without --all it is one key, and no filter is given. With it the first keys are shown, and a
question is asked; then a thousand are changed in a commit, until none is left. It fails (exit code
1) if keys were refused and none was changed, or if one was refused although it is not so already
and has not ended. For `enable` a key that has ended is a failure.

Examples:
  keyledger keys disable ID
  keyledger keys disable --all --owner ann --dry-run
  keyledger keys disable --all --unused-since 90d --status enabled")]
pub(super) struct StatusChange {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
}

/// Withdraw a key for good, or every key that filters take
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger keys revoke ID
  keyledger keys revoke ID --reason-code compromised --compromised-since 2026-01-02T03:04:05Z
  keyledger keys revoke --all --owner ann --reason-code owner_left")]
pub(super) struct Revoke {
    #[command(flatten)]
    change: StatusChange,
    /// Why, in a word that can be counted
    #[arg(long, value_name = "CODE", value_parser = one_of(ReasonCode::ALL))]
    reason_code: Option<String>,
    /// Since when it may have been in wrong hands
    #[arg(long, value_name = "TIME")]
    compromised_since: Option<String>,
}

pub(super) fn run(options: &StatusChange, action: &str) -> Result<Exit> {
    send(options, action, Body::default())
}

pub(super) fn revoke(options: &Revoke) -> Result<Exit> {
    let body = Body::default()
        .with("reason_code", options.reason_code.clone())
        .with("compromised_since", options.compromised_since.clone());
    send(&options.change, "revoke", body)
}

fn send(StatusChange { which, how }: &StatusChange, action: &str, body: Body) -> Result<Exit> {
    let Some(id) = &which.id else { return bulk::run(which, how, action, body) };
    if which.filter.body() != Value::Object(serde_json::Map::new()) {
        return Err(misuse("a filter is for --all, not for one key"));
    }
    let response = change(id, how, action, body)?;
    if how.json.json {
        print::json(&response)?;
    } else {
        print_key(response.get("key").unwrap_or(&response))?;
    }
    Ok(Exit::Fine)
}

/// Requests that action on the key.
pub(super) fn post(options: &Change, action: &str, body: Body) -> Result<Value> {
    change(&options.id, &options.how, action, body)
}

fn change(id: &str, how: &How, action: &str, body: Body) -> Result<Value> {
    let body = body.with("reason", how.reason.clone()).done();
    let call = Call::post(path(id, &format!("/{action}")), &body)
        .header("if-match", how.if_match.map(|revision| format!("\"{revision}\"")));
    Client::new(&how.remote)?.call(how.care.apply(call))
}
