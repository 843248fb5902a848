//! `keyledger webhooks create`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::Value;

use crate::client::{Call, Client};
use crate::command::keys::request::{Body, Care};
use crate::command::webhooks::one::print_webhook;
use crate::data_dir::secret_file::{self, Exposed};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print;

/// Make a webhook; its secret is shown once, on the last line
#[derive(Args, Debug)]
pub(super) struct Create {
    /// Where to post
    #[arg(value_name = "URL")]
    target: String,
    /// What to hear of: created, enabled, disabled, expired, revoked and so on, and `expiring`, 30, 7
    /// and 1 days before a key ends; may be given more than once
    #[arg(long = "event", value_name = "EVENT", value_delimiter = ',', required = true)]
    events: Vec<String>,
    /// The account whose keys it is about; all, if you do not say and your token is for all
    #[arg(long)]
    account: Option<String>,
    /// A file with a secret of your own (`whsec_…`), instead of one that is made
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &Create) -> Result<Exit> {
    let secret = options.secret_file.as_ref().map(|path| {
        let text = secret_file::read(path, Exposed::Accepted)?;
        let text = text.with_context(|| format!("there is no file `{}`", path.display()))?;
        Ok::<_, anyhow::Error>(text.trim().to_owned())
    });
    let body = Body::default()
        .with("url", Some(options.target.clone()))
        .list("events", &options.events)
        .with("account", options.account.clone())
        .with("secret", secret.transpose()?)
        .done();
    let client = Client::new(&options.remote)?;
    let answer = client.call(options.care.apply(Call::post("/v1/webhooks", &body)))?;
    if options.json.json {
        print::json(&answer)?;
        return Ok(Exit::Fine);
    }
    print_webhook(answer.get("webhook").unwrap_or(&Value::Null))?;
    match answer.get("secret").and_then(Value::as_str) {
        Some(secret) => {
            print::line(format!("\nKeep this secret, it is not shown again:\n{secret}"))?;
        }
        None => print::line("There is no secret to show: nothing was made by this request.")?,
    }
    Ok(Exit::Fine)
}
