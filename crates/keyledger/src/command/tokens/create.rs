//! `keyledger tokens create`

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use ledger::Role;
use serde_json::Value;

use super::print_fields;
use crate::client::{Call, Client};
use crate::command::keys::request::{Body, Care};
use crate::exit::Exit;
use crate::option_values::{duration, one_of};
use crate::options::{Json, Remote};
use crate::print;

/// Make a token; its text is shown once, on the last line
#[derive(Args, Debug)]
#[command(after_help = "\
It has nothing that your own token has not: no other account, no role above.

Examples:
  keyledger tokens create --subject gateway --role verifier --ttl 30d
  keyledger tokens create --subject bob --role user --account acme --ttl 8h")]
pub(super) struct Create {
    /// Whom it names
    #[arg(long)]
    subject: String,
    /// What it may do; may be given more than once
    #[arg(long, required = true, value_delimiter = ',', value_parser = one_of(roles()))]
    role: Vec<String>,
    /// The account it is bound to, `*` for all; needed when your token is for all of them
    #[arg(long)]
    account: Option<String>,
    /// How long it is good for, as in 30s, 15m, 1h or 7d
    #[arg(long, default_value = "1h", value_parser = duration)]
    ttl: Duration,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

fn roles() -> impl Iterator<Item = &'static str> {
    Role::OF_TOKENS.iter().map(|role| role.as_str())
}

pub(super) fn run(options: &Create) -> Result<Exit> {
    let body = Body::default()
        .with("subject", Some(options.subject.clone()))
        .list("role", &options.role)
        .with("account", options.account.clone())
        .with("ttl_s", Some(options.ttl.as_secs()))
        .done();
    let client = Client::new(&options.remote)?;
    let answer = client.call(options.care.apply(Call::post("/v1/tokens", &body)))?;
    if options.json.json {
        print::json(&answer)?;
        return Ok(Exit::Fine);
    }
    print_fields(answer.get("token").unwrap_or(&Value::Null))?;
    match answer.get("secret").and_then(Value::as_str) {
        Some(text) => print::line(format!("\nKeep this token, it is not shown again:\n{text}"))?,
        None => print::line("\nThere is no token to show: nothing was made by this request.")?,
    }
    Ok(Exit::Fine)
}
