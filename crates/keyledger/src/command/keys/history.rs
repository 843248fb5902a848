//! `keyledger keys history`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::request::path;
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print::{self, cell};
use crate::table::Table;

/// Show everything that happened to one key, oldest first
#[derive(Args, Debug)]
pub(super) struct History {
    /// The key's id
    id: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &History) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let mut events = Vec::new();
    client.pages(|| Call::get(path(&options.id, "/history")), None, &mut |event| {
        events.push(event.clone());
        Ok(())
    })?;
    if options.json.json {
        print::json(&Value::Array(events))?;
        return Ok(Exit::Fine);
    }
    let mut table =
        Table::new(&["SEQ", "RECORDED", "EVENT", "BEFORE", "AFTER", "REVISION", "BY", "REASON"]);
    for event in &events {
        table.row(row(event));
    }
    table.print()?;
    Ok(Exit::Fine)
}

fn row(event: &Value) -> Vec<String> {
    ["/seq", "/recorded_at", "/type", "/before", "/after", "/revision", "/actor/subject", "/reason"]
        .iter()
        .map(|pointer| cell(event, pointer))
        .collect()
}
