//! `keyledger keys show`

use anyhow::Result;
use clap::Args;

use super::{path, print_key};
use crate::arguments::{Json, Remote};
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::print;

/// Show one key
#[derive(Args, Debug)]
pub(super) struct Show {
    /// The key's id
    id: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(asked: &Show) -> Result<Exit> {
    let key = Client::new(&asked.remote)?.call(Call::get(path(&asked.id, "")))?;
    if asked.json.json {
        print::json(&key)?;
    } else {
        print_key(&key)?;
    }
    Ok(Exit::Fine)
}
