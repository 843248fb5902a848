//! What somebody sees first: with a browser, with curl, on a command line, in the log.

use std::io::{BufRead as _, BufReader};

use crate::support::{Client, Service, keyledger};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[test]
fn a_browser_is_redirected_to_the_docs_and_a_program_gets_their_address() {
    for options in [&[][..], &["--root-dialect", "callcov"]] {
        let service = Service::with(options);
        let client = service.client_with(None);
        let browser = client.send_with("GET /", &[("accept", BROWSER)]);
        assert_eq!((browser.status, browser.header("location")), (303, Some("/docs")));
        for accept in ["*/*", "application/json"] {
            let program = client.send_with("GET /", &[("accept", accept)]);
            assert_eq!(program.status, 200);
            let expected = serde_json::json!({"docs": "/docs", "openapi": "/openapi.json"});
            assert_eq!(program.json(), expected);
        }
        assert_eq!(client.send("HEAD /").status, 200);
        assert_eq!(client.send("POST /").status, 405);
    }
}

/// Else a shell's prompt stands in the same line as the answer.
#[test]
fn what_the_api_answers_ends_in_a_line_break() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"k"}"#);
    let nobody = service.client_with(None);
    let ends = |client: &Client, line: &str| {
        let answer = client.send(line);
        assert!(answer.text.ends_with('\n'), "{line}: {answer:?}");
        assert!(!answer.text.ends_with("\n\n"), "{line}: {answer:?}");
        answer.json();
    };
    for line in [
        "GET /",
        "GET /healthz",
        "GET /readyz",
        "GET /openapi.json",
        "GET /nothing",
        "GET /v1/keys",
    ] {
        ends(&nobody, line);
    }
    for line in [
        "GET /v1/keys",
        &format!("GET /v1/keys/{id}"),
        &format!("GET /v1/keys/{id}/history"),
        &format!("POST /v1/keys/{id}/disable"),
        &format!("POST /v1/keys/{id}/enable?receipt=true"),
        r#"POST /v1/keys {"name":"k"}"#,
        r#"POST /v1/keys?receipt=true {"name":"k"}"#,
        r#"POST /v1/keys?dry_run=true {"name":"k"}"#,
        &format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#),
        "GET /v1/events",
        "GET /v1/events/0",
        "GET /v1/report/access?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z",
        "GET /v1/expiring?within_s=60",
    ] {
        ends(&owner, line);
    }
    let refused = nobody.raw(b"nonsense\r\n\r\n");
    assert!(refused.ends_with("}\n"), "{refused}");
    // The APIs that dialects speak have none.
    let dialect = owner.send("GET /dialects/callcov/api/v1/api-keys");
    assert!(!dialect.text.ends_with('\n'), "{dialect:?}");
}

#[test]
fn a_forbidden_caller_is_shown_the_role_that_may() {
    let service = Service::start();
    let detail = |role: &str, line: &str| {
        let answer = service.client(role).send(line);
        assert_eq!(answer.refusal(), (403, "forbidden".to_owned()), "{role} {line}");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let create = r#"POST /v1/keys {"name":"k"}"#;
    for (role, line, wanted) in [
        ("verifier", create, "owner or admin"),
        ("auditor", create, "owner or admin"),
        ("worker", "GET /v1/keys", "owner or auditor or admin"),
        ("auditor", r#"POST /v1/keys/verify {"key":"k"}"#, "owner or verifier or admin"),
        ("owner", "POST /v1/expirations {}", "worker or admin"),
        ("owner", "GET /v1/access", "auditor or admin"),
        ("auditor", "GET /v1/access", "all accounts"),
        ("auditor", "GET /v1/table-digest", "all accounts"),
        ("auditor", "GET /log/table", "all accounts"),
        ("auditor", "GET /log/tile/entries/000", "all accounts"),
        ("auditor", "GET /log/access/tile/entries/000", "all accounts"),
    ] {
        let detail = detail(role, line);
        assert!(detail.contains(wanted), "{role} {line}: {detail}");
    }
}

#[test]
fn a_name_is_listened_on_as_an_address_is() {
    let service = Service::with(&["--listen", "localhost:0"]);
    assert_eq!(service.client("owner").send("GET /v1/keys").status, 200);
    let by_name = format!("http://localhost:{}", service.address().port());
    let list = keyledger(&["keys", "list", "--url", &by_name]);
    list.env("KEYLEDGER_TOKEN", &service.token("acme", "owner")).good();
}

/// It used to wait in silence for as long as the log may be silent, a day.
#[test]
fn a_monitor_says_at_once_that_it_reaches_nobody() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut monitor = keyledger(&["audit", "monitor", "--every", "1h", "--state"])
        .argument(folder.path().join("state"))
        .with(&["--url", &format!("http://{nobody}")])
        .spawn();
    let mut line = String::new();
    BufReader::new(monitor.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let _ = monitor.kill();
    let _ = monitor.wait();
    assert!(line.contains("cannot be reached") && line.contains(&nobody.to_string()), "{line}");
}

#[test]
fn what_libraries_have_to_say_is_not_logged() {
    for format in ["text", "json"] {
        let service = Service::with(&["--log-level", "trace", "--log-format", format]);
        service.client("owner").create(r#"{"name":"k"}"#);
        let (_, log) = service.stop();
        assert!(log.contains("server::") && log.contains("keyledger::"), "{log}");
        for library in ["hyper", "h2::", "sled::", "mio::", "tokio::", "rustls"] {
            assert!(!log.contains(library), "{library} in {log}");
        }
    }
}
