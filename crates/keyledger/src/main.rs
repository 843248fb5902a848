//! The program: it wires the parts, owns the process, and talks to people.
//!
//! Each command is a module of [`command`], with its own options. What the commands share: options
//! ([`options`]) and how their values are written ([`option_values`]), the exit code ([`exit`]), the
//! output ([`mod@print`]), the client of a server ([`client`]), and what is in a data directory
//! ([`data_dir`]).

mod accounts_file;
mod client;
mod command;
mod command_line;
mod data_dir;
mod exit;
mod option_values;
mod options;
mod policy_file;
mod print;
mod question;
mod random;
mod signals;
mod table;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_to_ourselves();
    refuse_huge_pages();
    let done = command_line::parse()
        .and_then(|arguments| command::run(arguments.command, command_line::definition));
    match done {
        Ok(exit) => exit.into(),
        Err(error) if exit::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print::error(format_args!("{error:#}"));
            exit::of(&error).into()
        }
    }
}

/// Keeps other users of the machine from what the process makes and from what it holds: its files
/// are its owner's alone, and its memory, with keys and tokens in it, is in no core dump and for no
/// debugger but the superuser's.
fn keep_to_ourselves() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        print::warn(format_args!("other processes of this user may read this one: {error}"));
    }
}

/// Has the kernel give memory in small pages, whatever the allocator asks for.
///
/// Whoever is the first to touch a huge page waits until 2 MiB of it are zeroed: on virtual
/// machines some milliseconds, in which nothing is committed. Seen with 64 connections: a
/// creation's p99 of 5.7 ms with them and 2.1 ms without; a start on 770,000 records of 1.1 to
/// 2.0 s and 1.2 s. A key takes a tenth less memory; a verify takes 3 % longer.
fn refuse_huge_pages() {
    #[cfg(target_os = "linux")]
    // A kernel that does not know the request has them as before.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
