//! What goes wrong beneath a dialect: too much, too slow, a disk that fails, a body that is none.
//! Whatever it is, the response has the dialect's own form.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use expect_test::expect;

use crate::support::{Answer, Client, DEADLINE, Service, shown, until};

/// A change of each dialect that is good, and the body it is sent with.
const CHANGES: [(&str, &str); 6] = [
    ("/v1/keys", r#"{"name":"a"}"#),
    ("/dialects/covosign/api/v1/api-keys", r#"{"name":"a","environment":"SANDBOX"}"#),
    ("/dialects/callcov/api/v1/api-keys/", "{}"),
    ("/dialects/cloudsigma/v1/api-keys", r#"{"name":"a"}"#),
    ("/dialects/capgo/apikey/", r#"{"org_id":"acme","mode":"read"}"#),
    ("/dialects/composable/api/v1/apikeys", r#"{"name":"a","role":"reader"}"#),
];

/// A caller who may do all of them, each time as another user: callcov gives a user ten keys.
fn caller(service: &Service, subject: &str) -> Client {
    service.paying("acme", subject, "admin", "pro")
}

/// What the native API says is a problem; it is shown without its id.
fn outcome(answer: &Answer) -> String {
    if answer.header("content-type") == Some("application/problem+json") {
        let (status, code) = answer.refusal();
        return format!("{status} {code}\n");
    }
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    // The native API ends its answers in a line break of its own.
    shown(answer).trim_end().to_owned() + "\n"
}

fn table(call: impl Fn(&str, &str) -> Answer) -> String {
    CHANGES.iter().map(|(path, body)| outcome(&call(path, body))).collect()
}

#[test]
fn a_body_that_says_it_is_no_json() {
    let service = Service::start();
    let client = caller(&service, "ann");
    let typed = |kind: &'static str| {
        table(|path, body| client.send_typed(&format!("POST {path} {body}"), kind))
    };
    let refused = typed("text/plain");
    expect![[r#"
        400 invalid_request
        400 {"code":400,"statusText":"Bad Request","message":"content-type: must be application/json","data":null}
        422 {"detail":[{"type":"value_error","loc":["header","content-type"],"msg":"must be application/json"}]}
        400 {"success":false,"error":{"code":"BadRequest","message":"content-type: must be application/json"}}
        400 {"error":"content-type: must be application/json","status":"KO"}
        400 {"error":"Bad Request","status":400,"message":"content-type: must be application/json"}
    "#]]
    .assert_eq(&refused);
    assert_eq!(refused, typed("application/xml"));
    assert_eq!(refused, typed("application/jsonp"));
    assert_eq!(client.all("/v1/events").len(), 0);
    for good in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/x+json",
        // The default of curl.
        "application/x-www-form-urlencoded",
    ] {
        assert!(typed(good).lines().all(|line| line.starts_with("20")), "{good}");
    }
}

#[test]
fn a_body_that_is_too_large() {
    let service = Service::start();
    let client = caller(&service, "ann");
    let transcript = table(|path, _| {
        client.send(&format!(r#"POST {path} {{"name":"{}"}}"#, "x".repeat(66_000)))
    });
    expect![[r#"
        413 payload_too_large
        413 {"code":413,"statusText":"Payload Too Large","message":"the body may have 65536 bytes","data":null}
        413 {"detail":"the body may have 65536 bytes"}
        413 {"success":false,"error":{"code":"PayloadTooLarge","message":"the body may have 65536 bytes"}}
        413 {"error":"the body may have 65536 bytes","status":"KO"}
        413 {"error":"Payload Too Large","status":413,"message":"the body may have 65536 bytes"}
    "#]]
    .assert_eq(&transcript);
}

#[test]
fn a_body_that_does_not_come() {
    let service = Service::with(&["--request-timeout", "1s"]);
    let client = caller(&service, "ann");
    let token = client.token().unwrap().to_owned();
    let address = service.address();
    let answers: Vec<String> = std::thread::scope(|threads| {
        let threads = CHANGES.map(|(path, _)| {
            let token = &token;
            threads.spawn(move || {
                let mut socket = TcpStream::connect(address).unwrap();
                socket.set_read_timeout(Some(DEADLINE)).unwrap();
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
                     Content-Type: application/json\r\nContent-Length: 2\r\n\
                     Connection: close\r\n\r\n{{"
                );
                socket.write_all(head.as_bytes()).unwrap();
                let mut answer = String::new();
                socket.read_to_string(&mut answer).unwrap();
                let (head, body) = answer.split_once("\r\n\r\n").unwrap();
                let body = body.split(",\"request_id\"").next().unwrap();
                format!("{} {body}\n", &head[9..12])
            })
        });
        threads.map(|thread| thread.join().unwrap()).into()
    });
    expect![[r#"
        504 {"type":"urn:keyledger:problem:timeout","title":"No answer in time","status":504,"detail":"no answer in time; whether a change was made is not known","code":"timeout"
        504 {"code":504,"statusText":"Gateway Timeout","message":"no answer in time; whether a change was made is not known","data":null}
        504 {"detail":"no answer in time; whether a change was made is not known"}
        504 {"success":false,"error":{"code":"GatewayTimeout","message":"no answer in time; whether a change was made is not known"}}
        504 {"error":"no answer in time; whether a change was made is not known","status":"KO"}
        504 {"error":"Gateway Timeout","status":504,"message":"no answer in time; whether a change was made is not known"}
    "#]]
    .assert_eq(&answers.concat());
}

#[test]
fn more_than_may_wait() {
    let service = Service::with(&["--queue", "1"]);
    let mut transcript = String::new();
    for (path, body) in CHANGES {
        // Each sender is another user, and all of them want the one place in the queue.
        let seen = AtomicBool::new(false);
        let refused = std::sync::Mutex::new(String::new());
        std::thread::scope(|threads| {
            for n in 0..8 {
                let client = caller(&service, &format!("user-{n}"));
                let (seen, refused) = (&seen, &refused);
                threads.spawn(move || {
                    until("somebody finds the queue full", || {
                        let answer = client.send(&format!("POST {path} {body}"));
                        if matches!(answer.status, 503 | 429) {
                            seen.store(true, Ordering::Release);
                            assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
                            *refused.lock().unwrap() = outcome(&answer);
                        }
                        seen.load(Ordering::Acquire)
                    });
                });
            }
        });
        transcript += &refused.into_inner().unwrap();
    }
    expect![[r#"
        503 overloaded
        429 {"code":429,"statusText":"Too Many Requests","message":"too many requests are waiting","data":null}
        503 {"detail":"too many requests are waiting"}
        503 {"success":false,"error":{"code":"ServiceUnavailable","message":"too many requests are waiting"}}
        503 {"error":"too many requests are waiting","status":"KO"}
        503 {"error":"Service Unavailable","status":503,"message":"too many requests are waiting"}
    "#]]
    .assert_eq(&transcript);
}

#[test]
fn a_disk_that_fails() {
    let service = Service::on_a_weak_disk();
    let client = caller(&service, "ann");
    let (id, secret) = client.create(r#"{"name":"before"}"#);
    service.fail_its_disk();
    let transcript = table(|path, body| client.send(&format!("POST {path} {body}")));
    expect![[r#"
        503 log_broken
        503 {"code":503,"statusText":"Service Unavailable","message":"the log is broken","data":null}
        503 {"detail":"the log is broken"}
        503 {"success":false,"error":{"code":"ServiceUnavailable","message":"the log is broken"}}
        503 {"error":"the log is broken","status":"KO"}
        503 {"error":"Service Unavailable","status":503,"message":"the log is broken"}
    "#]]
    .assert_eq(&transcript);
    // Reads and verify go on; `/readyz` fails.
    assert_eq!(client.send(&format!("GET /v1/keys/{id}")).status, 200);
    let verdict = client.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#)).json();
    assert_eq!(verdict["code"], "VALID");
    for (path, list) in [
        ("/dialects/callcov/api/v1/api-keys/", r#"{"api_keys":[],"total":0}"#),
        ("/dialects/capgo/apikey/", r#"{"data":[]}"#),
        ("/dialects/composable/api/v1/apikeys", "[]"),
    ] {
        assert_eq!(client.send(&format!("GET {path}")).text, list);
    }
    assert_eq!(client.send("GET /healthz").status, 200);
    assert_eq!(client.send("GET /readyz").status, 503);
    // What was acknowledged is there after a restart, and what was refused is not.
    let service = service.kill().start();
    let keys = service.client("owner").all("/v1/keys");
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["id"], id);
}
