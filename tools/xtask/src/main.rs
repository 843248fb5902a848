//! The only automation: `cargo xtask <command>`.
//!
//! What a person or CI runs is a command here, never a shell script, so that it works the same
//! everywhere cargo does. It knows cargo and the layout of the house, nothing of what the crates do.

#![expect(clippy::print_stdout, reason = "a tool talks on stdout")]

mod cargo;
mod deny;
mod documents;
mod forward;
mod fuzz;
mod msrv;
mod test;
mod tidy;
mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The automation of this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What it can do.
#[derive(Subcommand)]
enum Command {
    /// Everything that must pass before a change lands: format, lints, tidy, tests
    Test,
    /// The rules no compiler checks: who imports whom, how long files and functions are
    Tidy {
        /// List every circle of files in this crate, and nothing else
        #[arg(long, value_name = "CRATE")]
        circles: Option<String>,
        /// List every vague name below this folder, and nothing else
        #[arg(long, value_name = "FOLDER", conflicts_with = "circles")]
        words: Option<String>,
    },
    /// Write `schemas/openapi.json` and `schemas/limits.json` anew from the code
    Schemas,
    /// Have other people's programs read the API documents: openapi-spec-validator, redocly, spectral
    Documents,
    /// What the dependencies may be (deny.toml): licenses, duplicates, sources, advisories
    Deny,
    /// The oldest Rust that is promised: what the dependencies need, and that compiler if it is here
    Msrv,
    /// Fuzz every parser, each target for a bounded time
    Fuzz(fuzz::Options),
    /// Build for release and print the table of figures, each beside its floor; with `--large` those of
    /// a table that grows to ten million keys
    #[command(disable_help_flag = true)]
    Bench {
        /// Options of `load bench`, after `--large` of `load large`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// What one caller can do to another, shown by a quiet tenant beside one who does his worst
    #[command(disable_help_flag = true)]
    Siege {
        /// Options of `load siege`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Import a million keys in one request, and say how many a second
    #[command(disable_help_flag = true)]
    Import {
        /// Options of `load import`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Load the service for half an hour with restarts, kills and storms, and check what is left
    #[command(disable_help_flag = true)]
    Soak {
        /// Options of `load soak`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// The fault tests, in their long form
    #[command(disable_help_flag = true)]
    Crash {
        /// Options of `crash`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Test => test::run(),
        Command::Tidy { circles: Some(name), .. } => tidy::circles(&name),
        Command::Tidy { words: Some(folder), .. } => tidy::words(&folder),
        Command::Tidy { .. } => tidy::run(),
        Command::Schemas => forward::schemas(),
        Command::Documents => documents::run(),
        Command::Deny => deny::run(),
        Command::Msrv => msrv::run(),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Bench { options } => forward::bench(&options),
        Command::Siege { options } => forward::siege(&options),
        Command::Import { options } => forward::import(&options),
        Command::Soak { options } => forward::soak(&options),
        Command::Crash { options } => forward::crash(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
