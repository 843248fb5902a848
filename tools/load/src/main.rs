//! The load generator: how fast the service answers, and how near that is to the floor.
//!
//! A closed loop: every connection sends a request, waits for the answer and sends the next. The
//! generator runs beside the server on the same machine, so it must use as little of it as it can:
//! request bytes are made beforehand, and of a response only the status and the length are read.
//!
//! The *floor* is a bare axum handler with the same JSON in and out and nothing behind it. The
//! ratio to it says more than a figure alone: it carries over from one machine to another.

#![expect(clippy::print_stdout, reason = "the output of a tool is on stdout")]

mod bench;
mod client;
mod dialect_requests;
mod expiry;
mod floor;
mod followers;
mod gauge;
mod import;
mod large;
mod op;
mod operation;
mod options;
mod process;
mod response;
mod run;
mod script;
mod setup;
mod siege;
mod soak;
mod template;
mod token;

use std::process::ExitCode;

use clap::Parser;

use options::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match (arguments.command, arguments.operation) {
        (Some(Command::Floor { listen }), _) => floor::serve(listen),
        (Some(Command::Expiry { url, token, keys }), _) => expiry::run(&url, &token, keys),
        (Some(Command::Bench(options)), _) => bench::run(&options),
        (Some(Command::Siege(options)), _) => siege::run(&options),
        (Some(Command::Import(options)), _) => import::run(&options),
        (Some(Command::Large(options)), _) => large::run(&options),
        (Some(Command::Soak(options)), _) => soak::run(&options),
        (None, Some(operation)) => operation::run(&operation),
        (None, None) => Err(anyhow::anyhow!("give --url, --token and --op, or see --help")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
