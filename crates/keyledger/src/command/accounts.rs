//! `keyledger accounts …`: the file with the rules of accounts.

mod check;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::exit::Exit;

/// Look at a file with the rules of accounts
#[derive(Args, Debug)]
pub(crate) struct Accounts {
    #[command(subcommand)]
    what: What,
}

/// What there is to do with such a file.
#[derive(Debug, Subcommand)]
enum What {
    /// Check a file before the service reads it, and print the rules of each account
    Check(check::Check),
}

pub(crate) fn run(options: &Accounts) -> Result<Exit> {
    match &options.what {
        What::Check(options) => check::run(options),
    }
}
