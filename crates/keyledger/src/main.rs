//! The program: it wires the parts, owns the process, and talks to people.
//!
//! Each command is a module of [`command`]. What the commands share: the command line itself
//! ([`arguments`]), how they end ([`exit`]), how they print ([`print`]), and how they speak to a
//! server ([`client`]).

#![expect(clippy::print_stderr, reason = "a command line says on stderr what went wrong")]

mod arguments;
mod client;
mod command;
mod exit;
mod key_file;
mod log_key;
mod places;
mod print;
mod token_key;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = arguments::parse().and_then(command::run);
    match done {
        Ok(end) => end.into(),
        Err(error) if exit::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keyledger: {error:#}");
            exit::of(&error).into()
        }
    }
}
