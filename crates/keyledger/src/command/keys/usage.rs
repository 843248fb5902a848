//! `keyledger keys usage`

use anyhow::Result;
use clap::Args;

use super::request::path;
use crate::command::usage::{self, Span};
use crate::exit::Exit;

/// Show how often one key was verified, by the hour or the day
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger keys usage ID
  keyledger keys usage ID --from 2026-01-01T00:00:00Z --by hour")]
pub(super) struct Usage {
    /// The key's id
    id: String,
    #[command(flatten)]
    span: Span,
}

pub(super) fn run(options: &Usage) -> Result<Exit> {
    usage::show(&path(&options.id, "/usage"), None, &options.span)
}
