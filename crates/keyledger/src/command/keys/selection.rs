//! Which keys a change is of, and how it is made: options that one change and that of many share.

use clap::Args;

use super::filter::Filter;
use super::request::Care;
use crate::options::{Json, Remote};

/// How a change is made
#[derive(Args, Debug)]
pub(super) struct How {
    /// Why
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// Only if the key is at this revision
    #[arg(long, value_name = "REVISION")]
    pub(super) if_match: Option<u32>,
    #[command(flatten)]
    pub(super) care: Care,
    #[command(flatten)]
    pub(super) remote: Remote,
    #[command(flatten)]
    pub(super) json: Json,
}

/// Which keys
#[derive(Args, Debug)]
pub(super) struct Which {
    /// The key's id
    #[arg(required_unless_present = "all")]
    pub(super) id: Option<String>,
    /// Every key that the filters take
    #[arg(long, conflicts_with_all = ["id", "if_match"])]
    all: bool,
    /// Ask no question
    #[arg(long, requires = "all")]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) filter: Filter,
}
