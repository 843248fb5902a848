//! The scenarios: each is something that was seen to bring the service down, or is like it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Field;
use super::attack::{Manner, Wave};
use crate::client::{Connection, Target};

/// Somebody doing his worst.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) waves: Vec<Wave>,
}

/// The address that the besiegers have; the quiet tenant is at 127.0.0.1.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// How large everything is: in full, and in short.
struct Scale {
    changes: usize,
    askers: usize,
    dead: usize,
    followers: usize,
    idle: usize,
    flood: usize,
}

const FULL: Scale =
    Scale { changes: 40_000, askers: 1_500, dead: 530, followers: 1_000, idle: 10_000, flood: 256 };

const SHORT: Scale =
    Scale { changes: 500, askers: 150, dead: 60, followers: 100, idle: 400, flood: 64 };

/// All of them, and what must be there for them.
pub(super) async fn all(field: &Field, short: bool) -> Result<Vec<Scenario>> {
    let scale = if short { SHORT } else { FULL };
    let Field { greedy, auditor, .. } = field;
    let key = changed_key(greedy, scale.changes).await?;
    let wave = |target: &Target, manner, connections, request: Vec<u8>| Wave {
        connections,
        manner,
        request: Arc::new(request),
        to: target.address,
        from: ELSEWHERE,
    };
    let nobody = Target { token: String::new(), ..greedy.clone() };
    let create = greedy.post("/v1/keys", r#"{"name":"flood"}"#);
    let writers = wave(greedy, Manner::Ask, scale.flood.min(16), create.clone());
    let stream = |query: &str| format!("/v1/events/stream{query}");
    let scenario = |name, waves| Scenario { name, waves };
    Ok(vec![
        scenario(
            "a greedy owner asks for the past of a key that changed very often",
            vec![wave(
                greedy,
                Manner::Ask,
                scale.askers,
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
        scenario("a flood of new keys", vec![wave(greedy, Manner::Ask, scale.flood, create)]),
        scenario(
            "a flood of readings of the trail",
            vec![
                wave(greedy, Manner::Ask, scale.flood, greedy.get("/v1/events?limit=500")),
                wave(auditor, Manner::Ask, scale.flood, auditor.get("/v1/events?type=revoked")),
                wave(greedy, Manner::Ask, scale.flood, greedy.get("/v1/keys?q=nobody&limit=500")),
            ],
        ),
    ])
}

/// An export of everything.
fn ndjson(target: &Target) -> Vec<u8> {
    let request = String::from_utf8(target.get("/v1/events")).unwrap_or_default();
    request.replacen("\r\n", "\r\nAccept: application/x-ndjson\r\n", 1).into_bytes()
}

/// A key that was disabled and enabled that often.
async fn changed_key(target: &Target, changes: usize) -> Result<String> {
    let mut connection = Connection::open(target.address).await?;
    let answer = connection.call(&target.post("/v1/keys", r#"{"name":"busy"}"#)).await?;
    let made: Value = serde_json::from_slice(&answer.body()?)?;
    let id = made.pointer("/key/id").and_then(Value::as_str).context("no id")?.to_owned();
    let turns =
        ["disable", "enable"].map(|turn| target.post(&format!("/v1/keys/{id}/{turn}"), "{}"));
    for turn in turns.iter().cycle().take(changes) {
        let answer = connection.call(turn).await?;
        if answer.status() != 200 {
            bail!("cannot change a key: {}", String::from_utf8_lossy(answer.raw()));
        }
    }
    Ok(id)
}
