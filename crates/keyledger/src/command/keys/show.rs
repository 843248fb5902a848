//! `keyledger keys show`

use anyhow::Result;
use clap::Args;

use super::output::print_key;
use super::request::path;
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::options::{Json, LookBack, Remote};
use crate::print;

/// Show one key, as it is or as it was
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger keys show ID
  keyledger keys show ID --as-of seq:1000
  keyledger keys show ID --as-of 2026-01-02T14:03:00Z")]
pub(super) struct Show {
    /// The key's id
    id: String,
    #[command(flatten)]
    moment: LookBack,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(options: &Show) -> Result<Exit> {
    let call = Call::get(path(&options.id, "")).query("as_of", options.moment.as_of);
    let key = Client::new(&options.remote)?.call(call)?;
    if options.json.json {
        print::json(&key)?;
    } else {
        print_key(&key)?;
    }
    Ok(Exit::Fine)
}
