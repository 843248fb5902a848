//! The commands, a module each.

mod accounts;
mod audit;
mod completions;
mod events;
mod fsck;
mod keys;
mod openapi;
mod replay;
mod serve;
mod subjects;
mod token;
mod tokens;
mod usage;
mod webhooks;
mod witness;
mod worker;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Exit;

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service
    Serve(Box<serve::Serve>),
    /// Make a token to call the service with
    Token(token::Token),
    /// Who has which token of the service's own: list them, make them, end them
    Tokens(tokens::Tokens),
    /// Make, find, change and verify keys
    Keys(keys::Keys),
    /// What happened: list it, export it, follow it
    Events(events::Events),
    /// How often keys were verified, by the hour or the day
    Usage(usage::Usage),
    /// Make, show, delete and replay webhooks
    Webhooks(webhooks::Webhooks),
    /// All that there is about a person; hold it, release it, erase it
    Subjects(subjects::Subjects),
    /// Look at a file with the rules of accounts
    Accounts(accounts::Accounts),
    /// Rebuild the table of keys from a stopped data directory, as it was at any moment
    Replay(replay::Replay),
    /// Cosign the checkpoints of logs that only grow, for those who do not trust their operators
    Witness(witness::WitnessOptions),
    /// Record from outside that keys are expired
    Worker(worker::Worker),
    /// Take the log away, check it, watch it, without having to trust its operator
    Audit(audit::Audit),
    /// Check every byte of a stopped data directory
    Fsck(fsck::Fsck),
    #[command(about = "Print the OpenAPI document of the service, or of one of its dialects")]
    Openapi(openapi::Openapi),
    /// Print what makes a shell complete this command line
    Completions(completions::Completions),
}

/// Runs one. `definition` is the whole command line, for the command that prints completions of it.
pub(crate) fn run(command: Command, definition: impl FnOnce() -> clap::Command) -> Result<Exit> {
    // Tokens, logs and certificates all have times: with such a clock each of them looks wrong.
    ledger::SystemClock::check()?;
    match command {
        Command::Serve(options) => serve::run(&options),
        Command::Token(options) => token::run(&options),
        Command::Tokens(options) => tokens::run(&options),
        Command::Keys(options) => keys::run(&options),
        Command::Events(options) => events::run(&options),
        Command::Usage(options) => usage::run(&options),
        Command::Webhooks(options) => webhooks::run(&options),
        Command::Subjects(options) => subjects::run(&options),
        Command::Accounts(options) => accounts::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::Witness(options) => witness::run(&options),
        Command::Worker(options) => worker::run(&options),
        Command::Audit(options) => audit::run(&options),
        Command::Fsck(options) => fsck::run(&options),
        Command::Openapi(options) => openapi::run(&options),
        Command::Completions(options) => completions::run(&options, &mut definition()),
    }
}
