//! `keyledger subjects show`

use std::io::{IsTerminal as _, Write as _, stdout};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::Value;

use super::path;
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print::{self, cell};

/// Show all that there is about a person
#[derive(Args, Debug)]
#[command(after_help = "\
Without --json it is a summary. In a file or a pipe --json gives what the server sends, as it comes.

Examples:
  keyledger subjects show ann@example.com
  keyledger subjects show ann@example.com --json | jq '.keys[].id'")]
pub(super) struct Show {
    /// Who it is
    subject: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &Show) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let call = Call::get(path(&options.subject, ""));
    if options.json.json && !stdout().is_terminal() {
        std::io::copy(&mut client.stream(call)?, &mut stdout()).context("the answer broke off")?;
        stdout().flush()?;
        return Ok(Exit::Fine);
    }
    let answer = client.call(call)?;
    if options.json.json {
        print::json(&answer)?;
    } else {
        print_summary(&answer)?;
    }
    Ok(Exit::Fine)
}

/// Prints texts, and of each list of things how many there are.
fn print_summary(answer: &Value) -> Result<()> {
    for (name, value) in answer.as_object().into_iter().flatten() {
        let items = value.as_array().filter(|_| name != "pseudonyms");
        let shown = items.map_or_else(|| cell(value, ""), |items| items.len().to_string());
        print::line(format!("{name:<14} {shown}"))?;
    }
    Ok(())
}
