//! One operation on a server that runs already.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use crate::client::Target;
use crate::followers::Followers;
use crate::op::Op;
use crate::options::Operation;
use crate::run::{self, Outcome, Plan, Until, real};
use crate::script::Secrets;
use crate::setup::{self, Material, wait};

/// Loads a running server with one operation and prints the outcome.
pub(crate) fn run(options: &Operation) -> Result<()> {
    let target = Target::new(&options.url, &options.token)?;
    let mut material = Material::default();
    if options.op != Op::Create {
        let secrets = setup::create(&target, options.keys, options.connections)?;
        material.secrets = Arc::new(Secrets::new(&secrets)?);
        material.pages = Arc::new(wait(setup::pages(&target))?);
    }
    let until = Until::Time { warm_up: options.warm_up, duration: options.duration };
    let (connections, threads) = (options.connections, options.threads);
    let every = interval(options.rate, connections);
    let plan = Plan { connections, threads, until, collect_secrets: false, every };
    let followers = match options.followers {
        0 => None,
        count => Some(Followers::open(&target, options.following, count, None)?),
    };
    let before = followers.as_ref().map_or(0, Followers::received);
    let outcome = run::run(&target, &material.script(&target, options.op)?, plan)?;
    print(options, &outcome);
    if let Some(followers) = followers {
        let (count, ended) = (options.followers, followers.ended());
        let each = real(followers.received() - before) / real(count as u64);
        eprintln!("{count} followers received {each:.0} bytes each meanwhile; {ended} were ended");
    }
    match outcome.complaint() {
        Some(complaint) => bail!(complaint),
        None => Ok(()),
    }
}

/// The interval between two requests of a connection, so that all `connections` together send `rate`
/// requests a second; zero without a rate.
fn interval(rate: Option<u32>, connections: usize) -> Duration {
    let seconds = rate.map_or(0.0, |rate| real(connections as u64) / f64::from(rate.max(1)));
    Duration::from_secs_f64(seconds)
}

/// Prints the outcome, as a line or as JSON.
fn print(options: &Operation, outcome: &Outcome) {
    let op = options.op.name();
    let (p50, p99, max) = (outcome.millis(0.5), outcome.millis(0.99), outcome.millis(1.0));
    if options.json {
        let failed: u64 = outcome.failed.values().sum();
        println!(
            "{}",
            json!({
                "op": op,
                "connections": options.connections,
                "measured": outcome.measured,
                "per_second": outcome.per_second(),
                "p50_ms": p50,
                "p99_ms": p99,
                "max_ms": max,
                "failed": failed,
            })
        );
    } else {
        println!(
            "{op}, {} connections: {:.0} a second, p50 {p50:.3} ms, p99 {p99:.3} ms, longest {max:.3} ms",
            options.connections,
            outcome.per_second(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shared_by_all_connections() {
        assert_eq!(interval(None, 64), Duration::ZERO);
        assert_eq!(interval(Some(2_000), 64), Duration::from_millis(32));
    }
}
