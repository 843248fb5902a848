//! `keyledger tokens list`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print::{self, cell};
use crate::table::Table;

/// List the tokens that were made or used, all pages of them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger tokens list
  keyledger tokens list --subject ann --json
  keyledger tokens list --ended false")]
pub(super) struct List {
    /// Whom they name
    #[arg(long)]
    subject: Option<String>,
    /// The account they are bound to; `*` are those of all accounts
    #[arg(long)]
    account: Option<String>,
    /// Only those that were, or were not, ended before their time
    #[arg(long, value_name = "true|false")]
    ended: Option<bool>,
    /// The most tokens to list
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

impl List {
    fn call(&self) -> Call<'static> {
        Call::get("/v1/tokens")
            .query("subject", self.subject.as_ref())
            .query("account", self.account.as_ref())
            .query("ended", self.ended)
    }
}

pub(super) fn run(options: &List) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let mut tokens = Vec::new();
    client.pages(|| options.call(), options.limit, &mut |token| {
        tokens.push(token.clone());
        Ok(())
    })?;
    if options.json.json {
        print::json(&Value::Array(tokens))?;
        return Ok(Exit::Fine);
    }
    let header = ["JTI", "SUBJECT", "ACCOUNT", "ROLE", "ISSUED", "EXPIRES", "LAST USED", "ENDED"];
    let fields = [
        "jti",
        "subject",
        "account",
        "role",
        "issued_at",
        "expires_at",
        "last_used_at",
        "ended_at",
    ];
    let mut table = Table::new(&header);
    for token in &tokens {
        table.row(fields.iter().map(|name| cell(token, &format!("/{name}"))).collect());
    }
    table.print()?;
    Ok(Exit::Fine)
}
