//! Ten thousand random requests: the service stays up, and its log has only lawful events.

use std::collections::BTreeMap;

use crate::support::{Client, Random, Service};

const REQUESTS: usize = 10_000;
const THREADS: usize = 4;

#[test]
fn random_requests_leave_a_lawful_log() {
    let seed = 0x6b65_796c_6564_6772;
    println!("seed {seed}");
    let service = Service::start();
    let first = service.client("owner").create(r#"{"name":"k"}"#);
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let (service, first) = (&service, &first);
            threads.spawn(move || {
                let mut random = Random(seed + thread as u64);
                let clients = ["owner", "owner", "owner", "admin", "verifier", "auditor", "worker"]
                    .map(|role| service.client(role));
                let mut keys = vec![first.clone()];
                for turn in 0..REQUESTS / THREADS {
                    let client = &clients[random.below(clients.len())];
                    noise(&mut random, client, &mut keys, turn);
                }
            });
        }
    });
    assert_eq!(service.client_with(None).send("GET /healthz").status, 200);
    assert_eq!(service.client_with(None).send("GET /readyz").status, 200);
    let events = service.client("admin").all("/v1/events");
    assert!(events.len() > 300, "only {} events", events.len());
    let mut statuses = BTreeMap::new();
    for (seq, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], seq);
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        let id = text("key_id").unwrap();
        let before = statuses.insert(id, text("after").unwrap());
        assert_eq!(text("before"), before, "{event}");
        let lawful = [
            ("created", "", "enabled"),
            ("enabled", "disabled", "enabled"),
            ("disabled", "enabled", "disabled"),
            ("expired", "enabled", "expired"),
            ("expired", "disabled", "expired"),
            ("revoked", "enabled", "revoked"),
            ("revoked", "disabled", "revoked"),
            ("revoked", "expired", "revoked"),
        ];
        let before = before.unwrap_or_default();
        let change = (text("type").unwrap(), text("after").unwrap());
        assert!(lawful.contains(&(&change.0, &before, &change.1)), "{event}");
    }
    service.stop().0.is_in_order();
}

/// One random request, more often nearly right than not.
fn noise(random: &mut Random, client: &Client, keys: &mut Vec<(String, String)>, turn: usize) {
    let (id, secret) = keys[random.below(keys.len())].clone();
    let line = match random.below(12) {
        0 | 1 => format!("POST /v1/keys {}", body(random, "name", &secret)),
        2 | 3 => {
            let command = random.pick(&["enable", "disable", "expire", "revoke", "rotate", "x"]);
            format!("POST /v1/keys/{id}/{command} {}", body(random, "", &secret))
        }
        4 => format!("POST /v1/keys/verify {}", body(random, "key", &secret)),
        5 => format!("POST /v1/expirations {}", body(random, "", &secret)),
        _ => {
            let method =
                random.pick(&["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"]);
            format!("{method} {}", path(random, &id))
        }
    };
    if line.contains("/stream") && line.starts_with("GET") {
        // It would not end; its status is enough.
        client.status(&line);
        return;
    }
    let key = format!("{}", random.below(50));
    let headers: &[(&str, &str)] = match random.below(8) {
        0 => &[("idempotency-key", key.as_str())],
        1 => &[("if-match", "\"1\"")],
        2 => &[("authorization", "Bearer nonsense")],
        3 => &[("accept", "text/csv"), ("x-request-id", "\u{7f}?")][..1],
        4 => &[("content-type", "text/plain"), ("x-forwarded-for", "::1, x")],
        _ => &[],
    };
    let answer = client
        .try_send(&line, headers)
        .unwrap_or_else(|error| panic!("no answer to request {turn}, {line}: {error:?}"));
    let expected = matches!(answer.status, 200 | 201 | 400..=499);
    assert!(expected && answer.status != 499, "{line}: {answer:?}");
    if answer.status >= 400 && !line.starts_with("HEAD") {
        answer.is_problem();
    }
    if answer.status == 201 && !line.contains("dry_run") {
        let json = answer.json();
        if let (Some(id), Some(secret)) = (json["key"]["id"].as_str(), json["secret"].as_str()) {
            keys.push((id.to_owned(), secret.to_owned()));
        }
    }
}

fn path(random: &mut Random, id: &str) -> String {
    let path = match random.below(6) {
        0 => format!("/v1/keys/{id}"),
        1 => format!("/v1/keys/{id}/history"),
        2 => format!("/v1/events/{}", random.below(2_000)),
        3 => format!(
            "/v1/{}",
            random.pick(&["keys", "events", "expiring", "table-digest", "authorize"])
        ),
        4 => random
            .pick(&["/", "/healthz", "/metrics", "/docs", "/v1/events/stream", "/v1/report/access"])
            .to_owned(),
        _ => {
            let part = |random: &mut Random| {
                random
                    .pick(&["v1", "keys", "%00", "..", "%2e%2e", "é", "a", "%", "verify", ":id"])
                    .replace('é', "%C3%A9")
            };
            (0..random.below(5)).map(|_| format!("/{}", part(random))).collect::<String>() + "/"
        }
    };
    let parameters: Vec<String> = (0..random.below(4))
        .map(|_| {
            let name = random.pick(&[
                "limit", "cursor", "after", "status", "q", "from", "to", "order", "dry_run", "seq",
                "within_s", "account", "as_of", "x",
            ]);
            let value = random.pick(&[
                "",
                "1",
                "0",
                "-1",
                "18446744073709551615",
                "99999999999999999999",
                "enabled",
                "true",
                "desc",
                "2026-01-01T00:00:00Z",
                "seq:0",
                "seq:7",
                "acme",
                "AAAA",
                "%F0%9F%98%80",
                "%",
            ]);
            format!("{name}={value}")
        })
        .collect();
    format!("{path}?{}", parameters.join("&"))
}

fn body(random: &mut Random, needed: &str, secret: &str) -> String {
    if random.below(10) == 0 {
        return random.pick(&["{", "[]", "null", "0", "\"\"", "{\"name\":", "{}{}"]).to_owned();
    }
    let needed = if random.below(4) == 0 { "" } else { needed };
    let first = match needed {
        "name" => vec![r#""name":"k""#.to_owned()],
        "key" => vec![format!(r#""key":"{secret}""#)],
        _ => Vec::new(),
    };
    let fields = (0..random.below(4).saturating_sub(1)).map(|_| {
        let name = random.pick(&[
            "ttl_s",
            "expires_at",
            "metadata",
            "permissions",
            "daily_limit",
            "rate_limit",
            "quota",
            "cost",
            "kind",
            "reason",
            "limit",
            "overlap_s",
            "account",
            "permission",
            "ip",
            "reason_code",
            "owner",
            "environment",
        ]);
        let value = random.pick(&[
            "1",
            "0",
            "-1",
            "3600",
            "1e400",
            "null",
            "\"acme\"",
            "\"public\"",
            "\"sandbox\"",
            "\"orders.read\"",
            "[\"orders.read\"]",
            "{\"a\":\"b\"}",
            "{}",
            "[]",
            "true",
            "\"\\u0000\"",
            "\"2999-01-01T00:00:00Z\"",
            "\"policy\"",
            "\"10.0.0.1\"",
        ]);
        format!("\"{name}\":{value}")
    });
    let fields: Vec<_> = first.into_iter().chain(fields).collect();
    format!("{{{}}}", fields.join(","))
}
