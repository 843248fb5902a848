//! `keyledger keys rotate`

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::change::{Change, post};
use super::create::Attributes;
use super::output::print_new;
use crate::exit::Exit;
use crate::option_values::duration;
use crate::print;

/// Put a new key in the place of an old one
#[derive(Args, Debug)]
#[command(after_help = "\
Attributes that are not given are copied from the old key, which stays valid for the overlap.

Examples:
  keyledger keys rotate ID --overlap 1h
  keyledger keys rotate ID --permission orders.read,orders.write")]
pub(super) struct Rotate {
    #[command(flatten)]
    change: Change,
    /// How long the old key stays valid, up to 7d
    #[arg(long, default_value = "0s", value_parser = duration)]
    overlap: Duration,
    /// The new key's display name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    attributes: Attributes,
}

pub(super) fn run(options: &Rotate) -> Result<Exit> {
    let body = options
        .attributes
        .body()
        .with("overlap_s", Some(options.overlap.as_secs()))
        .with("name", options.name.clone());
    let response = post(&options.change, "rotate", body)?;
    if options.change.how.json.json {
        print::json(&response)?;
    } else {
        print_new(&response)?;
    }
    Ok(Exit::Fine)
}
