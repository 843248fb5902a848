//! Editing a key over HTTP and on the command line: a new state, with the old one on record.

use serde_json::{Value, json};

use crate::support::{Service, keyledger, until};

fn patch(id: &str, body: &Value) -> String {
    format!("PATCH /v1/keys/{id} {body}")
}

/// An attribute, what it is set to, and what it shows before and after.
fn edits() -> [(&'static str, Value, Value, Value); 17] {
    [
        ("name", json!("nightly"), json!("ci"), json!("nightly")),
        ("description", json!("builds"), json!(null), json!("builds")),
        ("description", json!(null), json!("builds"), json!(null)),
        ("role", json!("builder"), json!(null), json!("builder")),
        ("permissions", json!(["jobs.*"]), json!(["orders.read"]), json!(["jobs.*"])),
        ("permissions", json!(null), json!(["jobs.*"]), json!([])),
        ("project", json!("shop"), json!(null), json!("shop")),
        ("allowed_ips", json!(["10.0.0.0/8"]), json!([]), json!(["10.0.0.0/8"])),
        ("allowed_ips", json!([]), json!(["10.0.0.0/8"]), json!([])),
        (
            "expires_at",
            json!("2100-01-02T03:04:05Z"),
            json!(null),
            json!("2100-01-02T03:04:05.000000Z"),
        ),
        ("expires_at", json!(null), json!("2100-01-02T03:04:05.000000Z"), json!(null)),
        (
            "metadata",
            json!({"team": "core", "tier": "1"}),
            json!({}),
            json!({"team": "core", "tier": "1"}),
        ),
        (
            "metadata",
            json!({"team": null, "site": "x"}),
            json!({"team": "core", "tier": "1"}),
            json!({"site": "x", "tier": "1"}),
        ),
        (
            "rate_limit",
            json!({"limit": 5, "period_s": 60}),
            json!(null),
            json!({"limit": 5, "period_s": 60}),
        ),
        (
            "quota",
            json!({"limit": 5, "per": "day"}),
            json!(null),
            json!({"limit": 5, "per": "day"}),
        ),
        ("tags", json!(["b", "a", "b"]), json!([]), json!(["a", "b"])),
        ("owner", json!("bob"), json!("owner-of-acme"), json!("bob")),
    ]
}

/// What every field does, one after the other: the patch, and what the key and the event show.
#[test]
fn every_attribute_is_edited_and_what_was_before_is_on_record() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"ci","permissions":["orders.read"]}"#);
    let mut revision = 1;
    for (field, value, before, after) in edits() {
        let answer = owner.send(&patch(&id, &json!({field: value}))).json();
        revision += 1;
        assert_eq!(answer["key"][field], after, "{field}");
        assert_eq!(answer["key"]["revision"], revision, "{field}");
        assert_eq!(answer["event"]["type"], "updated", "{field}");
        let change = &answer["event"]["data"]["changes"][field];
        assert_eq!(change["after"], after, "{field}");
        if field != "owner" {
            assert_eq!(change["before"], before, "{field}");
        }
        // The past stays as it was.
        let seq = answer["event"]["seq"].as_u64().unwrap();
        let then = owner.send(&format!("GET /v1/keys/{id}?as_of=seq:{}", seq - 1)).json();
        assert_eq!(then[field], change["before"], "{field}");
        let now = owner.send(&format!("GET /v1/keys/{id}?as_of=seq:{seq}")).json();
        assert_eq!(now[field], after, "{field}");
    }
    let verified = owner.send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#)).json();
    assert_eq!(
        (&verified["code"], &verified["key"]["owner"], &verified["key"]["project"]),
        (&json!("VALID"), &json!("bob"), &json!("shop"))
    );
    let shown = owner.send(&format!("GET /v1/keys/{id}")).json();
    // The same after a restart.
    drop(owner);
    let service = service.restart();
    let again = service.client("owner").send(&format!("GET /v1/keys/{id}")).json();
    let uses = |mut key: Value| {
        key["last_used_at"] = Value::Null;
        key
    };
    assert_eq!(uses(again), uses(shown));
    let history = service.client("owner").all(&format!("/v1/keys/{id}/history"));
    assert_eq!(history.len() as u64, revision);
}

#[test]
fn verify_sees_an_edit_from_the_answer_on() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"ci","permissions":["orders.read"]}"#);
    let verified = |permission: &str| {
        let body = json!({"key": secret, "permission": permission});
        owner.send(&format!("POST /v1/keys/verify {body}")).json()["code"].clone()
    };
    for (permissions, code) in [
        (json!(["orders.write"]), "INSUFFICIENT_PERMISSIONS"),
        (json!(["orders.*"]), "VALID"),
        (json!([]), "INSUFFICIENT_PERMISSIONS"),
    ] {
        let edited = owner.send(&patch(&id, &json!({"permissions": permissions})));
        assert_eq!(edited.status, 200);
        assert_eq!(verified("orders.read"), code, "{permissions}");
    }
    // A due time may be brought forward, and counts from the answer on too.
    let shorter = json!({"permissions": ["orders.read"], "ttl_s": 1});
    let due = owner.send(&patch(&id, &shorter)).json()["key"]["expires_at"].clone();
    assert!(due.is_string());
    until("it is expired", || verified("orders.read") == "EXPIRED");
}

#[test]
fn what_is_no_edit_is_refused_and_changes_nothing() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"ci"}"#);
    let nothing = owner.send(&patch(&id, &json!({"name": "ci", "description": null}))).json();
    assert_eq!((&nothing["event"], &nothing["key"]["revision"]), (&json!(null), &json!(1)));
    let empty = owner.send(&patch(&id, &json!({}))).json();
    assert_eq!(empty["event"], json!(null));
    for (body, code) in [
        (json!({"name": null, "number": 7}), "invalid_request"),
        (json!({"id": "01890a5d-ac96-774b-bcce-b302099a8057"}), "invalid_request"),
        (json!({"name": ""}), "invalid_request"),
        (json!({"expires_at": "2001-01-01T00:00:00Z"}), "invalid_request"),
        (json!({"expires_at": null, "ttl_s": 60}), "invalid_request"),
        (json!({"daily_limit": 0}), "invalid_request"),
        (json!({"tags": ["not a slug"]}), "invalid_request"),
        (json!({"metadata": {"": "x"}}), "invalid_request"),
        (json!({"metadata": {"k": "v".repeat(5000)}}), "invalid_request"),
        (json!({"owner": ""}), "invalid_request"),
    ] {
        let answer = owner.send(&patch(&id, &body));
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{body}");
    }
    let stale = owner.send_with(&patch(&id, &json!({"name": "x"})), &[("if-match", "\"9\"")]);
    assert_eq!(stale.code(), "revision_mismatch");
    let dry = owner.send(&format!("PATCH /v1/keys/{id}?dry_run=true {}", json!({"name": "x"})));
    assert_eq!(dry.json()["key"]["name"], "x");
    let shown = owner.send(&format!("GET /v1/keys/{id}")).json();
    assert_eq!((&shown["name"], &shown["revision"]), (&json!("ci"), &json!(1)));
    // A key that has ended stays as it is.
    owner.send(&format!("POST /v1/keys/{id}/revoke"));
    let late = owner.send(&patch(&id, &json!({"name": "x"})));
    assert_eq!(late.code(), "not_while_revoked");
    // A user gives nothing away, and sees nothing of others.
    let user = service.client_of("acme", "user");
    let (own, _) = user.create(r#"{"name":"mine"}"#);
    assert_eq!(user.send(&patch(&own, &json!({"name": "still mine"}))).status, 200);
    assert_eq!(user.send(&patch(&own, &json!({"owner": "eve"}))).code(), "forbidden");
    assert_eq!(user.send(&patch(&id, &json!({"name": "x"}))).code(), "key_not_found");
}

/// The rules about who may have which key of another API are not passed by here.
#[test]
fn what_bounds_a_key_of_another_api_stays_as_that_made_it() {
    let service = Service::start();
    let owner = service.client("owner");
    let made = owner.send(r#"POST /dialects/callcov/api/v1/api-keys {"name":"k"}"#);
    assert!(made.status < 300, "{}", made.status);
    let id = owner.all("/v1/keys")[0]["id"].as_str().unwrap().to_owned();
    for body in [json!({"owner": "bob"}), json!({"permissions": ["*"]}), json!({"role": "x"})] {
        assert_eq!(owner.send(&patch(&id, &body)).code(), "invalid_request", "{body}");
    }
    // No such rule is about its limits, nor about when it ends.
    let limits = json!({"name": "other", "tags": ["x"], "ttl_s": 60, "daily_limit": 7});
    let edited = owner.send(&patch(&id, &limits)).json();
    assert_eq!(edited["key"]["name"], "other");
    assert_eq!(edited["key"]["daily_limit"], 7);
    assert!(edited["key"]["expires_at"].is_string(), "{edited}");
}

#[test]
fn null_clears_a_field_or_is_refused() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) = owner.create(r#"{"name":"a","ttl_s":600,"description":"b"}"#);
    for field in ["name", "owner"] {
        let refused = owner.send(&patch(&id, &json!({field: null, "description": "c"})));
        assert_eq!(refused.field().as_deref(), Some(field), "{}", refused.text);
    }
    let cleared = owner.send(&patch(&id, &json!({"ttl_s": null, "description": null}))).json();
    assert_eq!(cleared["key"]["expires_at"], Value::Null);
    assert_eq!(cleared["key"]["description"], Value::Null);
}

/// An edit of an attribute and of nothing else, by its own words on the command line.
#[test]
fn the_command_line_edits_a_key() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, _) =
        owner.create(r#"{"name":"ci","permissions":["orders.read","jobs.*"],"tags":["a"]}"#);
    let (url, token) = (service.url(), service.token("acme", "owner"));
    let run = |words: &[&str]| {
        let mut arguments = vec!["keys", "update", &id, "--json"];
        arguments.extend(words);
        let shown = keyledger(&arguments).env("KEYLEDGER_URL", &url);
        let shown = shown.env("KEYLEDGER_TOKEN", &token).good();
        serde_json::from_str::<Value>(&shown).unwrap()["key"].clone()
    };
    let key = run(&["--add-permission", "x.y", "--remove-permission", "jobs.*"]);
    assert_eq!(key["permissions"], json!(["orders.read", "x.y"]));
    let key = run(&["--tag", "b", "--untag", "a", "--name", "nightly"]);
    assert_eq!((&key["tags"], &key["name"]), (&json!(["b"]), &json!("nightly")));
    let key = run(&["--ttl", "90d", "--metadata", "team=data"]);
    assert!(key["expires_at"].is_string());
    let key = run(&["--never-expires", "--unset-metadata", "team"]);
    assert_eq!((&key["expires_at"], &key["metadata"]), (&json!(null), &json!({})));
}
