//! What must be there before a measurement: keys to verify, pages to list. And the simplest
//! measurement, of one operation on a server that runs already.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::client::{Connection, Target};
use crate::expiry;
use crate::followers::Followers;
use crate::options::One;
use crate::run::{self, Outcome, Plan, Until, real};
use crate::script::{Op, Script, Secrets};

/// How many keys a listed page has.
const PAGE: usize = 50;
/// How many pages listing is spread over.
const PAGES: usize = 100;

/// What a script needs of the server it is for.
#[derive(Clone, Default)]
pub(crate) struct Material {
    /// Of the keys to verify.
    pub(crate) secrets: Arc<Secrets>,
    /// The requests of the pages to list.
    pub(crate) pages: Arc<Vec<Vec<u8>>>,
}

impl Material {
    /// A script of `op`.
    pub(crate) fn script(&self, target: &Target, op: Op) -> Result<Script> {
        Script::new(target, op, Arc::clone(&self.secrets), Arc::clone(&self.pages))
    }
}

/// Creates `count` keys and gives their secrets.
pub(crate) fn create(target: &Target, count: usize, connections: usize) -> Result<Vec<Vec<u8>>> {
    let script = Material::default().script(target, Op::Create)?;
    let until = Until::Count(count);
    let plan = Plan { connections, threads: 1, until, keep_secrets: true, every: Duration::ZERO };
    let outcome = run::run(target, &script, plan)?;
    match outcome.complaint() {
        Some(complaint) => bail!("cannot create the keys to begin with: {complaint}"),
        None => Ok(outcome.secrets),
    }
}

/// Walks the list as far as there are keys (or [`PAGES`]) and gives the requests it took.
pub(crate) async fn pages(target: &Target) -> Result<Vec<Vec<u8>>> {
    let mut connection = Connection::open(target.address).await?;
    let mut requests = vec![target.get(&format!("/v1/keys?limit={PAGE}"))];
    while let Some(request) = requests.last() {
        let answer = connection.call(request).await?;
        if answer.status() != 200 {
            bail!("cannot list keys: {}", String::from_utf8_lossy(answer.raw()));
        }
        let page: Value = serde_json::from_slice(&answer.body()?).context("a page is no JSON")?;
        let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) else { break };
        if requests.len() == PAGES {
            break;
        }
        requests.push(target.get(&format!("/v1/keys?limit={PAGE}&cursor={cursor}")));
    }
    Ok(requests)
}

/// Runs the future `work` to its end.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Loads a running server with one operation and prints what came of it.
pub(crate) fn one(options: &One) -> Result<()> {
    let target = Target::new(&options.url, &options.token)?;
    let mut material = Material::default();
    if options.op != Op::Create {
        let secrets = create(&target, options.keys, options.connections)?;
        material.secrets = Arc::new(Secrets::new(&secrets)?);
        material.pages = Arc::new(wait(pages(&target))?);
    }
    let until = Until::Time { warm_up: options.warm_up, duration: options.duration };
    let (connections, threads) = (options.connections, options.threads);
    let every = every(options.rate, connections);
    let plan = Plan { connections, threads, until, keep_secrets: false, every };
    let following = match options.followers {
        0 => None,
        count => Some(Followers::open(&target, options.following, count, None)?),
    };
    let before = following.as_ref().map_or(0, Followers::received);
    let outcome = run::run(&target, &material.script(&target, options.op)?, plan)?;
    print(options, &outcome);
    if let Some(following) = following {
        let (count, ended) = (options.followers, following.ended());
        let each = real(following.received() - before) / real(count as u64);
        eprintln!("{count} followers received {each:.0} bytes each meanwhile; {ended} were ended");
    }
    match outcome.complaint() {
        Some(complaint) => bail!(complaint),
        None => Ok(()),
    }
}

/// How long after one another `connections` connections send, to send `rate` requests a second
/// together.
fn every(rate: Option<u32>, connections: usize) -> Duration {
    let seconds = rate.map_or(0.0, |rate| real(connections as u64) / f64::from(rate.max(1)));
    Duration::from_secs_f64(seconds)
}

/// Measures how late a running server notices that a key is due, and prints it.
pub(crate) fn expiry(url: &str, token: &str, keys: usize) -> Result<()> {
    let late = wait(expiry::measure(&Target::new(url, token)?, keys))?;
    for (what, values) in [("denied", &late.denied_ms), ("recorded", &late.recorded_ms)] {
        let longest = values.iter().copied().fold(0.0, f64::max);
        println!("{what} at most {longest:.1} ms after the due time, of {} keys", values.len());
    }
    Ok(())
}

/// Prints the outcome, as a line or as JSON.
fn print(options: &One, outcome: &Outcome) {
    let op = options.op.name();
    let (p50, p99, max) = (outcome.millis(0.5), outcome.millis(0.99), outcome.millis(1.0));
    if options.json {
        let unwished: u64 = outcome.unwished.values().sum();
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
                "unwished": unwished,
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
    use crate::floor;
    use clap::ValueEnum as _;
    use tokio::net::TcpListener;
    use tokio::runtime::Runtime;

    /// A floor of our own; it ends with the runtime.
    fn floor() -> (Runtime, Target) {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(floor::serve_on(listener));
        (runtime, Target { address, token: "token".to_owned() })
    }

    fn counted(count: usize, threads: usize) -> Plan {
        Plan {
            connections: 8,
            threads,
            until: Until::Count(count),
            keep_secrets: false,
            every: Duration::ZERO,
        }
    }

    #[test]
    fn every_request_is_answered_and_counted() {
        let (_runtime, target) = floor();
        let secrets = create(&target, 501, 8).unwrap();
        assert_eq!(secrets.len(), 501);
        let mut material =
            Material { secrets: Arc::new(Secrets::new(&secrets).unwrap()), ..Material::default() };
        material.pages = Arc::new(wait(pages(&target)).unwrap());
        assert_eq!(material.pages.len(), PAGES, "the floor's list has no end");
        for op in Op::value_variants().iter().copied() {
            let script = material.script(&target, op).unwrap();
            let outcome = run::run(&target, &script, counted(200, 2)).unwrap();
            assert_eq!((outcome.measured, outcome.answered), (200, 200), "{op:?}");
            assert_eq!(outcome.latency.len(), 200, "{op:?}");
            assert_eq!(outcome.complaint(), None, "{op:?}");
        }
    }

    #[test]
    fn a_rate_is_shared_by_all_connections() {
        assert_eq!(every(None, 64), Duration::ZERO);
        assert_eq!(every(Some(2_000), 64), Duration::from_millis(32));
        let (_runtime, target) = floor();
        let script = Material::default().script(&target, Op::Create).unwrap();
        let plan = Plan { every: Duration::from_millis(5), ..counted(24, 1) };
        let outcome = run::run(&target, &script, plan).unwrap();
        // Of eight connections one at least sends three times.
        assert!(outcome.elapsed >= Duration::from_millis(10), "{:?}", outcome.elapsed);
    }

    #[test]
    fn an_answer_not_as_wished_is_told_and_not_measured() {
        let (_runtime, target) = floor();
        let secrets = Arc::new(Secrets::new(&[b"x".to_vec()]).unwrap());
        let pages = Arc::new(vec![target.get("/v1/absent")]);
        let script = Script::new(&target, Op::List, secrets, pages).unwrap();
        let outcome = run::run(&target, &script, counted(10, 1)).unwrap();
        assert_eq!((outcome.measured, outcome.answered), (0, 10));
        let complaint = outcome.complaint().unwrap();
        assert!(complaint.starts_with("answers not as wished: 10 × 404; the first: HTTP/1.1 404"));
    }
}
