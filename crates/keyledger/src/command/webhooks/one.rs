//! `keyledger webhooks show`, `delete`, `deliveries` and `replay`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::client::{Call, Client, escaped};
use crate::command::keys::request::Once;
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print::{self, cell};
use crate::table::Table;

/// One webhook
#[derive(Args, Debug)]
pub(super) struct Chosen {
    /// The webhook's id
    id: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

/// Delete a webhook: nothing more is sent
#[derive(Args, Debug)]
pub(super) struct Delete {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    once: Once,
}

/// Send events again, and start again if the receiver was given up
#[derive(Args, Debug)]
pub(super) struct Replay {
    #[command(flatten)]
    chosen: Chosen,
    /// The last event that need not be sent again
    #[arg(long, value_name = "SEQ", required_unless_present = "all")]
    after: Option<u64>,
    /// Send the whole log
    #[arg(long, conflicts_with = "after")]
    all: bool,
    #[command(flatten)]
    once: Once,
}

impl Chosen {
    fn path(&self, rest: &str) -> String {
        format!("/v1/webhooks/{}{rest}", escaped(&self.id))
    }

    fn print(&self, call: Call<'_>) -> Result<Exit> {
        let webhook = Client::new(&self.remote)?.call(call)?;
        if self.json.json {
            print::json(&webhook)?;
        } else {
            print_webhook(&webhook)?;
        }
        Ok(Exit::Fine)
    }
}

pub(super) fn show(options: &Chosen) -> Result<Exit> {
    options.print(Call::get(options.path("")))
}

pub(super) fn delete(options: &Delete) -> Result<Exit> {
    let Delete { chosen, once } = options;
    chosen.print(once.apply(Call::delete(chosen.path(""))))
}

pub(super) fn replay(options: &Replay) -> Result<Exit> {
    let Replay { chosen, after, once, .. } = options;
    let call = Call::post_empty(chosen.path("/replay"));
    chosen.print(once.apply(call.query("after", *after)))
}

pub(super) fn deliveries(options: &Chosen) -> Result<Exit> {
    let answer = Client::new(&options.remote)?.call(Call::get(options.path("/deliveries")))?;
    let items = answer.get("items").and_then(Value::as_array);
    if options.json.json {
        print::json(&Value::Array(items.cloned().unwrap_or_default()))?;
        return Ok(Exit::Fine);
    }
    let mut table =
        Table::new(&["AT", "SEQ", "EVENT", "ATTEMPT", "OUTCOME", "STATUS", "MS", "MESSAGE"]);
    for delivery in items.into_iter().flatten() {
        let fields =
            ["/at", "/seq", "/type", "/attempt", "/outcome", "/status", "/took_ms", "/message"];
        table.row(fields.iter().map(|field| cell(delivery, field)).collect());
    }
    table.print()?;
    Ok(Exit::Fine)
}

/// Prints a webhook, one attribute a line.
pub(super) fn print_webhook(webhook: &Value) -> Result<()> {
    for (name, value) in webhook.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::Object(fields) => {
                let shown = ["at", "outcome", "status", "message"];
                let shown = shown.iter().filter(|field| fields.get(**field) != Some(&Value::Null));
                let shown: Vec<_> = shown.map(|field| cell(value, &format!("/{field}"))).collect();
                print::line(format!("{name:<14} {}", shown.join(" ")))?;
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                print::line(format!("{name:<14} {}", cell(value, "")))?;
            }
        }
    }
    Ok(())
}
