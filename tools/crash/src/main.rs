//! Fault tests against the built program: what was acknowledged is there, once, whatever happens.
//!
//! `cargo xtask crash` runs the long form; `crash --short`, a few rounds of each, runs with every
//! change. It knows the program from outside only: its command line, its HTTP, its files.

#![expect(clippy::print_stdout, reason = "the output of a tool is on stdout")]

mod api;
mod book;
mod check;
mod clients;
mod damage;
mod disk;
mod eio;
mod full;
mod kill;
mod order;
mod power;
mod receipts;
mod round;
mod service;
mod syscalls;
mod trace;

use std::hash::{BuildHasher as _, RandomState};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::round::{Dice, Outcome, Run};
use crate::service::Programs;

/// Breaks the service in many ways, many times over, and checks its data.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  cargo xtask crash                        everything, in its long form
  cargo xtask crash --short kill power
  cargo xtask crash --rounds 1000 kill
  cargo xtask crash --seed 42 damage       the random choices of that run again

A seed repeats what is chosen at random; the moment at which a process dies is never quite the same.
Exit code 1: something was violated.")]
struct Arguments {
    /// A few rounds of each, for every change
    #[arg(long)]
    short: bool,
    /// How many rounds of each; overrides what the form says
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Where the random choices start; every run says where its own did
    #[arg(long)]
    seed: Option<u64>,
    /// Only these
    scenarios: Vec<Scenario>,
}

/// A way to break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// `kill -9` at random moments
    Kill,
    /// The file system is shut down right after an acknowledgement, as in a power cut
    Power,
    /// Every acknowledgement comes after a sync that covers it, as strace sees it
    Order,
    /// The disk is full
    Full,
    /// Writes and syncs fail with EIO from some moment on
    Eio,
    /// Bits flip, the end is cut, a page is lost, a snapshot is torn
    Damage,
    /// Each system call fails once, and once the process is killed in it
    Syscalls,
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Scenario::Kill => "kill",
            Scenario::Power => "power",
            Scenario::Order => "order",
            Scenario::Full => "full",
            Scenario::Eio => "eio",
            Scenario::Damage => "damage",
            Scenario::Syscalls => "syscalls",
        }
    }

    /// The rounds of the short form and of the long one.
    fn rounds(self) -> (u32, u32) {
        match self {
            Scenario::Kill => (4, 100),
            Scenario::Power => (3, 60),
            Scenario::Order => (1, 5),
            Scenario::Full => (1, 10),
            Scenario::Eio | Scenario::Damage => (3, 40),
            // Some of them; all of them.
            Scenario::Syscalls => (60, 100_000),
        }
    }

    fn run(self, run: &mut Run<'_>) -> Result<Outcome> {
        match self {
            Scenario::Kill => kill::run(run),
            Scenario::Power => power::run(run),
            Scenario::Order => order::run(run),
            Scenario::Full => full::run(run),
            Scenario::Eio => eio::run(run),
            Scenario::Damage => damage::run(run),
            Scenario::Syscalls => syscalls::run(run),
        }
    }
}

/// Runs the scenarios; returns whether nothing was violated.
fn run(arguments: &Arguments) -> Result<bool> {
    let programs = Programs::build()?;
    let all = Scenario::value_variants();
    let scenarios = if arguments.scenarios.is_empty() { all } else { &arguments.scenarios };
    let seed = arguments.seed.unwrap_or_else(|| RandomState::new().hash_one(()) % 1_000_000);
    println!("seed {seed}");
    let mut held = true;
    for (number, scenario) in (1..).zip(all).filter(|(_, one)| scenarios.contains(one)) {
        let (short, long) = scenario.rounds();
        let name = scenario.name();
        let mut run = Run {
            programs: &programs,
            rounds: arguments.rounds.unwrap_or(if arguments.short { short } else { long }),
            // Each scenario has numbers of its own, so that it can be run again without the others.
            dice: Dice::new(seed.wrapping_mul(31).wrapping_add(number)),
            progress: (!arguments.short).then(|| name.to_owned()),
        };
        let started = Instant::now();
        let outcome = scenario.run(&mut run);
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(Outcome::Held(summary)) => println!("{name}: {summary} ({seconds:.0} s)"),
            Ok(Outcome::Skipped(why)) => println!("{name}: skipped, {why}"),
            Err(error) => {
                held = false;
                println!("{name}: VIOLATED (--seed {seed} {name}): {error:#}");
            }
        }
    }
    Ok(held)
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crash: {error:#}");
            ExitCode::FAILURE
        }
    }
}
