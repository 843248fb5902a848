//! What real clients and proxies send: lists, weights, packed bodies, marks, texts of every script.

use std::io::Write as _;
use std::process::{Command, Stdio};

use expect_test::expect;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{Client, Service, text};

/// A body as it is, with these headers; the status and the rest of the answer.
fn post(client: &Client, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    request += &format!("authorization: Bearer {}\r\n", client.token().unwrap());
    request += &format!("content-length: {}\r\n", body.len());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    let answer = client.raw(&[request.as_bytes(), b"\r\n", body].concat());
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{answer}")), answer)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

#[test]
fn a_body_may_come_packed_and_with_a_mark_before_it() {
    let service = Service::start();
    let owner = service.client("owner");
    let json = br#"{"name":"packed","ttl_s":3600.0,"daily_limit":1e2}"#;
    let marked = [b"\xEF\xBB\xBF".as_slice(), json].concat();
    let packed = [("content-encoding", "gzip")];
    for (headers, body) in
        [(&packed[..], gzip(json)), (&packed, gzip(&marked)), (&[], marked), (&[], json.to_vec())]
    {
        let (status, answer) = post(&owner, "/v1/keys", headers, &body);
        assert_eq!(status, 201, "{answer}");
        assert!(answer.contains(r#""daily_limit":100,"#), "{answer}");
    }
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 65_536);
    let (status, answer) = post(&owner, "/v1/keys", &packed, &bomb);
    assert_eq!(status, 413, "{answer}");
    let (status, answer) = post(&owner, "/v1/keys", &[("content-encoding", "br")], json);
    assert_eq!(status, 415, "{answer}");
    assert!(answer.contains("\r\naccept-encoding: gzip\r\n"), "{answer}");
    assert!(answer.contains("unsupported_encoding"), "{answer}");
    // The body was not read, and is not taken for a request.
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    // The dialects read the same way, and say so in their own form.
    let path = "/dialects/cloudsigma/v1/api-keys";
    let pro = service.paying("acme", "ann", "owner", "pro");
    let (status, answer) = post(&pro, path, &packed, &gzip(br#"{"name":"packed"}"#));
    assert_eq!(status, 201, "{answer}");
    let (status, answer) = post(&pro, path, &[("content-encoding", "zstd")], b"x");
    assert!(status == 415 && answer.contains("\"success\":false"), "{answer}");
}

#[test]
fn a_tag_that_a_proxy_changed_is_the_same_revision() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"k"}"#);
    let mut transcript = String::new();
    // Each step that is taken raises the revision, which is 1 at first.
    for (what, tags) in [
        ("disable", "W/\"1\""),
        ("enable", "\"2-gzip\""),
        ("disable", "\"1\", W/\"3\", \"9\""),
        ("enable", "\"3\""),
        ("enable", "\"7\", \"8\""),
        ("enable", "\"abc\""),
        ("enable", "4"),
        ("enable", "*"),
    ] {
        let line = format!("POST /v1/keys/{id}/{what}");
        let answer = owner.send_with(&line, &[("if-match", tags)]);
        let tag = answer.header("etag").unwrap_or_default();
        transcript += &format!("{what} {tags}: {} {tag}\n", answer.status);
    }
    expect![[r#"
        disable W/"1": 200 "2"
        enable "2-gzip": 200 "3"
        disable "1", W/"3", "9": 200 "4"
        enable "3": 412 
        enable "7", "8": 412 
        enable "abc": 412 
        enable 4: 400 
        enable *: 200 "5"
    "#]]
    .assert_eq(&transcript);
}

#[test]
fn the_form_of_the_events_is_the_one_that_is_wanted_most() {
    let service = Service::start();
    let owner = service.client("owner");
    owner.create(r#"{"name":"k"}"#);
    let form = |accept: &str| {
        let answer = owner.send_with("GET /v1/events", &[("accept", accept)]);
        format!("{} {}", answer.status, answer.header("content-type").unwrap())
    };
    let json = "200 application/json";
    let csv = "200 text/csv; charset=utf-8; header=present";
    for (accept, want) in [
        ("*/*", json),
        ("application/json;q=0.5, text/csv", csv),
        ("text/csv;q=0, */*", json),
        ("text/*;q=0.3, application/x-ndjson;q=0.8", "200 application/x-ndjson"),
        ("image/png", "406 application/problem+json"),
    ] {
        assert_eq!(form(accept), want, "{accept}");
    }
}

/// RFC 9110 §9.1: a client may ask for the head of whatever it may get.
#[test]
fn head_is_answered_wherever_get_is() {
    let service = Service::with(&["--root-dialect", "composable"]);
    let admin = service.paying("acme", "ann", "admin", "pro");
    let (id, _) = admin.create(r#"{"name":"k"}"#);
    let mut paths = Vec::new();
    for mount in [
        "",
        "/dialects/covosign",
        "/dialects/callcov",
        "/dialects/cloudsigma",
        "/dialects/capgo",
        "/dialects/composable",
    ] {
        let document = admin.send(&format!("GET {mount}/openapi.json")).json();
        for (path, methods) in document["paths"].as_object().unwrap() {
            if methods.get("get").is_some() && !path.ends_with("/stream") {
                let path = path.replace("{id}", &id).replace("{seq}", "0");
                let path = path.replace("{level}", "0").replace("{tile}", "000.p/1");
                let query = match path.as_str() {
                    "/v1/proofs/inclusion" => "?seq=0",
                    "/v1/proofs/consistency" => "?old=0",
                    "/v1/report/access" => "?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z",
                    _ => "",
                };
                paths.push(format!("{mount}{path}{query}"));
            }
        }
    }
    assert!(paths.len() > 30, "{paths:?}");
    for path in &paths {
        // Its first answer makes a key, so the HEAD is sent first.
        let head = admin.send(&format!("HEAD {path}"));
        let get = admin.bytes_or_status(&format!("GET {path}")).0;
        assert_eq!((head.status, head.text.as_str()), (get, ""), "{path}");
        if path.starts_with("/v1/authorize") {
            // A gateway asks with whatever method its client used.
            continue;
        }
        let wrong = admin.send(&format!("TRACE {path}"));
        let allowed = wrong.header("allow").unwrap_or_default();
        assert_eq!(wrong.status, 405, "{path}");
        assert!(allowed.contains("GET") && allowed.contains("HEAD"), "{path}: {allowed}");
    }
    let made = admin.all("/v1/events").len();
    for _ in 0..2 {
        let path = "/dialects/composable/api/v1/apikeys/pk?name=new";
        assert_eq!(admin.send(&format!("HEAD {path}")).status, 200);
    }
    assert_eq!(admin.all("/v1/events").len(), made, "a head made a key");
    let wrong = admin.send("PUT /v1/keys/verify {}");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
}

/// The lines that Python finds in a text.
fn python_lines(text: &str) -> usize {
    let script = "import sys; print(len(sys.stdin.buffer.read().decode().splitlines()))";
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn no_text_makes_a_line_of_its_own_in_any_form() {
    let service = Service::start();
    let owner = service.client("owner");
    let breaks = "a\\u2028b\\u2029c";
    let metadata = format!("{{\"m\":\"{breaks}\\u0085\\u000b\\u001e\"}}");
    owner.create(&format!(
        r#"{{"name":"k","description":"{breaks}","reason":"{breaks}","metadata":{metadata}}}"#
    ));
    for accept in ["application/json", "application/x-ndjson"] {
        let answer = owner.send_with("GET /v1/events", &[("accept", accept)]);
        assert_eq!(python_lines(&answer.text), 1, "{answer:?}");
        assert_eq!(answer.text.matches(breaks).count(), 3, "{answer:?}");
    }
    let csv = owner.send_with("GET /v1/events", &[("accept", "text/csv")]);
    assert_eq!(python_lines(&csv.text), 2, "{csv:?}");
    assert!(csv.text.contains(&format!(",{breaks},")), "{csv:?}");
    let event = owner.stream("/v1/events/stream", &[]).next();
    assert_eq!(event["reason"], "a\u{2028}b\u{2029}c");
    let list = owner.send("GET /v1/keys");
    assert_eq!(python_lines(&list.text), 1, "{list:?}");
}

#[test]
fn names_that_look_the_same_are_the_same() {
    let service = Service::start();
    let (composed, apart) = ("Zürich", "Zu\u{308}rich");
    let one = service.client_of(composed, "owner");
    let (id, _) =
        one.create(&format!(r#"{{"name":"{apart}","owner":"{apart}","project":"{apart}"}}"#));
    // The token's account is composed as well.
    let same = service.client_of(apart, "owner");
    let key = same.send(&format!("GET /v1/keys/{id}")).json();
    for field in ["account", "name", "owner", "project"] {
        assert_eq!(key[field], composed, "{field}");
    }
    let query = "GET /v1/keys?owner=Zu%CC%88rich&project=Zu%CC%88rich&q=zu%CC%88r";
    assert_eq!(same.send(query).json()["items"].as_array().unwrap().len(), 1);
    for (field, name) in [("name", "a\\u200b"), ("owner", "a\\u202eb"), ("project", "a\\u2066")] {
        let rest = if field == "name" { "" } else { r#","name":"k""# };
        let answer = one.send(&format!(r#"POST /v1/keys {{"{field}":"{name}"{rest}}}"#));
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
        let detail = text(&answer, "/detail");
        assert!(detail.starts_with(&format!("{field}: must not contain characters")), "{detail}");
    }
    // Joiners are spelling in some scripts.
    for name in ["می\u{200C}خواهم", "क्\u{200D}ष", "👩\u{200D}💻 dev"] {
        let (id, _) = one.create(&format!(r#"{{"name":"{name}"}}"#));
        assert_eq!(one.send(&format!("GET /v1/keys/{id}")).json()["name"], name);
    }
}
