//! An import as a stream of lines: what is answered when, what others notice of it, and what ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::import::{code, line};
use crate::support::{Import, Service, until};

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
    import.break_off();
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

/// Thousands of lines, sent as fast as they are taken; the limits that hold others back hold these
/// back, and none is lost.
#[test]
fn many_lines_are_many_keys() {
    let service = Service::start();
    let mut import = Import::open(&service, &service.token("acme", "owner"), "");
    let mut out = import.another();
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

/// However much one account sends, others are answered in between, and it goes on.
#[test]
fn an_import_leaves_others_their_turn() {
    let service = Service::start();
    let mut import = Import::open(&service, &service.token("acme", "owner"), "");
    let (is_enough, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sending = {
        let (mut out, is_enough) = (import.another(), Arc::clone(&is_enough));
        std::thread::spawn(move || {
            let mut sent = 0;
            while !is_enough.load(Ordering::Relaxed) {
                let lines = (sent..sent + 100).map(|number| line(number).to_string() + "\n");
                out.send(&lines.collect::<String>());
                sent += 100;
            }
            out.end();
            sent
        })
    };
    let reading = {
        let answered = Arc::clone(&answered);
        std::thread::spawn(move || {
            loop {
                let answer = import.line();
                if answer.get("summary").is_some() {
                    return answer;
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let other = service.client_of("umbrella", "owner");
    for _ in 0..10 {
        let before = answered.load(Ordering::Relaxed);
        other.create(r#"{"name":"k"}"#);
        until("the import goes on", || answered.load(Ordering::Relaxed) > before);
    }
    is_enough.store(true, Ordering::Relaxed);
    let (sent, summary) = (sending.join().unwrap(), reading.join().unwrap());
    let counts =
        json!({"lines": sent, "imported": sent, "repeated": 0, "refused": 0, "complete": true});
    assert_eq!(summary, json!({ "summary": counts }));
    assert_eq!(other.all("/v1/keys").len(), 10);
}

/// What was sent whole is imported, what was not is as if it had never been sent, and the place is free.
#[test]
fn a_client_that_falls_silent_is_given_up() {
    let options = ["--request-timeout", "2s", "--max-exports-per-account", "1"];
    let service = Service::with(&options);
    let token = service.token("acme", "owner");
    let mut import = Import::open(&service, &token, "");
    import.send(&format!("{}\n{}\n{{\"name\":\"half a line", line(1), line(2)));
    for number in [1, 2] {
        let answer = import.line();
        assert_eq!((&answer["line"], &answer["status"]), (&json!(number), &json!(201)));
    }
    let last = import.line();
    let counts = json!({"lines": 2, "imported": 2, "repeated": 0, "refused": 0, "complete": false});
    assert_eq!(last["summary"], counts, "{last}");
    assert_eq!(last["problem"]["code"], "timeout", "{last}");
    assert_eq!(code(&service, "foreign-2"), "VALID");
    let owner = service.client_with(Some(&token));
    let rest = format!("POST /v1/keys/import {}", line(3));
    until("its place is free", || owner.send(&rest).status == 200);
    assert_eq!(owner.all("/v1/keys").len(), 3);
}
