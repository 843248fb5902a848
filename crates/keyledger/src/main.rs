//! The program: it wires the parts, owns the process, and talks to people.
//!
//! Each command is a module of [`command`]. What the commands share: the command line itself
//! ([`arguments`]), how they end ([`exit`]), how they print ([`print`]), and how they speak to a
//! server ([`client`]).

mod arguments;
mod client;
mod command;
mod exit;
mod key_file;
mod log_key;
mod parts;
mod places;
mod print;
mod token_key;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_to_ourselves();
    refuse_huge_pages();
    let done = arguments::parse().and_then(command::run);
    match done {
        Ok(end) => end.into(),
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
