//! `keyledger keys rotate`

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::create::Attributes;
use super::output::print_new;
use super::request::{Care, path};
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::option_values::duration;
use crate::options::{Json, Remote};
use crate::print;

/// Put a new key in the place of an old one
#[derive(Args, Debug)]
#[command(after_help = "\
What is not said is copied from the old key, which stays valid for the overlap.

Examples:
  keyledger keys rotate ID --overlap 1h
  keyledger keys rotate ID --permission orders.read,orders.write")]
pub(super) struct Rotate {
    /// The old key's id
    id: String,
    /// How long the old key stays valid, up to 7d
    #[arg(long, default_value = "0s", value_parser = duration)]
    overlap: Duration,
    /// The new key's display name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    attributes: Attributes,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Only if the old key is at this revision
    #[arg(long, value_name = "REVISION")]
    if_match: Option<u32>,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &Rotate) -> Result<Exit> {
    let body = options
        .attributes
        .body()
        .with("overlap_s", Some(options.overlap.as_secs()))
        .with("name", options.name.clone())
        .with("reason", options.reason.clone())
        .done();
    let call = Call::post(path(&options.id, "/rotate"), &body)
        .header("if-match", options.if_match.map(|revision| format!("\"{revision}\"")));
    let answer = Client::new(&options.remote)?.call(options.care.apply(call))?;
    if options.json.json {
        print::json(&answer)?;
    } else {
        print_new(&answer)?;
    }
    Ok(Exit::Fine)
}
