//! Everything that can be wrong with a request is refused in one form.

use expect_test::expect;

use crate::support::{Script, Service};

#[test]
fn a_body_that_is_wrong_names_its_field() {
    let service = Service::start();
    let owner = service.client("owner");
    let long = |n: usize| "x".repeat(n);
    let many = |n: usize| (0..n).map(|n| format!(r#""k{n}":"v""#)).collect::<Vec<_>>().join(",");
    let table = [
        (String::new(), ""),
        ("{".to_owned(), ""),
        ("[]".to_owned(), ""),
        ("null".to_owned(), ""),
        ("{}".to_owned(), "name"),
        (r#"{"name":7}"#.to_owned(), "name"),
        (r#"{"name":""}"#.to_owned(), "name"),
        (r#"{"name":" "}"#.to_owned(), "name"),
        (r#"{"name":"a\u0000b"}"#.to_owned(), "name"),
        (format!(r#"{{"name":"{}"}}"#, long(201)), "name"),
        (r#"{"name":"k","expiresAt":"2030-01-01T00:00:00Z"}"#.to_owned(), "expiresAt"),
        (r#"{"name":"k","expires_at":"2020-01-01T00:00:00Z"}"#.to_owned(), "expires_at"),
        (r#"{"name":"k","expires_at":"soon"}"#.to_owned(), "expires_at"),
        (r#"{"name":"k","expires_at":"2999-01-01T00:00:00Z","ttl_s":1}"#.to_owned(), "ttl_s"),
        (r#"{"name":"k","ttl_s":0}"#.to_owned(), "ttl_s"),
        (r#"{"name":"k","ttl_s":-1}"#.to_owned(), "ttl_s"),
        (r#"{"name":"k","kind":"secretive"}"#.to_owned(), "kind"),
        (r#"{"name":"k","environment":"prod"}"#.to_owned(), "environment"),
        (r#"{"name":"k","role":"a role"}"#.to_owned(), "role"),
        (r#"{"name":"k","permissions":["orders"]}"#.to_owned(), "permissions"),
        (r#"{"name":"k","permissions":["*.read"]}"#.to_owned(), "permissions"),
        (r#"{"name":"k","allowed_ips":["10.0.0.0/33"]}"#.to_owned(), "allowed_ips"),
        (r#"{"name":"k","daily_limit":0}"#.to_owned(), "daily_limit"),
        (r#"{"name":"k","metadata":{"a":1}}"#.to_owned(), "metadata"),
        (format!(r#"{{"name":"k","metadata":{{{}}}}}"#, many(21)), "metadata"),
        (format!(r#"{{"name":"k","description":"{}"}}"#, long(501)), "description"),
        (r#"{"name":"k","name":"l"}"#.to_owned(), "name"),
        (r#"{"name":"k"} {}"#.to_owned(), ""),
    ];
    for (body, field) in table {
        let answer = owner.send(&format!("POST /v1/keys {body}"));
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{body}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(field), "{body}: {detail}");
    }
    assert_eq!(owner.all("/v1/events").len(), 0);
}

/// A key, and then requests that are wrong in their path, query, header or method.
const WRONG: &[&str] = &[
    r#"POST /v1/keys {"name":"k"} => key.status"#,
    "GET /v1/keys/nonsense",
    "GET /v1/keys/00000000-0000-7000-8000-00000000000G",
    "GET /v1/events/nonsense",
    "GET /v1/events/-1",
    "GET /v1/events/1",
    "GET /v1/keys?limit=0",
    "GET /v1/keys?limit=501",
    "GET /v1/keys?limit=a",
    "GET /v1/keys?status=gone",
    "GET /v1/keys?statuss=enabled",
    "GET /v1/keys?limit=1&limit=2",
    "GET /v1/keys?expires_before=soon",
    "GET /v1/events?order=up",
    "GET /v1/events?type=made",
    "GET /v1/events?after=-1",
    "GET /v1/events/stream?after=a",
    "GET /v1/events/stream | Last-Event-ID: a",
    "GET /v1/expiring?within_s=-1",
    "GET /v1/report/access",
    "GET /v1/report/access?from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z",
    "@admin GET /v1/table-digest?seq=99",
    r#"POST /v1/keys?dry_run=maybe {"name":"k"}"#,
    "POST /v1/keys/$1/disable | If-Match: x",
    "GET /v1/nothing",
    "GET /v1/keys/",
    "GET /",
    "GET /v1/keys/$1/enable",
    "PUT /v1/keys/$1",
    "DELETE /v1/keys",
    "PATCH /healthz",
];

#[test]
fn wrong_paths_queries_and_methods_are_distinguished() {
    let service = Service::start();
    let mut script = Script::new(&service);
    let table: String =
        WRONG.iter().map(|step| format!("{step}: {}\n", script.step(step))).collect();
    expect![[r#"
        POST /v1/keys {"name":"k"} => key.status: 201 status=enabled
        GET /v1/keys/nonsense: 400 invalid_request id
        GET /v1/keys/00000000-0000-7000-8000-00000000000G: 400 invalid_request id
        GET /v1/events/nonsense: 400 invalid_request seq
        GET /v1/events/-1: 400 invalid_request seq
        GET /v1/events/1: 404 event_not_found
        GET /v1/keys?limit=0: 400 invalid_request limit
        GET /v1/keys?limit=501: 400 invalid_request limit
        GET /v1/keys?limit=a: 400 invalid_request limit
        GET /v1/keys?status=gone: 400 invalid_request status
        GET /v1/keys?statuss=enabled: 400 invalid_request statuss
        GET /v1/keys?limit=1&limit=2: 400 invalid_request limit
        GET /v1/keys?expires_before=soon: 400 invalid_request expires_before
        GET /v1/events?order=up: 400 invalid_request order
        GET /v1/events?type=made: 400 invalid_request type
        GET /v1/events?after=-1: 400 invalid_request after
        GET /v1/events/stream?after=a: 400 invalid_request after
        GET /v1/events/stream | Last-Event-ID: a: 400 invalid_request last-event-id
        GET /v1/expiring?within_s=-1: 400 invalid_request within_s
        GET /v1/report/access: 400 invalid_request from
        GET /v1/report/access?from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z: 400 invalid_request to
        @admin GET /v1/table-digest?seq=99: 400 invalid_request seq
        POST /v1/keys?dry_run=maybe {"name":"k"}: 400 invalid_request dry_run
        POST /v1/keys/$1/disable | If-Match: x: 400 invalid_request if-match
        GET /v1/nothing: 404 not_found
        GET /v1/keys/: 404 not_found
        GET /: 200 {docs: /docs, openapi: /openapi.json}
        GET /v1/keys/$1/enable: 405 method_not_allowed
        PUT /v1/keys/$1: 405 method_not_allowed
        DELETE /v1/keys: 405 method_not_allowed
        PATCH /healthz: 405 method_not_allowed
    "#]]
    .assert_eq(&table);
}

#[test]
fn what_is_too_large_is_refused_and_the_next_request_is_answered() {
    let service = Service::start();
    let owner = service.client("owner");
    let body = format!(r#"{{"name":"{}"}}"#, "x".repeat(65 * 1024));
    let answer = owner.send(&format!("POST /v1/keys {body}"));
    assert_eq!(answer.refusal(), (413, "payload_too_large".into()));
    // Fits into a request, but not into a record.
    let entries: Vec<_> = (0..20).map(|n| format!(r#""k{n}":"{}""#, "ü".repeat(90))).collect();
    let description = "😀".repeat(500);
    let permissions: Vec<_> =
        (0..50).map(|n| format!(r#""area-of-work-number-{n}.read""#)).collect();
    let body = format!(
        r#"{{"name":"k","description":"{description}","metadata":{{{}}},"permissions":[{}]}}"#,
        entries.join(","),
        permissions.join(",")
    );
    let answer = owner.send(&format!("POST /v1/keys {body}"));
    assert_eq!(answer.refusal(), (400, "too_long".into()));
    assert!(answer.json()["detail"].as_str().unwrap().starts_with("body: "), "{answer:?}");
    owner.create(r#"{"name":"k"}"#);
    assert_eq!(owner.all("/v1/events").len(), 1);
}

#[test]
fn every_answer_has_a_request_id_and_a_sane_one_of_the_client_stays() {
    let service = Service::start();
    let owner = service.client("owner");
    let mine = [("x-request-id", "my-request.1")];
    for line in ["GET /healthz", "GET /v1/keys", "GET /nothing", "POST /v1/keys {", "PUT /readyz"] {
        assert_eq!(owner.send_with(line, &mine).header("x-request-id"), Some("my-request.1"));
        assert!(owner.send(line).header("x-request-id").is_some_and(|id| !id.is_empty()), "{line}");
    }
    let insane = [("x-request-id", "a b\"c")];
    let answer = owner.send_with("GET /healthz", &insane);
    assert_ne!(answer.header("x-request-id"), Some("a b\"c"));
    owner.send_with(r#"POST /v1/keys {"name":"k"}"#, &mine);
    let event = owner.send("GET /v1/events/0").json();
    assert_eq!(event["origin"]["request_id"], "my-request.1");
    assert_eq!(event["origin"]["ip"], "127.0.0.1");
}

#[test]
fn bytes_that_are_no_request_do_no_harm() {
    let service = Service::start();
    let client = service.client("owner");
    let table: [&[u8]; 9] = [
        b"",
        b"\0\0\0\0",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/keys HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"POST /v1/keys HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for bytes in table {
        let answer = client.raw(bytes);
        let shown = String::from_utf8_lossy(bytes).into_owned();
        // Silence for what does not even begin as a request, or as one of HTTP/2.
        assert_eq!(answer.is_empty(), bytes.is_empty() || bytes.starts_with(b"PRI"), "{shown:?}");
        if !answer.is_empty() {
            is_problem(&answer);
        }
        assert_eq!(client.send("GET /healthz").status, 200);
    }
    let head =
        format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(100_000));
    let answer = client.raw(head.as_bytes());
    assert_eq!(is_problem(&answer), (431, "too_many_headers".to_owned()));
    let many = "X-Many: a\r\n".repeat(150);
    let answer = client.raw(format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{many}\r\n").as_bytes());
    assert_eq!(is_problem(&answer), (431, "too_many_headers".to_owned()));
    // Behind a good request too, and behind one that is refused without a body of its own.
    for (first, status) in [("GET /healthz", 200), ("HEAD /nothing", 404)] {
        let two = format!("{first} HTTP/1.1\r\nHost: a\r\n\r\n\0\r\n\r\n");
        let answers = client.raw(two.as_bytes());
        assert!(answers.starts_with(&format!("HTTP/1.1 {status}")), "{answers}");
        let at = answers.rfind("HTTP/1.1 ").unwrap();
        assert_eq!(is_problem(&answers[at..]), (400, "invalid_request".to_owned()));
    }
}

/// A client may close its half of the connection behind the request; it is answered all the same.
#[test]
fn a_client_that_closed_its_half_is_answered() {
    let service = Service::start();
    let owner = service.client("owner");
    let token = owner.token().unwrap();
    for n in 0..50 {
        let body = format!(r#"{{"name":"key {n}"}}"#);
        let request = format!(
            "POST /v1/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = owner.raw(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{n}: {answer:?}");
    }
    assert_eq!(owner.all("/v1/keys").len(), 50);
}

/// A whole answer as it came is a problem; its status and its code.
fn is_problem(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let field = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    };
    assert_eq!(field("content-type").as_deref(), Some("application/problem+json"), "{answer}");
    assert_eq!(field("content-length"), Some(body.len().to_string()), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    let status = head[9..12].parse().unwrap();
    assert_eq!(problem["status"], status, "{answer}");
    assert_eq!(problem["request_id"].as_str(), field("x-request-id").as_deref(), "{answer}");
    (status, problem["code"].as_str().unwrap().to_owned())
}

#[test]
fn the_operators_routes_need_no_token_and_tell_no_secrets() {
    let service = Service::start();
    let (id, secret) = service.client("owner").create(r#"{"name":"very private"}"#);
    let anyone = service.client_with(None);
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"] {
        let answer = anyone.send(&format!("GET {path}"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        for private in [id.as_str(), &secret[..14], "acme", "owner-of-test", "very private"] {
            assert!(!answer.text.contains(private), "{path} tells {private}");
        }
    }
    let document = anyone.send("GET /openapi.json").json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let page = anyone.send("GET /docs");
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    assert!(!page.text.contains("src=\"http"), "the page asks others");
}

#[test]
fn metrics_move_to_an_address_of_their_own() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = Service::with(&["--metrics-listen", &address.to_string()]);
    assert_eq!(service.client_with(None).send("GET /metrics").status, 404);
    let metrics = crate::support::Client::new(address, None);
    assert_eq!(metrics.send("GET /metrics").status, 200);
    assert_eq!(metrics.send("GET /v1/keys").status, 404);
}

/// Who calls: logs carry the route's template, never path, query or headers. At every level.
#[test]
fn what_is_logged_tells_nothing_of_a_request() {
    let service = Service::with(&["--log-level", "trace", "--log-format", "json"]);
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"a very private name"}"#);
    let token = service.token("acme", "verifier");
    owner.send(&format!("GET /v1/keys/{id}?as_of=seq:0"));
    owner.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#));
    let uri = format!("/orders?api_key={secret}");
    let headers = [("x-keyledger-token", token.as_str()), ("x-forwarded-uri", uri.as_str())];
    service.client_with(None).send_with("GET /v1/authorize", &headers);
    let made = owner.send(r#"POST /dialects/capgo/apikey {"org_id":"acme","mode":"all"}"#).json();
    let other = made["apikey"]["key"].as_str().unwrap().to_owned();
    owner.send(&format!("DELETE /dialects/capgo/apikey/{other}/"));
    owner.send("GET /no/such/path?with=query-of-mine");
    owner.send_with("GET /v1/keys", &[("x-other", "header-of-mine")]);
    owner.raw(b"GARBAGE-of-mine\r\n\r\n");
    let bearer = owner.token().unwrap().to_owned();
    let (_, log) = service.stop();
    for route in ["/v1/keys/{id}", "/v1/authorize", "/dialects/capgo/apikey/{key}/"] {
        assert!(log.contains(route), "{route} is not in the log");
    }
    let signature = bearer.rsplit('.').next().unwrap();
    for private in [
        &id,
        &secret,
        &other,
        signature,
        token.rsplit('.').next().unwrap(),
        "a very private name",
        "query-of-mine",
        "header-of-mine",
        "such/path",
        "GARBAGE-of-mine",
        "owner-of-test",
    ] {
        let line = log.lines().find(|line| line.contains(private));
        assert_eq!(line, None, "{private} is in the log");
    }
}
