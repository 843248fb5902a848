//! `keyledger webhooks list`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print::{self, cell};
use crate::table::Table;

/// List webhooks, all pages of them
#[derive(Args, Debug)]
pub(super) struct List {
    /// The account they are for
    #[arg(long)]
    account: Option<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &List) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let mut webhooks = Vec::new();
    let call = || Call::get("/v1/webhooks").query("account", options.account.as_ref());
    client.pages(call, None, &mut |webhook| {
        webhooks.push(webhook.clone());
        Ok(())
    })?;
    if options.json.json {
        print::json(&Value::Array(webhooks))?;
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&["ID", "STATUS", "ACCOUNT", "NEXT", "EVENTS", "URL"]);
    for webhook in &webhooks {
        let fields = ["/id", "/status", "/account", "/next_seq", "/events", "/url"];
        table.row(fields.iter().map(|field| cell(webhook, field)).collect());
    }
    table.print()?;
    Ok(Exit::Fine)
}
