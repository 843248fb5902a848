//! Keys that were made elsewhere: one alone, and as a stream of lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Script, Service, keyledger};

/// SHA-256 of `foreign-key-1`, which the tests import.
const DIGEST: &str = "wGrgvtiFAyyvH4VTZOf6YUU-MzrpTKOYzp11tRb1W54";

/// An import under way, over a connection of its own.
struct Import {
    socket: TcpStream,
    answer: BufReader<TcpStream>,
}

impl Import {
    fn open(service: &Service, token: &str, query: &str) -> Import {
        let mut socket = TcpStream::connect(service.address()).unwrap();
        let head = format!(
            "POST /v1/keys/import{query} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        let answer = BufReader::new(socket.try_clone().unwrap());
        Import { socket, answer }
    }

    fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.socket.write_all(chunk.as_bytes()).unwrap();
    }

    fn end(&mut self) {
        self.socket.write_all(b"0\r\n\r\n").unwrap();
    }

    /// The next line of the answer. Head and chunks' lengths are no JSON.
    fn line(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.answer.read_line(&mut line).unwrap(), 0, "the answer was cut off");
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

fn line(number: u32) -> Value {
    json!({"name": format!("k{number}"), "owner": "ann", "idempotency_key": number.to_string(),
        "import": {"secret": format!("foreign-{number}"), "source": "elsewhere"}})
}

fn code(service: &Service, text: &str) -> String {
    let verify = json!({ "key": text });
    let answer = service.client("verifier").send(&format!("POST /v1/keys/verify {verify}")).json();
    answer["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_moves_in_alone() {
    let service = Service::start();
    let mut script = Script::new(&service);
    script.check(
        &[
            r#"POST /v1/keys/verify {"key":"foreign-key-1"} => code"#,
            r#"POST /v1/keys?dry_run=true {"name":"k","import":{"secret":"foreign-key-1"}} => secret key.status"#,
            r#"POST /v1/keys?receipt=true {"name":"k","import":{"secret":"foreign-key-1","prefix":"forei","created_at":"2024-05-06T07:08:09Z","source":"billing"},"permissions":["a.b"]} | idempotency-key: 1 => secret key.imported.source key.prefix key.masked key.dialect key.kind"#,
            r#"POST /v1/keys?receipt=true {"name":"k","import":{"secret":"foreign-key-1","prefix":"forei","created_at":"2024-05-06T07:08:09Z","source":"billing"},"permissions":["a.b"]} | idempotency-key: 1 => secret key.imported.created_at #idempotency-replayed"#,
            r#"POST /v1/keys {"name":"other","import":{"secret":"foreign-key-2"}} | idempotency-key: 1"#,
            r#"POST /v1/keys/verify {"key":"foreign-key-1","permission":"a.b"} => code key.name"#,
            r#"POST /v1/keys {"name":"k","import":{"sha256":"wGrgvtiFAyyvH4VTZOf6YUU-MzrpTKOYzp11tRb1W54"}}"#,
            r#"@owner:other POST /v1/keys {"name":"k","import":{"secret":"foreign-key-1"}}"#,
            r#"POST /v1/keys {"name":"k","kind":"public","import":{"secret":"foreign-key-3"}}"#,
            r#"POST /v1/keys {"name":"k","import":{"secret":"kl_live_00000000000000000000000000000000"}}"#,
            r#"POST /v1/keys {"name":"k","import":{"secret":"kl_pub_000000000000000000000000000000000"}}"#,
            r#"POST /v1/keys {"name":"k","import":{"secret":"x","sha256":"x"}}"#,
            r#"POST /v1/keys {"name":"k","import":{"sha256":"x"}}"#,
            r#"POST /v1/keys {"name":"k","import":{}}"#,
            "GET /v1/keys?prefix=forei => items.0.imported items.0.status",
            "GET /v1/events?order=desc&limit=1 => items.0.type items.0.revision items.0.data.imported.source",
        ],
        &expect![[r#"
            200 code=NOT_FOUND
            200 secret=null status=enabled
            201 secret=null source=billing prefix=forei masked=forei… dialect=native kind=secret
            201 secret=null created_at=<time> idempotency-replayed: true
            422 idempotency_mismatch
            200 code=VALID name=k
            409 key_exists
            409 key_exists
            400 invalid_request kind
            400 invalid_request import.secret
            400 invalid_request import.secret
            400 invalid_request import.secret
            400 invalid_request import.sha256
            400 invalid_request import.sha256
            200 imported={created_at: <time>, last_used_at: null, source: billing} status=enabled
            200 type=created revision=1 source=billing
        "#]],
    );
    let own = script.step(r#"POST /v1/keys {"name":"own"} => key.status"#);
    assert_eq!(own, "201 status=enabled");
    // The text of a key of this service is taken, whoever has it; and so it is when it is revoked.
    let text = script.secret(1).to_owned();
    let again = format!(r#"POST /v1/keys {{"name":"k","import":{{"secret":"{text}"}}}}"#);
    assert_eq!(script.step(&again), "409 key_exists");
    let own = service.client("owner").all("/v1/keys?status=enabled");
    let taken = service.client("owner").send(&again).json()["detail"].to_string();
    assert!(own.iter().any(|key| taken.contains(key["id"].as_str().unwrap())), "{taken}");
    let others = service.client_of("other", "owner").send(&again).json()["detail"].to_string();
    assert_eq!(others, "\"a key with the same secret exists\"");
}

#[test]
fn a_bad_line_stops_none_of_the_others() {
    let service = Service::start();
    let mut import = Import::open(&service, &service.token("acme", "owner"), "");
    import.send(&format!("{}\n\n{{\n", line(1)));
    let first = import.line();
    assert_eq!((&first["line"], &first["status"]), (&json!(1), &json!(201)));
    // Answered while the rest is not even sent.
    let second = import.line();
    assert_eq!(
        (&second["line"], &second["problem"]["detail"]),
        (&json!(3), &json!("body: must be JSON"))
    );
    let mut others = vec![
        (line(1), 200, ""),
        (json!({"name": "k", "import": {"secret": "foreign-1"}}), 409, "key_exists"),
        (json!({"name": "no import"}), 400, "invalid_request"),
        (
            json!({"name": "k", "import": {"secret": "foreign-9"}, "idempotency_key": "1"}),
            422,
            "idempotency_mismatch",
        ),
        (
            json!({"name": "k", "account": "other", "import": {"secret": "foreign-9"}}),
            403,
            "forbidden",
        ),
        (json!({"name": "x".repeat(70_000)}), 413, "payload_too_large"),
        (line(2), 201, ""),
    ];
    // The last line needs no end.
    let text: Vec<_> = others.iter().map(|(line, ..)| line.to_string()).collect();
    import.send(&text.join("\r\n"));
    import.end();
    for (number, (sent, status, code)) in (4..).zip(others.drain(..)) {
        let answer = import.line();
        assert_eq!(
            (&answer["line"], &answer["status"]),
            (&json!(number), &json!(status)),
            "{sent}"
        );
        match code {
            "" => assert!(answer["id"].is_string() && answer.get("problem").is_none()),
            code => assert_eq!(answer["problem"]["code"], code, "{sent}"),
        }
    }
    let counts = json!({"lines": 9, "imported": 2, "repeated": 1, "refused": 6, "complete": true});
    assert_eq!(import.line(), json!({ "summary": counts }));
    assert_eq!(code(&service, "foreign-2"), "VALID");
    let metrics = service.client_with(None).send("GET /metrics").text;
    assert!(metrics.contains("keyledger_keys_imported 2"), "{metrics}");
    service.stop().0.is_in_order();
}

#[test]
fn a_broken_import_is_simply_sent_again() {
    let service = Service::start();
    let token = service.token("acme", "owner");
    let mut import = Import::open(&service, &token, "");
    import.send(&format!("{}\n{}\n{}\n{{\"name\"", line(1), line(2), line(3)));
    let ids: Vec<Value> = (0..3).map(|_| import.line()["id"].clone()).collect();
    import.socket.shutdown(Shutdown::Both).unwrap();
    // What was answered is there, whatever happens then.
    let service = service.kill().start();
    let all: String = (1..=4).map(|number| line(number).to_string() + "\n").collect();
    let owner = service.client_with(Some(&token));
    let again = owner.send_typed(&format!("POST /v1/keys/import {all}"), "application/x-ndjson");
    let answers: Vec<Value> =
        again.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (answer, id) in answers.iter().zip(&ids) {
        assert_eq!((&answer["status"], &answer["id"]), (&json!(200), id));
    }
    assert_eq!(answers[3]["status"], 201);
    assert_eq!(answers[4]["summary"]["repeated"], 3);
    assert_eq!(owner.all("/v1/keys").len(), 4);
}

#[test]
fn a_dry_run_records_nothing() {
    let service = Service::start();
    let owner = service.client("owner");
    let answer = owner.send(&format!("POST /v1/keys/import?dry_run=true {}", line(1)));
    let lines: Vec<Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({"line": 1, "status": 200}));
    assert_eq!(lines[1]["summary"]["imported"], 1);
    assert_eq!(owner.all("/v1/events").len(), 0);
}

#[test]
fn what_is_no_import_is_refused_before_it_is_read() {
    let service = Service::start();
    let owner = service.client("owner");
    let route = "POST /v1/keys/import {}";
    for (header, code) in [
        (("idempotency-key", "x"), "invalid_request"),
        (("if-match", "\"1\""), "invalid_request"),
        (("content-type", "text/csv"), "invalid_request"),
        (("content-encoding", "br"), "unsupported_encoding"),
    ] {
        assert_eq!(owner.send_with(route, &[header]).code(), code, "{header:?}");
    }
    assert_eq!(owner.send("POST /v1/keys/import?receipt=true {}").code(), "invalid_request");
}

/// Thousands of lines, sent as fast as they are taken; the limits that hold others back hold these
/// back, and none is lost.
#[test]
fn many_lines_are_many_keys() {
    let service = Service::start();
    let mut import = Import::open(&service, &service.token("acme", "owner"), "");
    let mut out = Import {
        socket: import.socket.try_clone().unwrap(),
        answer: BufReader::new(import.socket.try_clone().unwrap()),
    };
    let sending = std::thread::spawn(move || {
        for group in 0..50 {
            let lines = (0..100).map(|number| line(group * 100 + number).to_string() + "\n");
            out.send(&lines.collect::<String>());
        }
        out.end();
    });
    for number in 1..=5_000 {
        let answer = import.line();
        assert_eq!((&answer["line"], &answer["status"]), (&json!(number), &json!(201)));
    }
    assert_eq!(import.line()["summary"]["imported"], 5_000);
    sending.join().unwrap();
    for number in [0, 2_500, 4_999] {
        assert_eq!(code(&service, &format!("foreign-{number}")), "VALID");
    }
    let events = service.client("owner").all("/v1/events");
    assert_eq!(events.len(), 5_000);
    service.stop().0.is_in_order();
}

#[test]
fn an_import_is_held_back_and_not_refused() {
    let service =
        Service::with(&["--max-changes-per-second", "40", "--max-exports-per-account", "1"]);
    let token = service.token("acme", "owner");
    let mut import = Import::open(&service, &token, "");
    let lines: String = (0..100).map(|number| line(number).to_string() + "\n").collect();
    import.send(&lines);
    assert_eq!(import.line()["status"], 201);
    let second = service.client_with(Some(&token)).send("POST /v1/keys/import {}");
    assert_eq!(second.refusal(), (503, "overloaded".to_owned()));
    import.end();
    for _ in 1..100 {
        assert_eq!(import.line()["status"], 201);
    }
    assert_eq!(import.line()["summary"]["complete"], true);
}

#[test]
fn an_import_ends_with_its_token() {
    let service = Service::start();
    let token = service.token_of("acme", "mover", "owner");
    let mut import = Import::open(&service, &token, "");
    import.send(&format!("{}\n", line(1)));
    assert_eq!(import.line()["status"], 201);
    let ended = service.client("admin").send(r#"POST /v1/tokens/revoke {"subject":"mover"}"#);
    assert_eq!(ended.status, 200, "{ended:?}");
    let last = import.line();
    assert_eq!(last["summary"]["complete"], false, "{last}");
    assert_eq!(last["problem"]["code"], "unauthenticated", "{last}");
}

/// Whatever others do with a key, they do with one that moved in.
#[test]
fn an_imported_key_is_a_key() {
    let service = Service::start();
    let owner = service.client("owner");
    let body = json!({"name": "k", "permissions": ["a.b"], "import": {"sha256": DIGEST}});
    let made = owner.send(&format!("POST /v1/keys {body}")).json();
    let id = made["key"]["id"].as_str().unwrap();
    assert_eq!(made["key"]["prefix"], "imported");
    // Gateways, in every place where a client may send it; and the key itself.
    let gateway = service.client_with(None);
    let token = service.token("acme", "verifier");
    let token = ("x-keyledger-token", token.as_str());
    for sent in [
        ("x-api-key", "foreign-key-1"),
        ("authorization", "Bearer foreign-key-1"),
        ("x-forwarded-uri", "/orders?api_key=foreign-key-1"),
    ] {
        let answer = gateway.send_with("GET /v1/authorize?permission=a.b", &[token, sent]);
        assert_eq!((answer.status, answer.header("x-key-id")), (200, Some(id)), "{sent:?}");
    }
    let bearer = service.client_with(Some("foreign-key-1"));
    assert_eq!(bearer.send("GET /v1/self").json()["id"], id);
    assert_eq!(bearer.send("GET /v1/keys").refusal(), (401, "unauthenticated".to_owned()));
    // It is edited, replaced by one that is made here, proved, and ends itself.
    let edited = owner.send(&format!(r#"PATCH /v1/keys/{id} {{"name":"renamed"}}"#));
    assert_eq!(edited.json()["key"]["imported"]["source"], Value::Null);
    let rotated = owner.send(&format!(r#"POST /v1/keys/{id}/rotate {{"overlap_s":600}}"#)).json();
    assert!(rotated["secret"].as_str().unwrap().starts_with("kl_live_"));
    assert_eq!(rotated["key"]["imported"], Value::Null);
    assert_eq!(owner.send(&format!("GET /v1/keys/{id}/proof")).status, 200);
    assert_eq!(bearer.send("POST /v1/self/revoke").status, 200);
    assert_eq!(code(&service, "foreign-key-1"), "REVOKED");
    assert_eq!(
        owner.send(&format!("GET /v1/keys/{id}/history")).json()["items"].as_array().unwrap().len(),
        4
    );
    // A text that was revoked does not come back, and a dialect does not list what it did not make.
    assert_eq!(owner.send(&format!("POST /v1/keys {body}")).code(), "key_exists");
    let (stopped, log) = service.stop();
    assert!(!log.contains("foreign-key-1"), "{log}");
    stopped.is_in_order();
    let replayed = keyledger(&["replay"]).data(&stopped.data()).good();
    assert!(replayed.contains("renamed"), "{replayed}");
}
