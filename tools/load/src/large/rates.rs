//! Closed loops on both sides, in turns.

use std::sync::Arc;

use anyhow::{Result, bail};

use crate::client::Target;
use crate::import;
use crate::op::Op;
use crate::run::{self, Outcome, Plan, Until};
use crate::script::{Script, Secrets};
use crate::setup::Material;

use super::data;
use super::progress::progress;
use super::report::{Column, Goal, median};
use super::runner::Runner;

/// Connections of the loop that verifies.
const VERIFYING: usize = 64;
/// As many texts are at hand, spread over all keys: more than any cache of a processor has lines for.
const TEXTS: u64 = 500_000;

/// What a loop measured on one side.
#[derive(Clone, Copy)]
struct Sample {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Reads a figure of a sample.
type Figure = fn(&Sample) -> f64;

/// A script that verifies random keys, of which there are `keys`.
pub(super) fn verifying(target: &Target, keys: u64) -> Result<Script> {
    let texts = (0..TEXTS.min(keys)).map(|turn| data::mixed(turn) % keys);
    let texts: Vec<_> = texts.map(|number| import::text_of(number).into_bytes()).collect();
    let secrets = Arc::new(Secrets::new(&texts)?);
    Material { secrets, ..Material::default() }.script(target, Op::Verify)
}

/// A script that creates keys.
pub(super) fn creating(target: &Target) -> Result<Script> {
    Material::default().script(target, Op::Create)
}

/// Verifies random keys.
pub(super) fn verify(bench: &Runner<'_>, column: &mut Column) -> Result<()> {
    let target = bench.target(&bench.tokens.admin)?;
    let script = verifying(&target, bench.keys)?;
    let sides = sides(bench, &target, &script, VERIFYING, "verify")?;
    let goals = [Goal::RatioAtLeast(0.95), Goal::None, Goal::RatioAtMost(1.2)];
    add(column, "verify", &sides, goals);
    Ok(())
}

/// Creates keys.
pub(super) fn create(bench: &Runner<'_>, connections: usize, column: &mut Column) -> Result<()> {
    let target = bench.target(&bench.tokens.maker)?;
    let name = format!("create at {connections}");
    let sides = sides(bench, &target, &creating(&target)?, connections, &name)?;
    let (least, p99) = match connections {
        64 => (0.60, Goal::RatioAtMost(1.5)),
        _ => (0.68, Goal::RatioAtMost(1.5)),
    };
    add(column, &name, &sides, [Goal::RatioAtLeast(least), Goal::None, p99]);
    Ok(())
}

/// Loads floor and service in turns; each goes first as often as last.
fn sides(
    bench: &Runner<'_>,
    service: &Target,
    script: &Script,
    connections: usize,
    name: &str,
) -> Result<Vec<(Sample, Sample)>> {
    let mut rounds = Vec::new();
    for round in 0..bench.options.rounds.max(1) {
        progress(&format!("{name}, round {}", round + 1));
        let load = |target| one(bench, target, script, connections);
        let (of_service, of_floor) = if round % 2 == 0 {
            let floor = load(&bench.floor.target)?;
            (load(service)?, floor)
        } else {
            (load(service)?, load(&bench.floor.target)?)
        };
        rounds.push((of_service, of_floor));
    }
    Ok(rounds)
}

fn one(bench: &Runner<'_>, target: &Target, script: &Script, connections: usize) -> Result<Sample> {
    let duration = bench.options.duration;
    let until = Until::Time { warm_up: duration / 5, duration };
    let outcome = run::run(target, script, plan(connections, until))?;
    satisfied(&outcome)?;
    let (p50_ms, p99_ms) = (outcome.millis(0.5), outcome.millis(0.99));
    Ok(Sample { per_second: outcome.per_second(), p50_ms, p99_ms })
}

/// A closed loop on one thread.
pub(super) fn plan(connections: usize, until: Until) -> Plan {
    let every = std::time::Duration::ZERO;
    Plan { connections, threads: 1, until, collect_secrets: false, every }
}

/// Whether every response was a success.
pub(super) fn satisfied(outcome: &Outcome) -> Result<()> {
    outcome.complaint().map_or(Ok(()), |complaint| bail!(complaint))
}

/// Adds the three figures of a loop, each with its ratio to the floor.
fn add(column: &mut Column, name: &str, rounds: &[(Sample, Sample)], goals: [Goal; 3]) {
    let figures: [(&str, Figure); 3] = [
        ("a second", |sample| sample.per_second),
        ("p50 ms", |sample| sample.p50_ms),
        ("p99 ms", |sample| sample.p99_ms),
    ];
    for ((unit, of), goal) in figures.into_iter().zip(goals) {
        let value = median(rounds.iter().map(|(service, _)| of(service)).collect());
        let ratio = median(rounds.iter().map(|(service, floor)| of(service) / of(floor)).collect());
        column.add_ratio(&format!("{name}, {unit}"), value, ratio, goal);
    }
}
