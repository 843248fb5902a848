//! `keyledger keys self` and `revoke-self`: what whoever holds a key's text can do with it alone.

use anyhow::Result;
use clap::Args;
use keys::ReasonCode;
use serde_json::Value;

use super::output::print_key;
use super::presented::presented;
use super::request::{Body, Care};
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::option_values::one_of;
use crate::options::Json;
use crate::print;

/// Show the key that this is the text of; it takes no token
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger keys self - < key.txt")]
pub(super) struct Own {
    /// The key, or `-` to read it from stdin, where no list of processes shows it
    key: String,
    /// The server
    #[arg(long, env = "KEYLEDGER_URL", default_value = "http://127.0.0.1:7070")]
    url: String,
    #[command(flatten)]
    json: Json,
}

/// Withdraw the key that this is the text of, for good; it takes no token
#[derive(Args, Debug)]
#[command(after_help = "\
For whoever finds a key that leaked.

Examples:
  keyledger keys revoke-self - < key.txt
  keyledger keys revoke-self - --reason-code compromised --reason 'seen in a public place' < key.txt")]
pub(super) struct RevokeOwn {
    #[command(flatten)]
    own: Own,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Why, in a word that can be counted
    #[arg(long, value_name = "CODE", value_parser = one_of(ReasonCode::ALL))]
    reason_code: Option<String>,
    /// Since when it may have been in wrong hands
    #[arg(long, value_name = "TIME")]
    compromised_since: Option<String>,
    #[command(flatten)]
    care: Care,
}

pub(super) fn show(options: &Own) -> Result<Exit> {
    let call = Call::get("/v1/self");
    print(options, &options.client()?.call(call)?)
}

pub(super) fn revoke(options: &RevokeOwn) -> Result<Exit> {
    let body = Body::default()
        .with("reason", options.reason.clone())
        .with("reason_code", options.reason_code.clone())
        .with("compromised_since", options.compromised_since.clone())
        .done();
    let call = options.care.apply(Call::post("/v1/self/revoke", &body));
    print(&options.own, &options.own.client()?.call(call)?)
}

impl Own {
    fn client(&self) -> Result<Client> {
        Client::by_key(&self.url, &presented(&self.key)?)
    }
}

fn print(options: &Own, answer: &Value) -> Result<Exit> {
    if options.json.json {
        print::json(answer)?;
    } else {
        print_key(answer.get("key").unwrap_or(answer))?;
    }
    Ok(Exit::Fine)
}
