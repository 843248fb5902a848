//! What may happen to a key, over HTTP: every status under every command, and rotation.

use expect_test::expect;

use crate::support::{Script, Service, check};

#[test]
fn every_status_answers_every_command_as_the_table_says() {
    let service = Service::start();
    let owner = service.client("owner");
    let mut table = String::new();
    for status in ["enabled", "disabled", "expired", "revoked"] {
        for command in ["enable", "disable", "expire", "revoke", "rotate"] {
            let (id, _) = owner.create(r#"{"name":"k"}"#);
            let into = match status {
                "enabled" => None,
                "disabled" => Some("disable"),
                "expired" => Some("expire"),
                _ => Some("revoke"),
            };
            if let Some(into) = into {
                assert_eq!(owner.send(&format!("POST /v1/keys/{id}/{into}")).status, 200);
            }
            let answer = owner.send(&format!("POST /v1/keys/{id}/{command}"));
            let after = owner.send(&format!("GET /v1/keys/{id}")).json();
            let outcome = match answer.status {
                200 | 201 => format!("{} {}", answer.status, after["status"].as_str().unwrap()),
                _ => {
                    assert_eq!(after["status"], status);
                    format!("{} {}", answer.status, answer.code())
                }
            };
            table += &format!("{status:<9} {command:<8} {outcome}\n");
        }
    }
    expect![[r#"
        enabled   enable   409 already
        enabled   disable  200 disabled
        enabled   expire   200 expired
        enabled   revoke   200 revoked
        enabled   rotate   201 expired
        disabled  enable   200 enabled
        disabled  disable  409 already
        disabled  expire   200 expired
        disabled  revoke   200 revoked
        disabled  rotate   409 not_while_disabled
        expired   enable   409 not_while_expired
        expired   disable  409 not_while_expired
        expired   expire   409 already
        expired   revoke   200 revoked
        expired   rotate   409 not_while_expired
        revoked   enable   409 not_while_revoked
        revoked   disable  409 not_while_revoked
        revoked   expire   409 not_while_revoked
        revoked   revoke   409 already
        revoked   rotate   409 not_while_revoked
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_key_that_never_was_is_unknown_to_every_command() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let steps: Vec<String> = ["enable", "disable", "expire", "revoke", "rotate"]
        .iter()
        .map(|command| format!("POST /v1/keys/{id}/{command}"))
        .chain([format!("DELETE /v1/keys/{id}"), format!("GET /v1/keys/{id}/history")])
        .collect();
    let service = Service::start();
    let mut script = Script::new(&service);
    for step in &steps {
        assert_eq!(script.step(step), "404 key_not_found", "{step}");
    }
}

#[test]
fn a_new_key_is_answered_with_all_its_attributes_and_its_secret_once() {
    check(
        &[
            r#"POST /v1/keys {"name":"ci","description":"builds","environment":"sandbox","role":"builder","permissions":["orders.read","jobs.*"],"project":"shop","allowed_ips":["10.0.0.0/8","203.0.113.7"],"daily_limit":100,"metadata":{"team":"data"},"owner":"bob"}"#,
            "GET /v1/keys/$1 => status revision secret digest created_by #etag",
            r#"POST /v1/keys {"name":"web","kind":"public"} => key.kind key.public_value secret #location"#,
        ],
        &expect![[r#"
            201 {key: {account: acme, allowed_ips: [10.0.0.0/8, 203.0.113.7], created_at: <time>, created_by: owner-of-test, daily_limit: 100, description: builds, dialect: native, environment: sandbox, expires_at: null, id: $1, imported: null, kind: secret, last_used_at: null, masked: <masked>, metadata: {team: data}, name: ci, number: 1, owner: bob, permissions: [orders.read, jobs.*], prefix: <prefix>, project: shop, public_value: null, quota: {limit: 100, per: day}, rate_limit: null, replaced_by: null, replaces: null, revision: 1, role: builder, status: enabled, tags: [], updated_at: <time>}, secret: <secret>}
            200 status=enabled revision=1 secret=(missing) digest=(missing) created_by=owner-of-test etag: "1"
            201 kind=public public_value=<public_value> secret=<secret> location: /v1/keys/$2
        "#]],
    );
}

#[test]
fn revoked_key_stays_revoked() {
    check(
        &[
            r#"POST /v1/keys {"name":"ci"} => key.status key.revision"#,
            "DELETE /v1/keys/$1 => key.status key.revision event.type event.seq event.before event.after #etag",
            "POST /v1/keys/$1/enable",
            "POST /v1/keys/$1/rotate",
            "DELETE /v1/keys/$1",
            "GET /v1/keys/$1 => status revision",
        ],
        &expect![[r#"
            201 status=enabled revision=1
            200 status=revoked revision=2 type=revoked seq=1 before=enabled after=revoked etag: "2"
            409 not_while_revoked
            409 not_while_revoked
            409 already
            200 status=revoked revision=2
        "#]],
    );
}

#[test]
fn a_revocation_says_why() {
    check(
        &[
            r#"POST /v1/keys {"name":"ci"} => key.status"#,
            r#"POST /v1/keys/$1/revoke {"reason":"seen in a public repository","reason_code":"compromised","compromised_since":"2025-01-02T03:04:05Z"} => event.reason event.reason_code event.data"#,
            r#"POST /v1/keys/$1/disable {"reason_code":"policy"}"#,
            r#"POST /v1/keys/$1/revoke {"reason_code":"bored"}"#,
            "GET /v1/keys/$1/history",
        ],
        &expect![[r#"
            201 status=enabled
            200 reason=seen in a public repository reason_code=compromised data={compromised_since: <time>}
            400 invalid_request reason_code
            400 invalid_request reason_code
            200 {items: [{account: acme, actor: {account: acme, roles: [owner], subject: owner-of-test, via: token:keyledger:<jti>}, after: enabled, before: null, data: {account: acme, allowed_ips: [], daily_limit: null, description: null, dialect: native, environment: live, expires_at: null, id: $1, imported: null, kind: secret, metadata: {}, name: ci, number: 1, owner: owner-of-test, permissions: [], prefix: <prefix>, project: null, public_value: null, quota: null, rate_limit: null, replaced: null, replaces: null, role: null, tags: []}, key_id: $1, origin: {dialect: native, ip: 127.0.0.1, node: node-1, request_id: <request>}, reason: null, reason_code: null, recorded_at: <time>, revision: 1, rules: [], seq: 0, type: created}, {account: acme, actor: {account: acme, roles: [owner], subject: owner-of-test, via: token:keyledger:<jti>}, after: revoked, before: enabled, data: {compromised_since: <time>}, key_id: $1, origin: {dialect: native, ip: 127.0.0.1, node: node-1, request_id: <request>}, reason: seen in a public repository, reason_code: compromised, recorded_at: <time>, revision: 2, rules: [], seq: 1, type: revoked}], next_cursor: null}
        "#]],
    );
}

#[test]
fn a_dry_run_answers_and_records_nothing() {
    check(
        &[
            r#"POST /v1/keys?dry_run=true {"name":"ci"} => key.status key.revision secret"#,
            "GET /v1/keys => items",
            r#"POST /v1/keys {"name":"ci"} => key.revision"#,
            "POST /v1/keys/$1/disable?dry_run=true => key.status event.type event.after",
            "POST /v1/keys/$1/enable?dry_run=true",
            "POST /v1/keys/$1/rotate?dry_run=true => secret key.replaces",
            "GET /v1/keys/$1 => status revision replaced_by",
            "GET /v1/events => items.0.seq items.1",
        ],
        &expect![[r#"
            200 status=enabled revision=1 secret=null
            200 items=[]
            201 revision=1
            200 status=disabled type=disabled after=disabled
            409 already
            200 secret=null replaces=$1
            200 status=enabled revision=1 replaced_by=null
            200 seq=0 1=(missing)
        "#]],
    );
}

#[test]
fn if_match_guards_against_changes_in_between() {
    check(
        &[
            r#"POST /v1/keys {"name":"ci"} => #etag"#,
            "POST /v1/keys/$1/disable | If-Match: \"2\"",
            "POST /v1/keys/$1/disable | If-Match: \"1\" => key.status #etag",
            "POST /v1/keys/$1/enable | If-Match: \"1\"",
            "POST /v1/keys/$1/rotate | If-Match: \"1\"",
            "DELETE /v1/keys/$1 | If-Match: \"1\"",
            "POST /v1/keys/$1/enable | If-Match: 2",
            "POST /v1/keys/$1/enable | If-Match: \"2\" => key.status #etag",
            "POST /v1/keys/$1/disable | If-Match: * => key.status",
        ],
        &expect![[r#"
            201 etag: "1"
            412 revision_mismatch
            200 status=disabled etag: "2"
            412 revision_mismatch
            412 revision_mismatch
            412 revision_mismatch
            400 invalid_request if-match
            200 status=enabled etag: "3"
            200 status=disabled
        "#]],
    );
}

#[test]
fn rotation_copies_what_is_not_named_and_leaves_the_old_key_its_overlap() {
    check(
        &[
            r#"POST /v1/keys {"name":"ci","permissions":["orders.read"],"metadata":{"team":"data"},"daily_limit":9} => key.status"#,
            r#"POST /v1/keys/$1/rotate {"overlap_s":3600,"name":"ci 2","reason":"yearly"} => key.name key.permissions key.metadata key.daily_limit key.replaces secret #location"#,
            "GET /v1/keys/$1 => status revision replaced_by expires_at",
            r#"POST /v1/keys/verify {"key":"$s1"} => code"#,
            r#"POST /v1/keys/verify {"key":"$s2"} => code"#,
            "POST /v1/keys/$1/rotate",
            r#"POST /v1/keys/$2/rotate {"overlap_s":604801}"#,
            "GET /v1/keys/$1/history => items.1.type items.1.key_id items.1.before items.1.after items.1.revision items.1.data.id",
            "GET /v1/keys/$2/history => items.0.type items.0.key_id items.0.before items.0.after items.0.revision items.0.reason",
        ],
        &expect![[r#"
            201 status=enabled
            201 name=ci 2 permissions=[orders.read] metadata={team: data} daily_limit=9 replaces=$1 secret=<secret> location: /v1/keys/$2
            200 status=enabled revision=2 replaced_by=$2 expires_at=<time>
            200 code=VALID
            200 code=VALID
            409 already_replaced
            400 invalid_request overlap_s
            200 type=created key_id=$1 before=enabled after=enabled revision=2 id=$2
            200 type=created key_id=$2 before=null after=enabled revision=1 reason=yearly
        "#]],
    );
}

#[test]
fn rotation_without_overlap_ends_the_old_key_at_once() {
    check(
        &[
            r#"POST /v1/keys {"name":"ci"} => key.status"#,
            "POST /v1/keys/$1/rotate => key.replaces",
            r#"POST /v1/keys/verify {"key":"$s1"} => code"#,
            r#"POST /v1/keys/verify {"key":"$s2"} => code"#,
            "GET /v1/keys/$1 => status",
        ],
        &expect![[r#"
            201 status=enabled
            201 replaces=$1
            200 code=EXPIRED
            200 code=VALID
            200 status=expired
        "#]],
    );
}

#[test]
fn what_happened_is_the_same_after_a_restart() {
    let service = Service::start();
    let owner = service.client("owner");
    let (first, secret) = owner.create(r#"{"name":"first","permissions":["orders.*"]}"#);
    let (second, _) = owner.create(r#"{"name":"second","ttl_s":86400}"#);
    for change in ["disable", "enable", r#"rotate {"overlap_s":3600}"#] {
        let answer = owner.send(&format!("POST /v1/keys/{first}/{change}"));
        assert_eq!(answer.status / 100, 2, "{answer:?}");
    }
    owner.send(&format!("DELETE /v1/keys/{second}"));
    let all = |service: &Service| {
        let owner = service.client("owner");
        let paths = ["/v1/keys", "/v1/events"].map(|path| owner.all(path));
        let history = owner.send(&format!("GET /v1/keys/{first}/history")).text;
        let digest = service.client("admin").send("GET /v1/table-digest").text;
        (paths, history, digest)
    };
    let before = all(&service);
    let service = service.restart();
    assert!(service.ready.contains("log_size=6"), "{}", service.ready);
    assert_eq!(all(&service), before);
    let verified = service
        .client("verifier")
        .send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}","permission":"orders.read"}}"#));
    assert_eq!(verified.json()["code"], "VALID");
}
