//! Fault tests against the built program: what was acknowledged is there, once, whatever happens.
//!
//! `cargo xtask crash` runs the long form, `crash --short` a few rounds of each for every change.

#![expect(clippy::print_stdout, reason = "a tool talks on stdout")]

mod check;
mod clients;
mod damage;
mod dice;
mod disk;
mod eio;
mod kill;
mod power;
mod service;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::dice::Dice;
use crate::service::Programs;

/// Breaks the service in many ways, many times over, and checks what is left.
#[derive(Parser)]
struct Arguments {
    /// A few rounds of each, for every change
    #[arg(long)]
    short: bool,
    /// How many rounds of each; overrides what the form says
    #[arg(long)]
    rounds: Option<u32>,
    /// Where the random choices start; a failing run names its own
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    /// Writes and syncs fail with EIO from some moment on
    Eio,
    /// Bits flip, the tail is cut, a snapshot is torn
    Damage,
}

/// What a scenario came to, in one sentence; why it could not run, if it could not.
enum Outcome {
    Held(String),
    Skipped(String),
}

fn run(
    scenario: Scenario,
    (rounds, short): (u32, bool),
    programs: &Programs,
    dice: &mut Dice,
) -> Result<Outcome> {
    match scenario {
        Scenario::Kill => kill::run(rounds, programs, dice),
        Scenario::Power => power::run(rounds, !short, programs, dice),
        Scenario::Eio => eio::run(rounds, programs, dice),
        Scenario::Damage => damage::run(rounds, programs, dice),
    }
}

fn main() -> ExitCode {
    let asked = Arguments::parse();
    let programs = match Programs::build() {
        Ok(programs) => programs,
        Err(error) => {
            eprintln!("crash: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let scenarios =
        if asked.scenarios.is_empty() { Scenario::value_variants() } else { &asked.scenarios };
    let mut broken = false;
    for scenario in scenarios {
        let long = if *scenario == Scenario::Kill { 50 } else { 20 };
        let rounds = asked.rounds.unwrap_or(if asked.short { 3 } else { long });
        match run(*scenario, (rounds, asked.short), &programs, &mut Dice::new(asked.seed)) {
            Ok(Outcome::Held(said)) => println!("{scenario:?}: {said}"),
            Ok(Outcome::Skipped(why)) => println!("{scenario:?}: skipped: {why}"),
            Err(error) => {
                broken = true;
                println!("{scenario:?}: BROKEN (--seed {}): {error:#}", asked.seed);
            }
        }
    }
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
