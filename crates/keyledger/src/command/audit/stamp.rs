//! `keyledger audit stamp`: a time-stamp of the newest checkpoint, now.

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::Value;

use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print;

/// Have the newest checkpoint time-stamped now
#[derive(Args, Debug)]
#[command(after_help = "\
The server asks its time-stamping authority (serve --tsa), and has the answer in every bundle from then
on. It needs the token of an auditor of all accounts; once a minute.

Examples:
  keyledger audit stamp
  keyledger audit stamp --json")]
pub(crate) struct StampNow {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(crate) fn run(options: &StampNow) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let stamped = client.call(Call::post_empty("/log/stamps"))?;
    if options.json.json {
        print::json(&stamped)?;
    } else {
        let at = stamped.get("at").and_then(Value::as_str).context("the answer has no time")?;
        let size = stamped.get("size").context("the answer has no size")?;
        print::line(format!("size {size} was stamped at {}", print::plain(at)))?;
    }
    Ok(Exit::Fine)
}
