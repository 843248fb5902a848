//! `keyledger openapi`: the document that describes the HTTP API.

use anyhow::Result;

use crate::exit::Exit;
use crate::print;

pub(crate) fn run() -> Result<Exit> {
    print::line(serde_json::to_string_pretty(&server::openapi())?)?;
    Ok(Exit::Fine)
}
