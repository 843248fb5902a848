//! The scenarios: each is like an attack that was seen to bring a service down.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::attack::{Manner, Wave};
use super::field::Field;
use crate::client::{Connection, Target};

/// An attack.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) waves: Vec<Wave>,
}

/// The address of the attackers; the quiet tenant is at 127.0.0.1.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// How large everything is: in full, and in short.
struct Scale {
    changes: usize,
    repeaters: usize,
    dead: usize,
    followers: usize,
    idle: usize,
    flood: usize,
}

const FULL: Scale = Scale {
    changes: 40_000,
    repeaters: 1_500,
    dead: 530,
    followers: 1_000,
    idle: 10_000,
    flood: 256,
};

const SHORT: Scale =
    Scale { changes: 500, repeaters: 150, dead: 60, followers: 100, idle: 400, flood: 64 };

/// All scenarios; creates what they need.
pub(super) async fn all(field: &Field, short: bool) -> Result<Vec<Scenario>> {
    let scale = if short { SHORT } else { FULL };
    let Field { greedy, auditor, .. } = field;
    let key = changed_key(greedy, scale.changes).await?;
    let nobody = Target { token: String::new(), ..greedy.clone() };
    let create = greedy.post("/v1/keys", r#"{"name":"flood"}"#);
    let writers = wave(greedy, Manner::Repeat, scale.flood.min(16), create.clone());
    let stream = |query: &str| format!("/v1/events/stream{query}");
    let scenario = |name, waves| Scenario { name, waves };
    Ok(vec![
        scenario(
            "a greedy owner asks for the past of a key that changed very often",
            vec![wave(
                greedy,
                Manner::Repeat,
                scale.repeaters,
                greedy.get(&format!("/v1/keys/{key}?as_of=seq:5")),
            )],
        ),
        scenario(
            "dead readers of bundles and exports",
            vec![
                wave(auditor, Manner::NeverRead(1), scale.dead, auditor.get("/v1/audit/bundle")),
                wave(greedy, Manner::NeverRead(1), scale.dead, ndjson(greedy)),
            ],
        ),
        scenario(
            "dead readers without a token, who send many requests at once",
            vec![wave(&nobody, Manner::NeverRead(60), scale.dead, nobody.get("/openapi.json"))],
        ),
        scenario(
            "idle connections of one address",
            vec![wave(&nobody, Manner::Idle, scale.idle, Vec::new())],
        ),
        scenario(
            "followers of everything, while the log grows",
            vec![
                wave(auditor, Manner::Follow, scale.followers, auditor.get(&stream(""))),
                writers.clone(),
            ],
        ),
        scenario(
            "followers of nothing, who come and go, while the log grows",
            vec![
                wave(greedy, Manner::Follow, scale.followers, greedy.get(&stream("?actor=none"))),
                wave(greedy, Manner::Leave, scale.flood, greedy.get(&stream("?actor=none"))),
                writers,
            ],
        ),
        scenario("a flood of new keys", vec![wave(greedy, Manner::Repeat, scale.flood, create)]),
        scenario(
            "a flood of readings of the trail",
            vec![
                wave(greedy, Manner::Repeat, scale.flood, greedy.get("/v1/events?limit=500")),
                wave(auditor, Manner::Repeat, scale.flood, auditor.get("/v1/events?type=revoked")),
                wave(
                    greedy,
                    Manner::Repeat,
                    scale.flood,
                    greedy.get("/v1/keys?q=nobody&limit=500"),
                ),
            ],
        ),
    ])
}

/// So many attackers of one target.
fn wave(target: &Target, manner: Manner, connections: usize, request: Vec<u8>) -> Wave {
    let request = Arc::new(request);
    Wave { connections, manner, request, to: target.address, from: ELSEWHERE }
}

/// An export of everything.
#[expect(clippy::expect_used, reason = "`Target` makes its requests of text")]
fn ndjson(target: &Target) -> Vec<u8> {
    let request = String::from_utf8(target.get("/v1/events")).expect("a request in UTF-8");
    request.replacen("\r\n", "\r\nAccept: application/x-ndjson\r\n", 1).into_bytes()
}

/// Creates a key and disables and enables it so many times.
async fn changed_key(target: &Target, changes: usize) -> Result<String> {
    let mut connection = Connection::open(target.address).await?;
    let response = connection.call(&target.post("/v1/keys", r#"{"name":"busy"}"#)).await?;
    let created: Value = serde_json::from_slice(&response.body()?)?;
    let id = created.pointer("/key/id").and_then(Value::as_str).context("no id")?.to_owned();
    let turns =
        ["disable", "enable"].map(|turn| target.post(&format!("/v1/keys/{id}/{turn}"), "{}"));
    for turn in turns.iter().cycle().take(changes) {
        let response = connection.call(turn).await?;
        if response.status() != 200 {
            bail!("cannot change a key: {}", String::from_utf8_lossy(response.raw()));
        }
    }
    Ok(id)
}
