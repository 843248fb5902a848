//! `keyledger webhooks …`: where events are posted to, over HTTP.

mod create;
mod list;
mod one;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::exit::Exit;

/// Make, show, delete and replay webhooks
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger webhooks create https://hooks.example.com/keys --event created,revoked,expiring
  keyledger webhooks list
  keyledger webhooks deliveries ID
  keyledger webhooks replay ID --after 1000
  keyledger webhooks delete ID")]
pub(crate) struct Webhooks {
    #[command(subcommand)]
    what: What,
}

/// What there is to do with webhooks.
#[derive(Debug, Subcommand)]
enum What {
    /// List webhooks, all pages of them
    List(list::List),
    /// Make a webhook; its secret is shown once, on the last line
    Create(create::Create),
    /// Show one webhook, and whether its receiver takes what is sent
    Show(one::Chosen),
    /// Delete a webhook: nothing more is sent
    Delete(one::Delete),
    /// Show the last 100 attempts to deliver, newest first
    Deliveries(one::Chosen),
    /// Send events again, and start again if the receiver was given up
    Replay(one::Replay),
}

pub(crate) fn run(options: &Webhooks) -> Result<Exit> {
    match &options.what {
        What::List(options) => list::run(options),
        What::Create(options) => create::run(options),
        What::Show(options) => one::show(options),
        What::Delete(options) => one::delete(options),
        What::Deliveries(options) => one::deliveries(options),
        What::Replay(options) => one::replay(options),
    }
}
