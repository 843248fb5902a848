//! `keyledger subjects …`: all that there is about a person, and its end, over HTTP.

mod erase;
mod hold;
mod show;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::client::escaped;
use crate::exit::Exit;

/// All that there is about a person; hold it, release it, erase it
#[derive(Args, Debug)]
#[command(after_help = "\
For tokens of role admin and all accounts.

Examples:
  keyledger subjects show ann@example.com --json > ann.json
  keyledger subjects hold ann@example.com --reason 'court order 12/34'
  keyledger subjects release ann@example.com
  keyledger subjects erase ann@example.com --legal-basis 'GDPR art. 17'")]
pub(crate) struct Subjects {
    #[command(subcommand)]
    what: What,
}

/// What there is to do with a person.
#[derive(Debug, Subcommand)]
enum What {
    /// Show all that there is about a person
    Show(show::Show),
    /// Forget who a person is, for good; its keys work on
    Erase(erase::Erase),
    /// Forbid that a person is erased
    Hold(hold::Hold),
    /// Release a hold
    Release(hold::Release),
}

pub(crate) fn run(options: &Subjects) -> Result<Exit> {
    match &options.what {
        What::Show(options) => show::run(options),
        What::Erase(options) => erase::run(options),
        What::Hold(options) => hold::hold(options),
        What::Release(options) => hold::release(options),
    }
}

/// The path of a person, who may be called anything.
fn path(subject: &str, rest: &str) -> String {
    format!("/v1/subjects/{}{rest}", escaped(subject))
}
