//! Many keys changed in one request, over HTTP and on the command line.

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Client, Script, Service, check, keyledger};

fn bulk(client: &Client, query: &str, body: &Value) -> Value {
    let answer = client.send(&format!("POST /v1/keys/bulk{query} {body}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn all_keys_that_a_filter_takes_are_changed() {
    let service = Service::start();
    let owner = service.client("owner");
    let make = |name: &str| owner.create(&format!(r#"{{"name":"{name}","owner":"{name}"}}"#)).0;
    let (anns, bobs): (Vec<_>, Vec<_>) = (0..5).map(|_| (make("ann"), make("bob"))).unzip();
    let disable = json!({"action": "disable", "filter": {"owner": "ann"}, "limit": 3});
    let rehearsed = bulk(&owner, "?dry_run=true", &disable);
    assert_eq!(rehearsed["changed"], json!(anns[..3]));
    assert_eq!((&rehearsed["matching"], &rehearsed["more"]), (&json!(5), &json!(true)));
    assert_eq!(owner.all("/v1/events").len(), 10);
    let first = bulk(&owner, "", &disable);
    assert_eq!(first, rehearsed);
    let second = bulk(&owner, "", &disable);
    assert_eq!((&second["changed"], &second["more"]), (&json!(anns[3..]), &json!(false)));
    assert_eq!(second["refused"][0], json!({"id": anns[0], "code": "already"}));
    assert_eq!(owner.all("/v1/keys?status=disabled").len(), 5);

    let reason = json!({"action": "revoke", "filter": {"ids": [bobs[1], anns[0], bobs[1]]},
        "reason": "found in a log", "reason_code": "compromised",
        "compromised_since": "2026-01-02T03:04:05Z"});
    assert_eq!(bulk(&owner, "", &reason)["changed"], json!([bobs[1], anns[0]]));
    let event = owner.send("GET /v1/events?order=desc&limit=1").json()["items"][0].clone();
    assert_eq!((&event["key_id"], &event["reason_code"]), (&json!(anns[0]), &json!("compromised")));
    assert_eq!(event["reason"], "found in a log");
    let metrics = service.client_with(None).send("GET /metrics").text;
    assert!(metrics.contains("keyledger_bulk_changed 7"), "{metrics}");
}

#[test]
fn what_is_not_the_callers_is_as_if_it_were_not_there() {
    let service = Service::start();
    let (anns, _) = service.client("owner").create(r#"{"name":"k","owner":"ann"}"#);
    let user = service.client("user");
    let (own, _) = user.create(r#"{"name":"own"}"#);
    let never = "00000000-0000-7000-8000-000000000000";
    let ids = json!({"action": "revoke", "filter": {"ids": [anns, own, never]}});
    let unknown = |id: &str| json!({"id": id, "code": "key_not_found"});
    let stranger = bulk(&service.client_of("other", "owner"), "", &ids);
    assert_eq!(stranger["refused"], json!([unknown(&anns), unknown(&own), unknown(never)]));
    let by_user = bulk(&user, "", &ids);
    assert_eq!(by_user["changed"], json!([own]));
    assert_eq!(by_user["refused"], json!([unknown(&anns), unknown(never)]));
    for filter in [json!({"owner": "ann"}), json!({"account": "acme", "status": "enabled"})] {
        let body = json!({"action": "revoke", "filter": filter});
        assert_eq!(bulk(&user, "", &body)["matching"], 0, "{filter}");
        let answer = bulk(&service.client_of("other", "owner"), "", &body);
        assert_eq!(answer["matching"], 0, "{filter}");
    }
}

#[test]
fn a_repeat_with_the_same_key_has_the_same_outcome() {
    let service = Service::start();
    let mut script = Script::new(&service);
    script.check(
        &[
            r#"POST /v1/keys {"name":"k","owner":"ann"} => key.status"#,
            r#"POST /v1/keys {"name":"k","owner":"ann"} => key.status"#,
            r#"POST /v1/keys/bulk {"action":"revoke","filter":{"owner":"ann"}} | idempotency-key: x"#,
            r#"POST /v1/keys {"name":"k","owner":"ann"} => key.status"#,
            r#"POST /v1/keys/bulk {"action":"revoke","filter":{"owner":"ann"}} | idempotency-key: x => changed refused more"#,
            "GET /v1/keys/$3 => status",
            r#"POST /v1/keys/bulk {"action":"expire","filter":{"owner":"ann"}} | idempotency-key: x"#,
        ],
        &expect![[r#"
            201 status=enabled
            201 status=enabled
            200 {changed: [$1, $2], matching: 2, more: false, refused: []}
            201 status=enabled
            200 changed=[$1, $2] refused=[] more=true
            200 status=enabled
            422 idempotency_mismatch
        "#]],
    );
}

#[test]
fn what_is_no_bulk_change_is_refused_by_name() {
    check(
        &[
            r#"POST /v1/keys/bulk {"action":"revoke"}"#,
            r#"POST /v1/keys/bulk {"action":"revoke","filter":{}}"#,
            r#"POST /v1/keys/bulk {"action":"revoke","filter":[null]}"#,
            r#"POST /v1/keys/bulk {"action":"delete","filter":{"owner":"ann"}}"#,
            r#"POST /v1/keys/bulk {"action":"revoke","filter":{"owner":"ann","color":"red"}}"#,
            r#"POST /v1/keys/bulk {"action":"revoke","filter":{"status":"gone"}}"#,
            r#"POST /v1/keys/bulk {"action":"revoke","filter":{"ids":[]}}"#,
            r#"POST /v1/keys/bulk {"action":"revoke","filter":{"ids":["x"]}}"#,
            r#"POST /v1/keys/bulk {"action":"revoke","filter":{"ids":["00000000-0000-7000-8000-000000000000"],"owner":"ann"}}"#,
            r#"POST /v1/keys/bulk {"action":"disable","filter":{"owner":"ann"},"reason_code":"unused"}"#,
            r#"POST /v1/keys/bulk {"action":"disable","filter":{"owner":"ann"},"limit":1001}"#,
            r#"POST /v1/keys/bulk?receipt=true {"action":"disable","filter":{"owner":"ann"}}"#,
            r#"POST /v1/keys/bulk {"action":"disable","filter":{"owner":"ann"}} | if-match: "1""#,
            r#"POST /v1/keys/bulk {"action":"disable","filter":{"owner":"ann"}}"#,
        ],
        &expect![[r#"
            400 invalid_request filter
            400 invalid_request filter
            400 invalid_request filter
            400 invalid_request action
            400 invalid_request filter.color
            400 invalid_request filter.status
            400 invalid_request filter.ids
            400 invalid_request filter.ids[0]
            400 invalid_request filter.ids
            400 invalid_request reason_code
            400 invalid_request limit
            400 invalid_request receipt
            400 invalid_request if-match
            200 {changed: [], matching: 0, more: false, refused: []}
        "#]],
    );
}

#[test]
fn the_command_line_looks_first_and_changes_all_of_them() {
    let service = Service::start();
    let owner = service.client("owner");
    for name in ["ann", "ann", "bob"] {
        owner.create(&format!(r#"{{"name":"k","owner":"{name}"}}"#));
    }
    let token = service.token("acme", "owner");
    let run = |arguments: &[&str]| {
        let program = keyledger(&["keys"]).with(arguments).env("KEYLEDGER_URL", &service.url());
        program.env("KEYLEDGER_TOKEN", &token).run()
    };
    let all = ["revoke", "--all", "--owner", "ann", "--reason-code", "owner_left"];
    run(&all).says(2, &["--yes"]);
    run(&["revoke", "--all"]).says(2, &["filter"]);
    assert_eq!(run(&["revoke", "--owner", "ann"]).code, Some(2));
    run(&["revoke", "some-id", "--owner", "ann"]).says(2, &["--all"]);
    let looked = run(&[&all[..], &["--dry-run"]].concat());
    assert_eq!((looked.code, looked.out.contains("2 would be changed")), (Some(0), true));
    assert_eq!(owner.all("/v1/keys?status=enabled").len(), 3);
    let done = run(&[&all[..], &["--yes"]].concat());
    assert_eq!((done.code, done.out.contains("2 changed")), (Some(0), true), "{done:?}");
    assert_eq!(owner.all("/v1/keys?status=revoked").len(), 2);
    let again = run(&["disable", "--all", "--owner", "ann", "--yes", "--json"]);
    assert_eq!(again.code, Some(1), "nothing was changed");
    let again: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(again["changed"], json!([]));
    assert_eq!(again["refused"][0]["code"], "not_while_revoked");
}

/// Exit code and first line of a change of many keys, whatever becomes of each.
#[test]
fn a_bulk_change_that_was_refused_ends_so() {
    let service = Service::start();
    let owner = service.client("owner");
    let token = service.token("acme", "owner");
    let run = |line: &str| {
        let arguments: Vec<_> = line.split(' ').collect();
        let program = keyledger(&["keys"]).with(&arguments).env("KEYLEDGER_URL", &service.url());
        program.env("KEYLEDGER_TOKEN", &token).run()
    };
    let make = |owners: &str| owner.create(&format!(r#"{{"name":"k","owner":"{owners}"}}"#)).0;
    let (first, _) = (make("ann"), make("ann"));
    let rows = [
        ("revoke --all --owner nobody --yes", 0, "0 changed, 0 refused"),
        ("enable --all --owner ann --yes", 1, "0 changed, 2 refused"),
        ("disable --all --owner ann --yes", 0, "2 changed, 0 refused"),
        ("disable --all --owner ann --dry-run", 1, "0 would be changed, 2 refused"),
        (&format!("enable {first}"), 0, ""),
        // Another was so already.
        ("disable --all --owner ann --yes", 0, "1 changed, 1 refused"),
        (&format!("revoke {first}"), 0, ""),
        // Another has ended: that is more than disabled, and can never be enabled.
        ("enable --all --owner ann --yes", 1, "1 changed, 1 refused"),
        ("disable --all --owner ann --yes", 0, "1 changed, 1 refused"),
        ("expire --all --owner ann --yes", 0, "1 changed, 1 refused"),
        ("revoke --all --owner ann --yes", 0, "1 changed, 1 refused"),
        ("revoke --all --owner ann --yes", 1, "0 changed, 2 refused"),
        ("revoke --all --owner ann --yes --json", 1, ""),
    ];
    for (line, code, says) in rows {
        let ended = run(line);
        assert_eq!((ended.code, ended.out.contains(says)), (Some(code), true), "{line}: {ended:?}");
    }
}

#[test]
fn a_rehearsal_names_the_first_of_the_keys() {
    let service = Service::start();
    let owner = service.client("owner");
    for number in 0..7 {
        owner.create(&format!(r#"{{"name":"name-{number}","owner":"ann"}}"#));
    }
    let token = service.token("acme", "owner");
    let all = ["keys", "revoke", "--all", "--owner", "ann", "--dry-run"];
    let run = |more: &[&str]| {
        let program = keyledger(&all).with(more).env("KEYLEDGER_URL", &service.url());
        program.env("KEYLEDGER_TOKEN", &token).good()
    };
    let shown = run(&[]);
    let names: Vec<_> = (0..7).filter(|n| shown.contains(&format!("name-{n}"))).collect();
    assert_eq!(names, [0, 1, 2, 3, 4], "{shown}");
    assert!(shown.ends_with("and 2 more\n7 would be changed, 0 refused\n"), "{shown}");
    let json: Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!(json["changed"].as_array().unwrap().len(), 7);
}

/// Those that one request changed are refused to the next, which is no refusal of the whole.
#[test]
fn more_keys_than_a_request_changes_are_changed_and_counted() {
    let service = Service::start();
    let owner = service.client("owner");
    let token = service.token("acme", "owner");
    let run = |arguments: &[&str], input: &str| {
        let program = keyledger(&["keys"]).with(arguments).env("KEYLEDGER_URL", &service.url());
        program.env("KEYLEDGER_TOKEN", &token).input(input).run()
    };
    let line = |number| format!("{{\"secret\":\"s-{number}\",\"owner\":\"ann\"}}\n");
    run(&["import", "-"], &(0..1_001).map(line).collect::<String>());
    let (last, _) = owner.create(r#"{"name":"last","owner":"ann"}"#);
    let disabled = run(&["disable", "--all", "--owner", "ann", "--yes"], "");
    assert!(disabled.out.contains("1002 changed, 0 refused"), "{disabled:?}");
    run(&["revoke", &last], "");
    let looked = run(&["enable", "--all", "--owner", "ann", "--dry-run"], "");
    assert!(looked.out.contains("at least 1000 would be changed, 1 refused"), "{looked:?}");
    let enabled = run(&["enable", "--all", "--owner", "ann", "--yes"], "");
    assert_eq!(enabled.code, Some(1), "{enabled:?}");
    assert!(enabled.out.contains("1001 changed, 1 refused"), "{enabled:?}");
    assert!(enabled.out.contains(&last), "{enabled:?}");
}
