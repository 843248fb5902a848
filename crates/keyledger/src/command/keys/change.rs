//! `keyledger keys enable`, `disable`, `expire` and `revoke`

use anyhow::Result;
use clap::Args;
use keys::ReasonCode;
use serde_json::Value;

use super::output::print_key;
use super::request::{Body, Care, path};
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::option_values::one_of;
use crate::options::{Json, Remote};
use crate::print;

/// A change of one key
#[derive(Args, Debug)]
pub(super) struct Change {
    /// The key's id
    id: String,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Only if the key is at this revision
    #[arg(long, value_name = "REVISION")]
    if_match: Option<u32>,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    pub(super) json: Json,
}

/// Withdraw a key for good
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger keys revoke ID
  keyledger keys revoke ID --reason-code compromised --compromised-since 2026-01-02T03:04:05Z")]
pub(super) struct Revoke {
    #[command(flatten)]
    change: Change,
    /// Why, in a word that can be counted
    #[arg(long, value_name = "CODE", value_parser = one_of(ReasonCode::ALL))]
    reason_code: Option<String>,
    /// Since when it may have been in wrong hands
    #[arg(long, value_name = "TIME")]
    compromised_since: Option<String>,
}

pub(super) fn run(options: &Change, action: &str) -> Result<Exit> {
    send(options, action, Body::default())
}

pub(super) fn revoke(options: &Revoke) -> Result<Exit> {
    let body = Body::default()
        .with("reason_code", options.reason_code.clone())
        .with("compromised_since", options.compromised_since.clone());
    send(&options.change, "revoke", body)
}

fn send(options: &Change, action: &str, body: Body) -> Result<Exit> {
    let response = post(options, action, body)?;
    if options.json.json {
        print::json(&response)?;
    } else {
        print_key(response.get("key").unwrap_or(&response))?;
    }
    Ok(Exit::Fine)
}

/// Requests that action on the key.
pub(super) fn post(options: &Change, action: &str, body: Body) -> Result<Value> {
    let body = body.with("reason", options.reason.clone()).done();
    let call = Call::post(path(&options.id, &format!("/{action}")), &body)
        .header("if-match", options.if_match.map(|revision| format!("\"{revision}\"")));
    Client::new(&options.remote)?.call(options.care.apply(call))
}
