//! What must exist before a measurement: keys to verify, pages to list.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::client::{Connection, Target};
use crate::op::Op;
use crate::run::{self, Plan, Until};
use crate::script::{Script, Secrets};

/// How many keys a listed page has.
const PAGE: usize = 50;
/// How many pages listing is spread over.
const PAGES: usize = 100;

/// What a script needs from the server.
#[derive(Clone, Default)]
pub(crate) struct Material {
    /// The secrets of the keys to verify.
    pub(crate) secrets: Arc<Secrets>,
    /// The requests for the pages to list.
    pub(crate) pages: Arc<Vec<Vec<u8>>>,
}

impl Material {
    /// A script of `op`.
    pub(crate) fn script(&self, target: &Target, op: Op) -> Result<Script> {
        Script::new(target, op, Arc::clone(&self.secrets), Arc::clone(&self.pages))
    }
}

/// Creates `count` keys and returns their secrets.
pub(crate) fn create(target: &Target, count: usize, connections: usize) -> Result<Vec<Vec<u8>>> {
    let script = Material::default().script(target, Op::Create)?;
    let until = Until::Count(count);
    let plan =
        Plan { connections, threads: 1, until, collect_secrets: true, every: Duration::ZERO };
    let outcome = run::run(target, &script, plan)?;
    match outcome.complaint() {
        Some(complaint) => bail!("cannot create the first keys: {complaint}"),
        None => Ok(outcome.secrets),
    }
}

/// Walks the list to its end, or for [`PAGES`] pages, and returns the requests for them.
pub(crate) async fn pages(target: &Target) -> Result<Vec<Vec<u8>>> {
    let mut connection = Connection::open(target.address).await?;
    let mut requests = vec![target.get(&format!("/v1/keys?limit={PAGE}"))];
    while let Some(request) = requests.last() {
        let response = connection.call(request).await?;
        if response.status() != 200 {
            bail!("cannot list keys: {}", String::from_utf8_lossy(response.raw()));
        }
        let page: Value = serde_json::from_slice(&response.body()?).context("a page is no JSON")?;
        let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) else { break };
        if requests.len() == PAGES {
            break;
        }
        requests.push(target.get(&format!("/v1/keys?limit={PAGE}&cursor={cursor}")));
    }
    Ok(requests)
}

/// Runs a future to its end.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Waits for that long. (`thread::sleep` is not allowed anywhere.)
pub(crate) fn pause(time: Duration) -> Result<()> {
    wait(async {
        tokio::time::sleep(time).await;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor;
    use clap::ValueEnum as _;
    use tokio::net::TcpListener;
    use tokio::runtime::Runtime;

    /// A floor that ends with the runtime.
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
            collect_secrets: false,
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
    fn a_connection_waits_between_its_requests() {
        let (_runtime, target) = floor();
        let script = Material::default().script(&target, Op::Create).unwrap();
        let plan = Plan { every: Duration::from_millis(5), ..counted(24, 1) };
        let outcome = run::run(&target, &script, plan).unwrap();
        // Of eight connections one at least sends three times.
        assert!(outcome.elapsed >= Duration::from_millis(10), "{:?}", outcome.elapsed);
    }

    #[test]
    fn an_unexpected_response_is_reported_and_not_measured() {
        let (_runtime, target) = floor();
        let secrets = Arc::new(Secrets::new(&[b"x".to_vec()]).unwrap());
        let pages = Arc::new(vec![target.get("/v1/absent")]);
        let script = Script::new(&target, Op::List, secrets, pages).unwrap();
        let outcome = run::run(&target, &script, counted(10, 1)).unwrap();
        assert_eq!((outcome.measured, outcome.answered), (0, 10));
        let complaint = outcome.complaint().unwrap();
        assert!(complaint.starts_with("unexpected responses: 10 × 404; the first: HTTP/1.1 404"));
    }
}
