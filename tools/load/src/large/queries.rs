//! Lists, filters, orders, looks back and events, in the account that has a tenth of all keys.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::client::{Connection, Target};
use crate::run::real;

use super::calls::{log_size, timed};
use super::report::{Column, Goal};

/// How often each is sent, after the first time.
const TURNS: usize = 200;
/// What no list may take longer than, in milliseconds.
const MOST_MS: f64 = 20.0;

/// What is listed; `MIDDLE` is the place in the middle of the log.
const QUERIES: &[(&str, &str)] = &[
    ("list", "/v1/keys?limit=50"),
    ("owner", "/v1/keys?limit=50&owner=team-7"),
    ("project, status", "/v1/keys?limit=50&project=p-7&status=enabled"),
    ("rare tag", "/v1/keys?limit=50&tag=rare"),
    ("rare text", "/v1/keys?limit=50&q=key%2099990"),
    ("owner of none", "/v1/keys?limit=50&owner=nobody"),
    ("count of owner", "/v1/keys?limit=50&owner=team-7&count=true"),
    ("sort by name", "/v1/keys?limit=50&sort=name"),
    ("sort by expires_at", "/v1/keys?limit=50&sort=expires_at&order=desc"),
    ("sort by last_used_at", "/v1/keys?limit=50&sort=last_used_at"),
    ("as_of", "/v1/keys?limit=50&as_of=seq:MIDDLE"),
    ("owner as_of", "/v1/keys?limit=50&owner=team-7&as_of=seq:MIDDLE"),
    ("expiring", "/v1/expiring?limit=50&within_s=2592000"),
    ("events", "/v1/events?limit=50&order=desc"),
    ("events by actor, type", "/v1/events?limit=50&actor=mover&type=created"),
    ("events by absent actor", "/v1/events?limit=50&actor=nobody&type=created"),
    ("events of a type", "/v1/events?limit=50&type=revoked"),
];

/// Adds the 99th percentile of each, and the longest first answer: that is where orders are made.
pub(super) async fn measure(target: &Target, column: &mut Column) -> Result<()> {
    let middle = (log_size(target).await? / 2).to_string();
    let mut connection = Connection::open(target.address).await?;
    let mut slowest = Duration::ZERO;
    for (name, path) in QUERIES {
        let request = target.get(&path.replace("MIDDLE", &middle));
        let (_, first) = timed(&mut connection, &request).await?;
        slowest = slowest.max(first);
        let mut took = Vec::new();
        for _ in 0..TURNS {
            took.push(timed(&mut connection, &request).await?.1);
        }
        took.sort_unstable();
        let p99 = took.get(TURNS * 99 / 100).copied().unwrap_or_default();
        column.add(&format!("{name}, p99 ms"), millis(p99), Goal::AtMost(MOST_MS));
    }
    column.add("first answer of any, ms", millis(slowest), Goal::None);
    let pages = pages(target, &mut connection).await?;
    column.add("pages for a rare tag", real(pages), Goal::None);
    Ok(())
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// How many pages there are until all keys with the rare tag were listed.
async fn pages(target: &Target, connection: &mut Connection) -> Result<u64> {
    let mut path = "/v1/keys?limit=500&tag=rare".to_owned();
    for pages in 1.. {
        let (page, _) = timed(connection, &target.get(&path)).await?;
        let Some(next) = page.get("next_cursor").and_then(Value::as_str) else { return Ok(pages) };
        path = format!("/v1/keys?limit=500&tag=rare&cursor={next}");
    }
    Ok(0)
}
