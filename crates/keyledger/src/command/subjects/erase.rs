//! `keyledger subjects erase`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::path;
use crate::client::{Call, Client};
use crate::command::keys::request::{Body, Once};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print::{self, cell};
use crate::question;

/// Forget who a person is, for good; its keys work on
#[derive(Args, Debug)]
#[command(after_help = "\
What would be erased is shown, and a question is asked. It cannot be undone.

Examples:
  keyledger subjects erase ann@example.com --dry-run
  keyledger subjects erase ann@example.com --reason 'asked for it' --legal-basis 'GDPR art. 17' --yes")]
pub(super) struct Erase {
    /// Who it is
    subject: String,
    /// Why; do not name the person here
    #[arg(long)]
    reason: Option<String>,
    /// By which right
    #[arg(long, value_name = "TEXT")]
    legal_basis: Option<String>,
    /// Say what would be erased, and erase nothing
    #[arg(long, env = "KEYLEDGER_DRY_RUN")]
    dry_run: bool,
    /// Go on without a question
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &Erase) -> Result<Exit> {
    let is_put = question::is_needed(options.yes, options.dry_run)?;
    let client = Client::new(&options.remote)?;
    let body = Body::default()
        .with("reason", options.reason.clone())
        .with("legal_basis", options.legal_basis.clone())
        .done();
    let call = || Call::post(path(&options.subject, "/erase"), &body);
    if options.dry_run || is_put {
        let rehearsal = client.call(call().query("dry_run", Some(true)))?;
        if options.dry_run {
            return finish(options, &rehearsal);
        }
        print::line(format!(
            "erase {} for good, who is {} in records and has {} keys, which work on",
            print::plain(&options.subject),
            cell(&rehearsal, "/pseudonyms"),
            cell(&rehearsal, "/keys")
        ))?;
        if !question::confirmed()? {
            print::line("Nothing was erased.")?;
            return Ok(Exit::Bad);
        }
    }
    finish(options, &client.call(options.once.apply(call()))?)
}

/// Prints what came of it.
fn finish(options: &Erase, answer: &Value) -> Result<Exit> {
    if options.json.json {
        print::json(answer)?;
    } else {
        let would = if options.dry_run { "would be " } else { "" };
        print::line(format!(
            "{would}erased: {}; {} keys work on",
            cell(answer, "/pseudonyms"),
            cell(answer, "/keys")
        ))?;
    }
    Ok(Exit::Fine)
}
