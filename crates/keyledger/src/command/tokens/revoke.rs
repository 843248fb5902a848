//! `keyledger tokens revoke`

use anyhow::Result;
use clap::{ArgGroup, Args};

use super::print_fields;
use crate::client::{Call, Client, escaped};
use crate::command::keys::request::{Body, Once};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print;

/// End tokens before their time, at once and for good: one, or all of a range
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("which").required(true).multiple(true)
        .args(["jti", "subject", "issued_before"]),
    after_help = "\
Those that were never used are ended too. Your own token is, if it is in the range.

Examples:
  keyledger tokens revoke 4f0c6e2a8d1b4f0c6e2a8d1b4f0c6e2a
  keyledger tokens revoke --subject ann --account acme
  keyledger tokens revoke --issued-before 2026-01-02T03:04:05Z --dry-run")]
pub(super) struct Revoke {
    /// The id of one token
    #[arg(conflicts_with_all = ["subject", "issued_before", "account", "reason"])]
    jti: Option<String>,
    /// All of this subject
    #[arg(long)]
    subject: Option<String>,
    /// All that were made before
    #[arg(long, value_name = "TIME")]
    issued_before: Option<String>,
    /// Only those bound to this account
    #[arg(long)]
    account: Option<String>,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Say what would be ended, and end nothing
    #[arg(long, env = "KEYLEDGER_DRY_RUN")]
    dry_run: bool,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &Revoke) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let dry_run = options.dry_run.then_some(true);
    let answer = if let Some(jti) = &options.jti {
        let call = Call::delete(format!("/v1/tokens/{}", escaped(jti)));
        client.call(call.query("dry_run", dry_run))?
    } else {
        let body = Body::default()
            .with("subject", options.subject.clone())
            .with("issued_before", options.issued_before.clone())
            .with("account", options.account.clone())
            .with("reason", options.reason.clone())
            .done();
        let call = Call::post("/v1/tokens/revoke", &body);
        client.call(options.once.apply(call.query("dry_run", dry_run)))?
    };
    if options.json.json {
        print::json(&answer)?;
    } else {
        print_fields(answer.get("token").unwrap_or(&answer))?;
    }
    Ok(Exit::Fine)
}
