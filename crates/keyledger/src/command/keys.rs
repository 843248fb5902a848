//! `keyledger keys …`: keys over HTTP.

mod bulk;
mod change;
mod create;
mod filter;
mod history;
mod import;
mod list;
mod output;
mod own_key;
mod presented;
pub(super) mod request;
mod rotate;
mod selection;
mod show;
mod update;
mod usage;
mod verify;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::exit::Exit;

/// Make, find, change and verify keys
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger keys create --name ci --permission orders.read --ttl 90d
  keyledger keys import keys.csv --map sha256=key_hash --source billing
  keyledger keys list --status enabled
  keyledger keys list --status enabled --unused-since 90d
  keyledger keys list --as-of 2026-01-02T14:03:00Z
  keyledger keys rotate ID --overlap 1h
  keyledger keys update ID --add-permission orders.read --tag batch
  keyledger keys revoke ID --reason-code compromised
  keyledger keys revoke --all --owner ann --reason-code owner_left
  keyledger keys verify - --permission orders.read < key.txt
  keyledger keys revoke-self - < leaked.txt")]
pub(crate) struct Keys {
    #[command(subcommand)]
    what: What,
}

/// What there is to do with keys.
#[derive(Debug, Subcommand)]
enum What {
    /// Make a key; its secret is shown once
    Create(Box<create::Create>),
    /// Import keys that were made elsewhere, from a file
    Import(Box<import::Import>),
    /// List keys, all pages of them
    List(Box<list::List>),
    /// Show one key
    Show(show::Show),
    /// Show everything that happened to one key, oldest first
    History(history::History),
    /// Show how often one key was verified
    Usage(usage::Usage),
    /// Switch a key back on
    Enable(Box<change::StatusChange>),
    /// Switch a key off; it can be enabled again
    Disable(Box<change::StatusChange>),
    /// End a key before its time
    Expire(Box<change::StatusChange>),
    /// Put a new key in the place of an old one
    Rotate(Box<rotate::Rotate>),
    /// Edit a key; its secret stays the same
    Update(Box<update::Update>),
    /// Withdraw a key for good
    Revoke(Box<change::Revoke>),
    /// Ask whether a key may be used
    Verify(verify::Verify),
    /// Show the key that this is the text of
    #[command(name = "self")]
    Own(own_key::Own),
    /// Withdraw the key that this is the text of, for good
    #[command(name = "revoke-self")]
    RevokeOwn(own_key::RevokeOwn),
}

pub(crate) fn run(options: &Keys) -> Result<Exit> {
    match &options.what {
        What::Create(options) => create::run(options),
        What::Import(options) => import::run(options),
        What::List(options) => list::run(options),
        What::Show(options) => show::run(options),
        What::History(options) => history::run(options),
        What::Usage(options) => usage::run(options),
        What::Enable(options) => change::run(options, "enable"),
        What::Disable(options) => change::run(options, "disable"),
        What::Expire(options) => change::run(options, "expire"),
        What::Rotate(options) => rotate::run(options),
        What::Update(options) => update::run(options),
        What::Revoke(options) => change::revoke(options),
        What::Verify(options) => verify::run(options),
        What::Own(options) => own_key::show(options),
        What::RevokeOwn(options) => own_key::revoke(options),
    }
}
