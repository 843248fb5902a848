//! `keyledger audit limits`: the table of limits that records are judged by.

use anyhow::Result;
use clap::Args;

use crate::exit::Exit;
use crate::print;

/// Print the limits that records are judged by, as they stand in every bundle
#[derive(Args, Debug)]
pub(crate) struct Limits {}

pub(crate) fn run(_: &Limits) -> Result<Exit> {
    print::line(bundle::limits_text().trim_end())?;
    Ok(Exit::Fine)
}
