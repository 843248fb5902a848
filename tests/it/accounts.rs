//! The rules of accounts: what they refuse, in which form, and what an auditor makes of what is on
//! record of them.

use expect_test::expect;

use crate::audit::{both, export, forged, verifier_key};
use crate::support::{Client, RULES, RulesFile, Script, exchanges, until};

const FORGE_RULES: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/forge_rules.py");

#[test]
fn a_new_key_that_breaks_a_rule_is_refused() {
    let file = RulesFile::new(RULES);
    Script::new(&file.serve()).check(
        &[
            r#"POST /v1/keys {"name":"a"}"#,
            r#"POST /v1/keys {"name":"a","ttl_s":3601}"#,
            r#"POST /v1/keys?dry_run=true {"name":"a","ttl_s":3601}"#,
            r#"POST /v1/keys {"name":"a","ttl_s":60,"permissions":["orders.read","users.write"]}"#,
            r#"POST /v1/keys {"name":"a","ttl_s":60,"role":"writer"}"#,
            r#"POST /v1/keys {"name":"a","ttl_s":60,"role":"reader","permissions":["orders.write"]}"#,
            r#"POST /v1/keys {"name":"a","ttl_s":3600,"permissions":["orders.write"]} => key.permissions"#,
            r#"POST /v1/keys {"name":"b","ttl_s":60,"role":"reader"} => key.role key.permissions"#,
            // An account without a table of its own.
            r#"@owner:umbrella POST /v1/keys {"name":"a"}"#,
            r#"@owner:umbrella POST /v1/keys {"name":"a","expires_at":"9999-12-31T23:59:59Z","role":"any"} => key.role"#,
            r#"@owner:umbrella POST /v1/keys {"name":"a","ttl_s":60,"permissions":["users.read"]}"#,
            r#"@admin POST /v1/keys {"name":"a","account":"umbrella"}"#,
        ],
        &expect![[r#"
            409 expiry_required expires_at
            409 max_ttl_exceeded expires_at
            409 max_ttl_exceeded expires_at
            409 permission_not_allowed permissions
            409 role_not_allowed role
            400 invalid_request permissions
            201 permissions=[orders.write]
            201 role=reader permissions=[orders.read]
            409 expiry_required expires_at
            201 role=any
            409 permission_not_allowed permissions
            409 expiry_required expires_at
        "#]],
    );
}

#[test]
fn an_edit_or_a_rotation_that_breaks_a_rule_is_refused() {
    let file = RulesFile::new(RULES);
    Script::new(&file.serve()).check(
        &[
            r#"POST /v1/keys {"name":"a","ttl_s":3600,"permissions":["orders.write"]} => key.permissions"#,
            r#"PATCH /v1/keys/$1 {"name":"other"} => key.name"#,
            r#"PATCH /v1/keys/$1 {"expires_at":null}"#,
            r#"PATCH /v1/keys/$1 {"ttl_s":7200}"#,
            r#"PATCH /v1/keys/$1 {"permissions":["users.write"]}"#,
            r#"PATCH /v1/keys/$1 {"role":"writer"}"#,
            r#"PATCH /v1/keys/$1 {"role":"clerk"} => key.role key.permissions"#,
            r#"PATCH /v1/keys/$1 {"permissions":["orders.read"]}"#,
            r#"PATCH /v1/keys/$1 {"role":null,"permissions":["orders.list"]} => key.role key.permissions"#,
            r#"POST /v1/keys/$1/rotate {"ttl_s":7200}"#,
            r#"POST /v1/keys/$1/rotate {"permissions":["users.write"]}"#,
            r#"POST /v1/keys/$1/rotate {"role":"clerk","overlap_s":60} => key.role key.permissions"#,
            r#"POST /v1/keys/$2/rotate => key.role key.permissions"#,
        ],
        &expect![[r#"
            201 permissions=[orders.write]
            200 name=other
            409 expiry_required expires_at
            409 max_ttl_exceeded expires_at
            409 permission_not_allowed permissions
            409 role_not_allowed role
            200 role=clerk permissions=[orders.read, orders.write]
            400 invalid_request permissions
            200 role=null permissions=[orders.list]
            409 max_ttl_exceeded expires_at
            409 permission_not_allowed permissions
            201 role=clerk permissions=[orders.read, orders.write]
            201 role=clerk permissions=[orders.read, orders.write]
        "#]],
    );
}

#[test]
fn keys_that_are_enabled_or_disabled_are_counted() {
    let file = RulesFile::new("[acme]\nmax_active_keys = 2\n");
    Script::new(&file.serve()).check(
        &[
            r#"POST /v1/keys {"name":"a"} => key.status"#,
            r#"POST /v1/keys {"name":"b"} => key.status"#,
            r#"POST /v1/keys {"name":"c"}"#,
            r#"POST /v1/keys?dry_run=true {"name":"c"}"#,
            r#"POST /v1/keys/$1/disable => key.status"#,
            r#"POST /v1/keys {"name":"c"}"#,
            r#"POST /v1/keys/$1/enable => key.status"#,
            // The new key beside the old one is one more.
            r#"POST /v1/keys/$1/rotate {"overlap_s":60}"#,
            r#"POST /v1/keys/$1/rotate => key.status"#,
            r#"POST /v1/keys {"name":"c"}"#,
            r#"DELETE /v1/keys/$2 => key.status"#,
            r#"POST /v1/keys {"name":"c"} => key.status"#,
        ],
        &expect![[r#"
            201 status=enabled
            201 status=enabled
            409 active_key_limit
            409 active_key_limit
            200 status=disabled
            409 active_key_limit
            200 status=enabled
            409 active_key_limit
            201 status=enabled
            409 active_key_limit
            200 status=revoked
            201 status=enabled
        "#]],
    );
}

/// The rules that the event at `seq` was judged by.
fn rules_of(client: &Client, seq: usize) -> String {
    client.send(&format!("GET /v1/events/{seq}")).json()["rules"].to_string()
}

/// Every dialect makes keys by the same rules, and refuses in its own form.
#[test]
fn the_dialects_refuse_what_breaks_a_rule_in_their_own_forms() {
    let file = RulesFile::new(RULES);
    let service = file.serve();
    let client = service.paying("acme", "ann", "admin", "enterprise");
    let transcript = exchanges(
        &client,
        &[
            r#"POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX"}"#,
            "POST /dialects/callcov/api/v1/api-keys/ {}",
            r#"POST /dialects/cloudsigma/v1/api-keys {"name":"a"}"#,
            r#"POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"read"}"#,
            r#"POST /dialects/composable/api/v1/apikeys {"name":"a","role":"reader"}"#,
            "GET /dialects/composable/api/v1/apikeys/pk?name=long&ttl=86400",
            r#"POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX","expiresAt":"9999-01-01T00:00:00Z"}"#,
        ],
    );
    expect![[r#"
        POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX"}
          403 {"code":403,"statusText":"Forbidden","message":"expires_at: a key of this account must have an end","data":null}
        POST /dialects/callcov/api/v1/api-keys/ {}
          400 {"detail":"expires_at: a key of this account must have an end"}
        POST /dialects/cloudsigma/v1/api-keys {"name":"a"}
          403 {"success":false,"error":{"code":"Forbidden","message":"expires_at: a key of this account must have an end"}}
        POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"read"}
          403 {"error":"expires_at: a key of this account must have an end","status":"KO"}
        POST /dialects/composable/api/v1/apikeys {"name":"a","role":"reader"}
          403 {"error":"Forbidden","status":403,"message":"expires_at: a key of this account must have an end"}
        GET /dialects/composable/api/v1/apikeys/pk?name=long&ttl=86400
          403 {"error":"Forbidden","status":403,"message":"expires_at: a key of this account must end within 3600 seconds of its creation"}
        POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX","expiresAt":"9999-01-01T00:00:00Z"}
          403 {"code":403,"statusText":"Forbidden","message":"expires_at: a key of this account must end within 3600 seconds of its creation","data":null}
    "#]].assert_eq(&transcript);
}

/// The same of how many keys there are and what they may do.
#[test]
fn the_dialects_count_the_keys_of_the_account_together() {
    let file = RulesFile::new("[acme]\nmax_active_keys = 4\npermissions = [\"read\"]\n");
    let service = file.serve();
    let client = service.paying("acme", "ann", "admin", "enterprise");
    // A key of capgo's mode `all` may do everything, which the account's keys may not.
    let all = r#"POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"all"}"#;
    let lines = [
        r#"POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX"}"#,
        "POST /dialects/callcov/api/v1/api-keys/ {}",
        r#"POST /dialects/cloudsigma/v1/api-keys {"name":"a"}"#,
        r#"POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"read"}"#,
    ];
    let mut transcript = exchanges(&client, &[all]);
    for line in lines {
        let answer = client.send(line);
        assert!(answer.status < 300, "{answer:?}");
    }
    transcript += &exchanges(&client, &lines);
    let other = r#"POST /dialects/composable/api/v1/apikeys {"name":"a","role":"reader"}"#;
    transcript += &exchanges(&client, &[other]);
    expect![[r#"
        POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"all"}
          403 {"error":"permissions: keys of this account may not have all of these permissions","status":"KO"}
        POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX"}
          409 {"code":409,"statusText":"Conflict","message":"the account has 4 keys enabled or disabled, as many as it may have","data":null}
        POST /dialects/callcov/api/v1/api-keys/ {}
          400 {"detail":"the account has 4 keys enabled or disabled, as many as it may have"}
        POST /dialects/cloudsigma/v1/api-keys {"name":"a"}
          409 {"success":false,"error":{"code":"Conflict","message":"the account has 4 keys enabled or disabled, as many as it may have"}}
        POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"read"}
          409 {"error":"the account has 4 keys enabled or disabled, as many as it may have","status":"KO"}
        POST /dialects/composable/api/v1/apikeys {"name":"a","role":"reader"}
          409 {"error":"Conflict","status":409,"message":"the account has 4 keys enabled or disabled, as many as it may have"}
    "#]].assert_eq(&transcript);
    expect![[r#"[{"counted":3,"most":4,"rule":"account_alive"},{"permissions":["read"],"rule":"permissions"}]"#]].assert_eq(&rules_of(&client, 3));
}

/// The record alone says what an event was judged by: a file that says something else later makes
/// no honest log wrong.
#[test]
fn a_log_written_under_changing_rules_is_good() {
    let file = RulesFile::new(RULES);
    let service = file.serve();
    let owner = service.client("owner");
    let (first, _) = owner.create(r#"{"name":"a","ttl_s":3600,"role":"reader"}"#);
    let (second, _) = owner.create(r#"{"name":"b","ttl_s":60,"permissions":["users.read"]}"#);
    let edit = format!(r#"PATCH /v1/keys/{second} {{"role":"clerk","ttl_s":120}}"#);
    assert_eq!(owner.send(&edit).status, 200);
    assert_eq!(
        owner.send(&format!(r#"POST /v1/keys/{first}/rotate {{"overlap_s":5}}"#)).status,
        201
    );
    let umbrella = service.client_of("umbrella", "owner");
    umbrella.create(r#"{"name":"c","ttl_s":60}"#);
    let shown: String = (0..5).map(|seq| rules_of(&service.client("admin"), seq) + "\n").collect();

    file.write("[acme]\nmax_ttl = \"1s\"\nmax_active_keys = 0\npermissions = []\n");
    until("no key is made any more", || {
        owner.status(r#"POST /v1/keys?dry_run=true {"name":"d","ttl_s":1}"#)
            == "409 active_key_limit"
    });
    // What is there can still be ended and edited, but for what the rules are about.
    assert_eq!(owner.send(&format!(r#"PATCH /v1/keys/{second} {{"name":"e"}}"#)).status, 200);
    let cleared = owner.status(&format!(r#"PATCH /v1/keys/{second} {{"role":null}}"#));
    assert_eq!(cleared, "200");
    assert_eq!(owner.send(&format!("DELETE /v1/keys/{second}")).status, 200);
    file.write("");
    until("everything may be again", || owner.status(r#"POST /v1/keys {"name":"f"}"#) == "201");
    expect![[r#"
        [{"counted":0,"most":4,"rule":"account_alive"},{"rule":"longest_life","seconds":3600},{"permissions":["orders.read"],"rule":"permissions"},{"prefix":"acme_live_","rule":"secret_prefix"}]
        [{"counted":1,"most":4,"rule":"account_alive"},{"rule":"longest_life","seconds":3600},{"permissions":["orders.*","read","users.read"],"rule":"permissions"},{"prefix":"acme_live_","rule":"secret_prefix"}]
        [{"rule":"longest_life","seconds":3600},{"permissions":["orders.read","orders.write"],"rule":"permissions"}]
        [{"counted":2,"most":4,"rule":"account_alive"},{"rule":"longest_life","seconds":3600},{"permissions":["orders.read"],"rule":"permissions"},{"prefix":"acme_live_","rule":"secret_prefix"}]
        [{"rule":"longest_life","seconds":253402300800},{"permissions":["orders.*","read"],"rule":"permissions"}]
    "#]].assert_eq(&shown);

    let key = verifier_key(&service);
    both(&export(&service, "whole.tar", &[]), &key, 0);
    both(&export(&service, "part.tar", &["--account", "acme"]), &key, 0);
    service.stop().0.is_in_order();
}

/// With the log's own key in his hands nobody can write a record that breaks a rule which it names.
#[test]
fn a_key_that_breaks_the_rule_on_record_is_found_by_both_verifiers() {
    let rules = "[acme]\nmax_ttl = \"1h\"\nmax_active_keys = 9\nsecret_prefix = \"acme\"\npermissions = [\"orders.*\"]\n";
    let file = RulesFile::new(rules);
    let service = file.serve();
    for _ in 0..3 {
        service
            .client("owner")
            .create(r#"{"name":"a","ttl_s":3600,"permissions":["orders.read"]}"#);
    }
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    both(&whole, &key, 0);
    let (out, names) = forged(&service, FORGE_RULES, [&whole, &whole]);
    let mut findings = String::new();
    for name in names.lines() {
        for output in both(&out.join(format!("{name}.tar")), &key, 10) {
            findings += &format!("{name}: {}\n", output.trim_end().lines().last().unwrap());
        }
    }
    expect![[r#"
        permission: INVALID: record 2: the rules do not allow it: keys of this account may not have all of these permissions
        permission: INVALID: record 2: it has a permission that its rule does not allow
        star: INVALID: record 2: a record holds an unlawful value: must be area.action such as orders.read, '*' allowed as last part
        star: INVALID: record 2: an unlawful permission
        prefix: INVALID: record 2: the rules do not allow it: the prefix is not that of this account's keys
        prefix: INVALID: record 2: its prefix is not the one of its rule
        life: INVALID: record 2: the rules do not allow it: a key of this account must end within 3344 seconds of its creation
        life: INVALID: record 2: it lives longer than its rule allows
        counted: INVALID: record 2: the rules that it says it was judged by do not give it
        counted: INVALID: record 2: a rule counts other keys than there were
        most: INVALID: record 2: the rules do not allow it: the account has 2 keys enabled or disabled, as many as it may have
        most: INVALID: record 2: there are too many keys
    "#]].assert_eq(&findings);
}
