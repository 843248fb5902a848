//! `keyledger openapi`: the document that describes the HTTP API.

use anyhow::Result;
use clap::Args;
use keys::Dialect;

use crate::exit::Exit;
use crate::print;

/// Options of `keyledger openapi`.
#[derive(Debug, Args)]
pub(crate) struct Openapi {
    /// Of which API: `native` or a dialect
    #[arg(long, value_name = "NAME", default_value = "native")]
    dialect: Dialect,
}

pub(crate) fn run(options: &Openapi) -> Result<Exit> {
    print::line(serde_json::to_string_pretty(&server::openapi(options.dialect))?)?;
    Ok(Exit::Fine)
}
