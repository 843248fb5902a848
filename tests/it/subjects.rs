//! `/v1/subjects`: all that there is about a person, holds, and its end.

use serde_json::{Value, json};

use crate::audit::{both, export, verifier_key};
use crate::support::{Client, Person, Service, TEXTS, encoded, keyledger};

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect()
}

fn erase(admin: &Client) -> Value {
    let body = r#"{"reason":"asked for","legal_basis":"GDPR art. 17"}"#;
    let erased = admin.send(&format!("POST {} {body}", Person::path("/erase")));
    assert_eq!(erased.status, 200, "{erased:?}");
    erased.json()
}

#[test]
fn all_that_there_is_about_a_person_is_shown() {
    let service = Service::start();
    let person = Person::live(&service);
    let admin = service.client("admin");
    admin.create(r#"{"name":"of somebody else","account":"acme","owner":"bob"}"#);
    let held = admin.send(&format!(r#"POST {} {{"reason":"case 7"}}"#, Person::path("/hold")));
    let answer = admin.send(&format!("GET {}", Person::path("")));
    let shown = answer.json();
    assert_eq!(shown["subject"], Person::SUBJECT);
    assert_eq!(shown["pseudonyms"].as_array().unwrap().len(), 1);
    assert_eq!(shown["holds"], json!([held.json()["hold"]]));
    let own: Vec<&str> = person.keys.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids(&shown["keys"]), own);
    assert_eq!(shown["keys"][0], admin.send(&format!("GET /v1/keys/{}", own[0])).json());
    assert_eq!(ids(&shown["keys_made"]), [own[0], own[1], &person.made]);
    let events = admin.all(&format!("/v1/events?actor={}", encoded(Person::SUBJECT)));
    assert_eq!(shown["events"].as_array().unwrap(), &events);
    assert_eq!(events.len(), 6);
    let of_keys = shown["key_events"].as_array().unwrap();
    let of_keys: Vec<_> = of_keys.iter().map(|one| (&one["key_id"], &one["type"])).collect();
    let given = json!(own[2]);
    let types = ["created", "disabled", "enabled"].map(|word| json!(word));
    assert_eq!(of_keys, types.iter().map(|word| (&given, word)).collect::<Vec<_>>());
    let tokens = shown["tokens"].as_array().unwrap();
    assert!(tokens.iter().all(|token| token["subject"] == Person::SUBJECT));
    assert_eq!(tokens.len(), 3, "the one that nobody has shown is not listed");
    let access: Vec<_> = shown["access"].as_array().unwrap().iter().collect();
    let count = |wanted: &str| access.iter().filter(|entry| entry["type"] == wanted).count();
    let counts = ["read", "token_made", "token_ended", "tokens_ended", "subject_held"].map(count);
    assert_eq!(counts, [4, 1, 1, 1, 1], "{access:?}");
    assert_eq!(ids(&shown["webhooks"]), [&person.webhook]);
    assert_eq!(shown["webhooks"][0]["created_by"], Person::SUBJECT);
    assert!(!answer.text.contains("somebody else"));
    let journal = admin.all("/v1/access");
    assert!(journal.iter().any(|entry| entry["reading"] == "report"), "{journal:?}");
}

/// More than is read at a time, in several accounts.
#[test]
fn a_long_report_has_everything_once() {
    const OF_EACH: usize = 700;
    let service = Service::start();
    for account in ["acme", "other"] {
        let line = |number| {
            let import = json!({"secret": format!("foreign-{account}-{number}")});
            json!({"name": "k", "owner": "ann", "import": import}).to_string()
        };
        let lines: Vec<String> = (0..OF_EACH).map(line).collect();
        let owner = service.client_of(account, "owner");
        let line = format!("POST /v1/keys/import {}", lines.join("\n"));
        let imported = owner.send_typed(&line, "application/x-ndjson");
        assert_eq!(imported.status, 200, "{imported:?}");
    }
    let shown = service.client("admin").send("GET /v1/subjects/ann").json();
    let mut keys = ids(&shown["keys"]);
    let events = shown["key_events"].as_array().unwrap().iter();
    let mut of_keys: Vec<_> = events.map(|event| event["key_id"].as_str().unwrap()).collect();
    for list in [&mut keys, &mut of_keys] {
        list.sort_unstable();
        list.dedup();
        assert_eq!(list.len(), 2 * OF_EACH);
    }
    assert_eq!(shown["key_events"].as_array().unwrap().len(), 2 * OF_EACH);
    assert_eq!((&shown["keys_made"], &shown["events"]), (&json!([]), &json!([])));
}

/// A key that was hers and is somebody else's now: only what speaks of her.
#[test]
fn of_a_key_that_was_given_away_only_what_speaks_of_the_person_is_shown() {
    let service = Service::start();
    let admin = service.client("admin");
    let (key, _) = admin.create(r#"{"name":"desk","account":"acme","owner":"bob"}"#);
    for owner in ["ann", "carla"] {
        let edit = format!(r#"PATCH /v1/keys/{key} {{"owner":"{owner}"}}"#);
        assert_eq!(admin.send(&edit).status, 200);
    }
    admin.send(&format!(r#"PATCH /v1/keys/{key} {{"description":"of carla alone"}}"#));
    let shown = admin.send("GET /v1/subjects/ann").json();
    assert_eq!(shown["keys"], json!([]));
    let seqs = shown["key_events"].as_array().unwrap().iter().map(|event| event["seq"].clone());
    assert_eq!(seqs.collect::<Vec<_>>(), [1, 2]);
    let rehearsed = admin.send("POST /v1/subjects/ann/erase?dry_run=true").json();
    assert_eq!(rehearsed["keys"], 0);
}

#[test]
fn an_erased_person_is_erased_wherever_it_is_shown() {
    let service = Service::start();
    let key = verifier_key(&service);
    let person = Person::live(&service);
    let admin = service.client("admin");
    let mut open = admin.stream("/v1/events/stream?after=0", &[]);
    let before = open.next();
    assert!(before.to_string().contains("7f3kx"), "{before}");
    let whole = export(&service, "before.tar", &[]);
    let checkpoint = || admin.send("GET /log/checkpoint").text;
    let receipt = || admin.send("GET /v1/events/3/receipt").text;
    let evidence = (checkpoint(), receipt());

    let rehearsed = admin.send(&format!("POST {}?dry_run=true", Person::path("/erase"))).json();
    assert_eq!((&rehearsed["subject"], &rehearsed["keys"]), (&json!("erased"), &json!(3)));
    assert_eq!(admin.send(&format!("GET {}", Person::path(""))).status, 200);
    let erased = erase(&admin);
    assert_eq!((&erased["keys"], &erased["pseudonyms"]), (&json!(3), &rehearsed["pseudonyms"]));
    assert_eq!((checkpoint(), receipt()), evidence);

    // An open stream may have been sent what was; one that begins now is not, at the same place.
    let mut again = admin.stream("/v1/events/stream?after=0", &[]);
    assert_eq!(again.next()["actor"]["subject"], "erased");
    nothing_is_shown(&service, &admin, &person);
    for (_, secret) in &person.keys {
        let verdict = admin.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#)).json();
        assert_eq!(
            (&verdict["code"], &verdict["key"]["owner"]),
            (&json!("VALID"), &json!("erased"))
        );
    }
    let after = export(&service, "after.tar", &[]);
    for (bundle, is_there) in [(&whole, true), (&after, false)] {
        both(bundle, &key, 0);
        let bytes = std::fs::read(bundle).unwrap();
        assert_eq!(contains(&bytes, "7f3kx"), is_there);
        assert_eq!(contains(&bytes, "\"owner\":\"erased\""), !is_there);
    }
    let metrics = service.client_with(None).send("GET /metrics").text;
    assert!(metrics.contains("\nkeyledger_erased_pseudonyms 1\n"), "{metrics}");

    for action in ["", "/erase", "/hold", "/release"] {
        let method = if action.is_empty() { "GET" } else { "POST" };
        let again = admin.send(&format!("{method} {}", Person::path(action)));
        assert_eq!(again.refusal(), (404, "subject_not_found".into()), "{action}");
    }
    let service = service.restart();
    nothing_is_shown(&service, &service.client("admin"), &person);
    // Whoever comes with the same name is another one.
    service.client_with(Some(&person.tokens[2])).create(r#"{"name":"new"}"#);
    let shown = service.client("admin").send(&format!("GET {}", Person::path(""))).json();
    assert_eq!(shown["keys"].as_array().unwrap().len(), 1);
    assert_ne!(shown["pseudonyms"], erased["pseudonyms"]);
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// No list, history, export or journal has a text of the person.
fn nothing_is_shown(service: &Service, admin: &Client, person: &Person) {
    let id = &person.keys[0].0;
    let paths = [
        "/v1/keys?limit=500".to_owned(),
        format!("/v1/keys/{id}"),
        format!("/v1/keys/{id}/history"),
        format!("/v1/keys/{id}?as_of=seq:0"),
        "/v1/events?limit=500".to_owned(),
        "/v1/access?limit=500".to_owned(),
        "/v1/tokens?limit=500".to_owned(),
        "/v1/webhooks".to_owned(),
        "/v1/report/access?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z".to_owned(),
    ];
    for path in paths {
        let answer = admin.send(&format!("GET {path}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        is_silent(&path, &answer.text);
    }
    for format in ["application/x-ndjson", "text/csv"] {
        let answer = admin.send_with("GET /v1/events", &[("accept", format)]);
        is_silent(format, &answer.text);
        assert!(answer.text.contains("erased"));
    }
    let shown = admin.send(&format!("GET /v1/keys/{id}")).json();
    for field in ["owner", "name", "description", "created_by"] {
        assert_eq!(shown[field], "erased", "{field}");
    }
    let listed = service.client("owner").send("GET /v1/webhooks").json();
    assert_eq!(listed["items"][0]["created_by"], "erased");
}

fn is_silent(what: &str, text: &str) {
    for one in TEXTS {
        assert!(!text.contains(one), "{what} shows {one}: {text}");
    }
}

#[test]
fn a_hold_forbids_to_erase_until_it_is_released() {
    let service = Service::start();
    let admin = service.client("admin");
    admin.create(r#"{"name":"k","account":"acme","owner":"ann"}"#);
    let send = |line: &str| admin.send(&format!("POST /v1/subjects/ann/{line}"));
    let rehearsed = send("hold?dry_run=true");
    assert_eq!(rehearsed.status, 200);
    assert_eq!(send("release").refusal(), (404, "hold_not_found".into()));
    let placed = ["case 1", "case 2"].map(|why| {
        let placed = send(&format!(r#"hold {{"reason":"{why}"}}"#));
        assert_eq!(placed.status, 201, "{placed:?}");
        assert_eq!(
            (&placed.json()["hold"]["reason"], &placed.json()["hold"]["by"]),
            (&json!(why), &json!("admin-of-test"))
        );
        placed.json()["hold"].clone()
    });
    for line in ["erase", "erase?dry_run=true"] {
        assert_eq!(send(line).refusal(), (409, "on_hold".into()));
    }
    let unnamed = send("release");
    assert_eq!(
        (unnamed.refusal(), unnamed.field()),
        ((400, "invalid_request".into()), Some("hold".into()))
    );
    let one = placed[0]["id"].as_str().unwrap();
    let released = send(&format!(r#"release {{"hold":"{one}","reason":"it is over"}}"#));
    assert_eq!(released.json()["released"], placed[0]);
    assert_eq!(
        send(&format!(r#"release {{"hold":"{one}"}}"#)).refusal(),
        (404, "hold_not_found".into())
    );
    let metrics = service.client_with(None).send("GET /metrics").text;
    assert!(metrics.contains("\nkeyledger_subject_holds 1\n"), "{metrics}");

    // After a crash it holds all the same.
    let service = service.kill().start();
    let admin = service.client("admin");
    let send = |line: &str| admin.send(&format!("POST /v1/subjects/ann/{line}"));
    assert_eq!(send("erase").refusal(), (409, "on_hold".into()));
    assert_eq!(admin.send("GET /v1/subjects/ann").json()["holds"], json!([placed[1]]));
    assert_eq!(send("release").json()["released"], placed[1]);
    assert_eq!(send(r#"erase {"reason":"now"}"#).status, 200);
    let journal = admin.all("/v1/access");
    let journal =
        journal.iter().filter(|entry| entry["type"].as_str().unwrap().starts_with("subject_"));
    let shown: Vec<_> =
        journal.map(|entry| [&entry["type"], &entry["hold"], &entry["actor"]["subject"]]).collect();
    let by = json!("admin-of-test");
    let ids = [&placed[0]["id"], &placed[1]["id"]];
    let types = ["subject_held", "subject_released", "subject_erased"].map(|word| json!(word));
    assert_eq!(
        shown,
        [
            [&types[0], ids[0], &by],
            [&types[0], ids[1], &by],
            [&types[1], ids[0], &by],
            [&types[1], ids[1], &by],
            [&types[2], &Value::Null, &by],
        ]
    );
}

#[test]
fn only_admins_of_all_accounts_reach_a_person_and_bad_requests_are_refused() {
    let service = Service::start();
    let admin = service.client("admin");
    admin.create(r#"{"name":"k","account":"acme","owner":"ann"}"#);
    let ann = service.client_with(Some(&service.token_of("acme", "ann", "owner")));
    let routes =
        ["GET /v1/subjects/ann", "POST /v1/subjects/ann/erase", "POST /v1/subjects/ann/hold"];
    for client in [&ann, &service.client_of("acme", "admin"), &service.client_of("*", "auditor")] {
        for route in routes {
            assert_eq!(client.send(route).refusal(), (403, "forbidden".into()), "{route}");
        }
    }
    for route in routes {
        let unknown = admin.send(&route.replace("ann", "nobody"));
        assert_eq!(unknown.refusal(), (404, "subject_not_found".into()), "{route}");
    }
    let table = [
        (r#"erase {"why":"x"}"#, "why"),
        (r#"erase {"legal_basis":"a\u0000b"}"#, "legal_basis"),
        (r#"hold {"reason":"a\u0000b"}"#, "reason"),
        (r#"release {"hold":"first"}"#, "hold"),
        ("erase?receipt=true", "receipt"),
    ];
    for (line, field) in table {
        let refused = admin.send(&format!("POST /v1/subjects/ann/{line}"));
        assert_eq!(refused.refusal(), (400, "invalid_request".into()), "{line}");
        assert_eq!(refused.field().as_deref(), Some(field), "{line}");
    }
    assert_eq!(admin.send("GET /v1/subjects/%00").field().as_deref(), Some("subject"));
}

#[test]
fn a_person_is_erased_from_the_command_line() {
    let service = Service::start();
    let admin = service.client("admin");
    let subject = "ann b/c@example.com";
    admin.create(&format!(r#"{{"name":"k","account":"acme","owner":"{subject}"}}"#));
    let run = |action: &str, more: &[&str]| {
        let program = keyledger(&["subjects", action, subject]).with(more);
        program.env("KEYLEDGER_URL", &service.url()).env("KEYLEDGER_TOKEN", admin.token().unwrap())
    };
    // Sent again it is the same one.
    for _ in 0..2 {
        let held = run("hold", &["--reason", "case 7", "--idempotency-key", "once"]).good();
        assert!(held.contains("case 7"), "{held}");
    }
    run("erase", &["--yes"]).run().says(1, &["on_hold"]);
    let shown = run("show", &[]).good();
    assert!(
        shown.contains("keys           1\n") && shown.contains("holds          1\n"),
        "{shown}"
    );
    let json: Value = serde_json::from_str(&run("show", &["--json"]).good()).unwrap();
    assert_eq!(json["subject"], subject);
    let id = json["holds"][0]["id"].as_str().unwrap();
    run("release", &["--hold", id]).good();
    run("erase", &[]).run().says(2, &["--yes"]);
    let rehearsed = run("erase", &["--dry-run"]).good();
    assert!(rehearsed.starts_with("would be erased: "), "{rehearsed}");
    let erased = run("erase", &["--yes", "--reason", "asked for"]).good();
    assert!(erased.starts_with("erased: ") && erased.ends_with("; 1 keys work on\n"), "{erased}");
    run("show", &[]).run().says(1, &["subject_not_found"]);
}
