//! Looking back: what was true after a record, or at a time, and which roles may do that.

use std::sync::atomic::{AtomicBool, Ordering};

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Client, Script, Service, keyledger};

/// What happens before the tests look back: records 0 to 5.
const PAST: [&str; 6] = [
    r#"POST /v1/keys {"name":"a","permissions":["orders.read"]} => key.status"#,
    r#"POST /v1/keys {"name":"b","daily_limit":1} => key.status"#,
    "POST /v1/keys/$1/disable => event.seq",
    "POST /v1/keys/$1/enable => event.seq",
    r#"POST /v1/keys/$1/rotate {"overlap_s":60} => key.replaces"#,
    "DELETE /v1/keys/$1 => event.seq",
];

fn past(service: &Service) -> Script<'_> {
    let mut script = Script::new(service);
    for step in PAST {
        let shown = script.step(step);
        assert!(shown.starts_with('2'), "{step}: {shown}");
    }
    script
}

#[test]
fn a_key_is_shown_as_it_was() {
    let service = Service::start();
    past(&service).check(
        &[
            "GET /v1/keys/$1?as_of=seq:0 => status revision expires_at replaced_by as_of #etag",
            "GET /v1/keys/$1?as_of=seq:1 => status revision as_of",
            "GET /v1/keys/$1?as_of=seq:2 => status revision expires_at replaced_by as_of #etag",
            "GET /v1/keys/$1?as_of=seq:3 => status revision expires_at replaced_by as_of",
            "GET /v1/keys/$1?as_of=seq:4 => status revision expires_at replaced_by as_of",
            "GET /v1/keys/$1?as_of=seq:5 => status revision expires_at replaced_by as_of",
            "GET /v1/keys/$1 => status revision as_of",
            "GET /v1/keys/$2?as_of=seq:0",
            "GET /v1/keys/$2?as_of=seq:1 => status as_of",
            "GET /v1/keys/$3?as_of=seq:3",
            "@auditor GET /v1/keys/$3?as_of=seq:4 => status replaces",
            "@auditor:* GET /v1/keys/$3?as_of=seq:4 => status",
            "@auditor:other GET /v1/keys/$3?as_of=seq:4",
            "@verifier GET /v1/keys/$3?as_of=seq:4",
            "@worker GET /v1/keys/$3?as_of=nonsense",
        ],
        &expect![[r#"
            200 status=enabled revision=1 expires_at=null replaced_by=null as_of=seq:0 etag: "1"
            200 status=enabled revision=1 as_of=seq:1
            200 status=disabled revision=2 expires_at=null replaced_by=null as_of=seq:2 etag: "2"
            200 status=enabled revision=3 expires_at=null replaced_by=null as_of=seq:3
            200 status=enabled revision=4 expires_at=<time> replaced_by=$3 as_of=seq:4
            200 status=revoked revision=5 expires_at=<time> replaced_by=$3 as_of=seq:5
            200 status=revoked revision=5 as_of=(missing)
            404 key_not_found
            200 status=enabled as_of=seq:1
            404 key_not_found
            200 status=enabled replaces=$1
            200 status=enabled
            404 key_not_found
            403 forbidden
            403 forbidden
        "#]],
    );
}

#[test]
fn a_list_is_shown_as_it_was() {
    let service = Service::start();
    let mut script = past(&service);
    let mut names = |step: &str| {
        let page = script.send(step).json();
        let items = page["items"].as_array().unwrap().clone();
        let shown = items.iter().map(|key| {
            let text = |name: &str| key[name].as_str().unwrap().to_owned();
            format!("{} {}", text("name"), text("status"))
        });
        format!("{} {}", shown.collect::<Vec<_>>().join(", "), page["as_of"])
    };
    let table = [
        ("GET /v1/keys?as_of=seq:0", r#"a enabled "seq:0""#),
        ("GET /v1/keys?as_of=seq:1", r#"a enabled, b enabled "seq:1""#),
        ("GET /v1/keys?as_of=seq:2", r#"a disabled, b enabled "seq:2""#),
        ("GET /v1/keys?as_of=seq:2&status=disabled", r#"a disabled "seq:2""#),
        ("GET /v1/keys?as_of=seq:3&status=disabled", r#" "seq:3""#),
        ("GET /v1/keys?as_of=seq:4", r#"a enabled, b enabled, a enabled "seq:4""#),
        ("GET /v1/keys?as_of=seq:5", r#"a revoked, b enabled, a enabled "seq:5""#),
        ("GET /v1/keys?as_of=seq:5&q=B", r#"b enabled "seq:5""#),
        ("GET /v1/keys?as_of=seq:3&expires_before=2999-01-01T00:00:00Z", r#" "seq:3""#),
        ("GET /v1/keys?as_of=seq:4&expires_before=2999-01-01T00:00:00Z", r#"a enabled "seq:4""#),
        ("GET /v1/keys?as_of=2020-01-01T00:00:00Z", " null"),
        ("GET /v1/keys", "a revoked, b enabled, a enabled null"),
        ("@auditor:other GET /v1/keys?as_of=seq:4", r#" "seq:4""#),
        ("@auditor:* GET /v1/keys?as_of=seq:0", r#"a enabled "seq:0""#),
        ("@auditor GET /v1/keys?as_of=seq:0&account=other", r#" "seq:0""#),
    ];
    for (step, expected) in table {
        assert_eq!(names(step), expected, "{step}");
    }
}

#[test]
fn a_verify_says_what_a_key_was_good_for() {
    let service = Service::start();
    past(&service).check(
        &[
            r#"@auditor POST /v1/keys/verify?as_of=seq:0 {"key":"$s1"}"#,
            r#"@auditor POST /v1/keys/verify {"key":"$s1","as_of":"seq:2"} => code log_size as_of"#,
            r#"@auditor POST /v1/keys/verify?as_of=seq:3 {"key":"$s1","permission":"orders.write"} => code"#,
            r#"@auditor POST /v1/keys/verify?as_of=seq:4 {"key":"$s1","permission":"orders.read"} => code"#,
            r#"@admin POST /v1/keys/verify?as_of=seq:5 {"key":"$s1"} => code"#,
            r#"@auditor POST /v1/keys/verify?as_of=seq:3 {"key":"$s3"} => code key as_of"#,
            r#"@auditor POST /v1/keys/verify?as_of=2020-01-01T00:00:00Z {"key":"$s1"} => valid code log_size as_of"#,
            r#"@auditor POST /v1/keys/verify?as_of=seq:0 {"key":"kl_live_hello"} => code as_of"#,
            r#"@auditor:other POST /v1/keys/verify?as_of=seq:0 {"key":"$s1"} => code key"#,
            r#"@auditor:* POST /v1/keys/verify?as_of=seq:0 {"key":"$s1"} => code"#,
            // It counts no use: the only one of the day is still there, and then it is not.
            r#"@admin POST /v1/keys/verify?as_of=seq:1 {"key":"$s2"} => code remaining_today"#,
            r#"@admin POST /v1/keys/verify?as_of=seq:1 {"key":"$s2"} => code remaining_today"#,
            "GET /v1/keys/$2 => last_used_at",
            r#"@admin POST /v1/keys/verify {"key":"$s2"} => code remaining_today as_of"#,
            r#"@admin POST /v1/keys/verify {"key":"$s2"} => code remaining_today"#,
            r#"@admin POST /v1/keys/verify?as_of=seq:1 {"key":"$s2"} => code remaining_today"#,
            "GET /v1/keys/$2?as_of=seq:5 => last_used_at",
            // The roles: without `as_of` they are what they were.
            r#"@auditor POST /v1/keys/verify {"key":"$s1"}"#,
            r#"@owner POST /v1/keys/verify?as_of=seq:0 {"key":"$s1"}"#,
            r#"@verifier POST /v1/keys/verify {"key":"$s1","as_of":"seq:0"}"#,
            r#"@worker POST /v1/keys/verify?as_of=seq:0 {"key":"$s1"}"#,
            r#"@verifier POST /v1/keys/verify?as_of=nonsense {"key":"$s1"}"#,
        ],
        &expect![[r#"
            200 {as_of: seq:0, code: VALID, key: {account: acme, environment: live, expires_at: null, id: $1, kind: secret, metadata: {}, name: a, owner: owner-of-test, permissions: [orders.read], project: null, role: null}, log_size: 1, remaining_today: null, valid: true}
            200 code=DISABLED log_size=3 as_of=seq:2
            200 code=INSUFFICIENT_PERMISSIONS
            200 code=VALID
            200 code=REVOKED
            200 code=NOT_FOUND key=null as_of=seq:3
            200 valid=false code=NOT_FOUND log_size=0 as_of=null
            200 code=MALFORMED as_of=seq:0
            200 code=NOT_FOUND key=null
            200 code=VALID
            200 code=VALID remaining_today=null
            200 code=VALID remaining_today=null
            200 last_used_at=null
            200 code=VALID remaining_today=0 as_of=(missing)
            200 code=USAGE_EXCEEDED remaining_today=0
            200 code=VALID remaining_today=null
            200 last_used_at=null
            403 forbidden
            403 forbidden
            403 forbidden
            403 forbidden
            403 forbidden
        "#]],
    );
}

#[test]
fn a_moment_that_is_not_there_is_refused_everywhere_in_the_same_words() {
    let service = Service::start();
    let mut script = past(&service);
    let report = "/v1/report/access?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&";
    let routes = [
        ("GET /v1/keys/$1?".to_owned(), ""),
        ("GET /v1/keys?".to_owned(), ""),
        ("POST /v1/keys/verify?".to_owned(), r#" {"key":"$s1"}"#),
        (format!("GET {report}"), ""),
    ];
    let form = "must be seq:N or an RFC 3339 time such as 2026-01-02T03:04:05Z";
    let table = [
        ("", form),
        ("x", form),
        ("5", form),
        ("seq:", form),
        ("seq:-1", form),
        ("seq:%2B1", form),
        ("seq:01", form),
        ("seq:1%20", form),
        ("SEQ:1", form),
        ("seq:99999999999999999999", form),
        ("2026-01-02", form),
        ("2026-13-02T03:04:05Z", form),
        ("%00", form),
        ("seq:6", "the log ends at seq:5"),
        ("seq:18446744073709551615", "the log ends at seq:5"),
        ("2999-01-01T00:00:00Z", "must not lie in the future"),
        ("9999-12-31T23:59:59.999999Z", "must not lie in the future"),
    ];
    for (route, body) in &routes {
        for (as_of, why) in table {
            let answer = script.send(&format!("@auditor {route}as_of={as_of}{body}"));
            assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{route} {as_of}");
            assert_eq!(answer.json()["detail"], format!("as_of: {why}"), "{route} {as_of}");
        }
        let twice = script.send(&format!("@auditor {route}as_of=seq:0&as_of=seq:1{body}"));
        assert_eq!(twice.refusal(), (400, "invalid_request".into()), "{route}");
    }
    let twice = r#"@auditor POST /v1/keys/verify?as_of=seq:0 {"key":"$s1","as_of":"seq:0"}"#;
    assert_eq!(script.send(twice).json()["detail"], "as_of: must be sent once");
    let empty = Service::start().client("owner").send("GET /v1/keys?as_of=seq:0");
    assert_eq!(empty.json()["detail"], "as_of: the log is empty");
}

/// The moments around each record: at its time, a microsecond before, and after the record.
#[test]
fn a_time_stands_on_the_last_record_by_then() {
    let service = Service::start();
    past(&service);
    let owner = service.client("owner");
    let times: Vec<_> = owner
        .all("/v1/events")
        .iter()
        .map(|event| event["recorded_at"].as_str().unwrap().to_owned())
        .collect();
    let stands_on =
        |time: &str| owner.send(&format!("GET /v1/keys?as_of={time}")).json()["as_of"].clone();
    for (seq, time) in times.iter().enumerate() {
        assert_eq!(stands_on(time), format!("seq:{seq}"));
        // An offset from UTC, and what is finer than a microsecond, make no other moment.
        let zoned = format!("{}%2B00:00", time.strip_suffix('Z').unwrap());
        assert_eq!(stands_on(&zoned), format!("seq:{seq}"));
    }
    let before = |time: &str| {
        let micros = &time[20..26];
        assert!(micros.bytes().all(|byte| byte.is_ascii_digit()), "{time}");
        let less = micros.parse::<u32>().unwrap().checked_sub(1);
        less.map(|micros| format!("{}{micros:06}Z", &time[..20]))
    };
    for (seq, time) in times.iter().enumerate().skip(1) {
        if let Some(before) = before(time) {
            assert_eq!(stands_on(&before), format!("seq:{}", seq - 1), "{before}");
        }
    }
}

#[test]
fn a_key_that_was_due_then_is_shown_expired_though_that_was_recorded_later() {
    let service = Service::start();
    let owner = service.client("owner");
    let auditor = service.client("auditor");
    let mut stream = owner.stream("/v1/events/stream?type=expired", &[]);
    let (id, secret) = owner.create(r#"{"name":"k","ttl_s":1}"#);
    let event = stream.next();
    let due = event["data"]["due_at"].as_str().unwrap().to_owned();
    let made = owner.send("GET /v1/events/0").json()["recorded_at"].as_str().unwrap().to_owned();
    let seen = |as_of: &str| {
        let key = owner.send(&format!("GET /v1/keys/{id}?as_of={as_of}")).json();
        let listed = owner.send(&format!("GET /v1/keys?status=expired&as_of={as_of}")).json();
        let body = json!({"key": secret}).to_string();
        let verified = auditor.send(&format!("POST /v1/keys/verify?as_of={as_of} {body}")).json();
        (
            key["status"].as_str().unwrap().to_owned(),
            key["revision"].as_u64().unwrap(),
            listed["items"].as_array().unwrap().len(),
            verified["code"].as_str().unwrap().to_owned(),
            key["as_of"].as_str().unwrap().to_owned(),
        )
    };
    let view = |status: &str, revision, listed, code: &str, as_of: &str| {
        (status.to_owned(), revision, listed, code.to_owned(), as_of.to_owned())
    };
    assert_eq!(seen(&made), view("enabled", 1, 0, "VALID", "seq:0"));
    assert_eq!(seen("seq:0"), view("enabled", 1, 0, "VALID", "seq:0"));
    assert_eq!(seen(&due), view("expired", 1, 1, "EXPIRED", "seq:0"));
    assert_eq!(seen("seq:1"), view("expired", 2, 1, "EXPIRED", "seq:1"));
}

#[test]
fn pages_as_of_a_record_stay_the_same_while_others_write() {
    let service = Service::start();
    let owner = service.client("owner");
    let ids: Vec<_> = (0..40).map(|n| owner.create(&format!(r#"{{"name":"k{n}"}}"#)).0).collect();
    let expected = owner.all("/v1/keys?as_of=seq:39");
    assert_eq!(expected.len(), 40);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            let client = service.client("owner");
            for id in ids.iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                for change in ["disable", "enable"] {
                    let answer = client.send(&format!("POST /v1/keys/{id}/{change}"));
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
                client.create(r#"{"name":"later"}"#);
            }
        });
        for _ in 0..5 {
            assert_eq!(paged(&owner, "/v1/keys?as_of=seq:39", 7), expected);
            let enabled = paged(&owner, "/v1/keys?as_of=seq:39&status=enabled", 9);
            assert_eq!(enabled, expected);
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
    let service = service.restart();
    assert_eq!(paged(&service.client("auditor"), "/v1/keys?as_of=seq:39", 11), expected);
}

fn paged(client: &Client, path: &str, limit: u32) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.send(&format!("GET {path}&limit={limit}{cursor}")).json();
        assert_eq!(page["as_of"], "seq:39", "{page}");
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[test]
fn the_access_report_as_of_a_record_is_the_report_of_that_day() {
    let service = Service::start();
    let owner = service.client("owner");
    let path = "GET /v1/report/access?from=2020-01-01T00:00:00Z&to=2999-01-01T00:00:00Z";
    let mut days = Vec::new();
    let mut script = Script::new(&service);
    for step in PAST {
        script.step(step);
        days.push(owner.send(path).json());
    }
    let same = |client: &Client| {
        for (seq, day) in days.iter().enumerate() {
            let mut then = client.send(&format!("{path}&as_of=seq:{seq}")).json();
            let stands_on = then.as_object_mut().unwrap().remove("as_of");
            assert_eq!(stands_on, Some(format!("seq:{seq}").into()));
            assert_eq!(&then, day, "{seq}");
        }
    };
    same(&owner);
    let bytes = owner.send(&format!("{path}&as_of=seq:3")).text;
    owner.create(r#"{"name":"later"}"#);
    assert_eq!(owner.send(&format!("{path}&as_of=seq:3")).text, bytes);
    let service = service.restart();
    same(&service.client("auditor"));
    same(&service.client_of("*", "auditor"));
    let before = service.client("auditor").send(&format!("{path}&as_of=2020-01-01T00:00:00Z"));
    assert_eq!(before.json()["items"], json!([]));
    assert_eq!(before.json()["as_of"], Value::Null);
    let other = service.client_of("other", "auditor").send(&format!("{path}&as_of=seq:3")).json();
    assert_eq!(other["items"], json!([]));
}

#[test]
fn the_command_line_looks_back() {
    let service = Service::start();
    let script = past(&service);
    let id = service.client("owner").all("/v1/keys")[0]["id"].as_str().unwrap().to_owned();
    let token = service.token("acme", "auditor");
    let run = |arguments: &[&str]| {
        keyledger(arguments).env("KEYLEDGER_URL", &service.url()).env("KEYLEDGER_TOKEN", &token)
    };
    let shown = run(&["keys", "show", &id, "--as-of", "seq:2"]).good();
    let has = |name: &str, value: &str| {
        shown.lines().any(|line| line.split_whitespace().eq([name, value]))
    };
    assert!(has("status", "disabled") && has("as_of", "seq:2"), "{shown}");
    let listed = run(&["keys", "list", "--as-of", "seq:1", "--json"]).good();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let verify = |as_of: &str| {
        let program = run(&["keys", "verify", "-", "--as-of", as_of]);
        let ended = program.input(script.secret(1)).run();
        (ended.code, ended.out.lines().next().unwrap_or_default().to_owned())
    };
    assert_eq!(verify("seq:1"), (Some(0), "VALID".into()));
    assert_eq!(verify("seq:2"), (Some(1), "DISABLED".into()));
    run(&["keys", "show", &id, "--as-of", "seq:6"]).run().says(1, &["as_of", "seq:5", "400"]);
    let wrong = run(&["keys", "list", "--as-of", "yesterday"]).run();
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.err.contains("must be seq:N or an RFC 3339 time"), "{wrong:?}");
}
