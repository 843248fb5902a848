//! `keyledger keys verify`

use anyhow::{Context as _, Result};
use clap::Args;
use keys::Environment;
use serde_json::Value;

use super::output::print_key;
use super::presented::presented;
use super::request::Body;
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::option_values::one_of;
use crate::options::{Json, LookBack, Remote};
use crate::print::{self, cell};

/// Ask whether a key may be used, or might have been; exit code 1 if not
#[derive(Args, Debug)]
#[command(after_help = "\
With --as-of, for auditors and admins, it says whether the key would have been good then. Uses are
not in the log: that counts none, and knows of no daily limit.

Examples:
  keyledger keys verify - < key.txt
  keyledger keys verify - --as-of 2026-01-02T14:03:00Z < key.txt
  keyledger keys verify - --permission orders.read --ip 203.0.113.7 < key.txt")]
pub(super) struct Verify {
    /// The key, or `-` to read it from stdin, where no list of processes shows it
    key: String,
    /// What it is to be used for, as in `orders.read`
    #[arg(long)]
    permission: Option<String>,
    /// The address it is used from
    #[arg(long)]
    ip: Option<String>,
    /// The project it is used on
    #[arg(long)]
    project: Option<String>,
    /// The environment it is used in
    #[arg(long, value_parser = one_of(Environment::ALL))]
    environment: Option<String>,
    #[command(flatten)]
    moment: LookBack,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &Verify) -> Result<Exit> {
    let key = presented(&options.key)?;
    let body = Body::default()
        .with("key", Some(key))
        .with("permission", options.permission.clone())
        .with("ip", options.ip.clone())
        .with("project", options.project.clone())
        .with("environment", options.environment.clone())
        .done();
    let call = Call::post("/v1/keys/verify", &body).query("as_of", options.moment.as_of);
    let answer = Client::new(&options.remote)?.call(call)?;
    let valid = answer.get("valid").and_then(Value::as_bool).context("there is no verdict")?;
    if options.json.json {
        print::json(&answer)?;
    } else {
        print::line(cell(&answer, "/code"))?;
        print_key(answer.get("key").unwrap_or(&Value::Null))?;
    }
    Ok(if valid { Exit::Fine } else { Exit::Bad })
}
