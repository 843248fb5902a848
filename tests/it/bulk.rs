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
    let again: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(again["changed"], json!([]));
    assert_eq!(again["refused"][0]["code"], "not_while_revoked");
}
