//! `keyledger tokens …`: the service's own tokens, over HTTP.

mod create;
mod list;
mod revoke;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::exit::Exit;
use crate::print::{self, cell};

/// List, make and end the service's own tokens
#[derive(Args, Debug)]
#[command(after_help = "\
`keyledger token` makes one without the server, from the data directory.

Examples:
  keyledger tokens list
  keyledger tokens create --subject gateway --role verifier --ttl 30d
  keyledger tokens revoke JTI
  keyledger tokens revoke --subject ann --reason 'laptop lost'
  keyledger tokens revoke --issued-before 2026-01-02T03:04:05Z")]
pub(crate) struct Tokens {
    #[command(subcommand)]
    what: What,
}

/// What there is to do with tokens.
#[derive(Debug, Subcommand)]
enum What {
    /// List the tokens that were made or used
    List(list::List),
    /// Make a token; its text is shown once
    Create(create::Create),
    /// End tokens before their time, at once and for good
    Revoke(revoke::Revoke),
}

pub(crate) fn run(options: &Tokens) -> Result<Exit> {
    match &options.what {
        What::List(options) => list::run(options),
        What::Create(options) => create::run(options),
        What::Revoke(options) => revoke::run(options),
    }
}

/// Prints an object of an answer, one field a line.
fn print_fields(object: &Value) -> Result<()> {
    for (name, value) in object.as_object().into_iter().flatten() {
        if !value.is_null() {
            print::line(format!("{name:<14} {}", cell(value, "")))?;
        }
    }
    Ok(())
}
