//! Imports into accounts that have rules: what breaks one stays out, and what moves in names them.

use expect_test::expect;
use serde_json::{Value, json};

use crate::audit::{both, export, verifier_key};
use crate::support::{Client, RULES, RulesFile};

/// The answers to lines with these fields, the summary last.
fn import(client: &Client, fields: &[Value]) -> Vec<Value> {
    let lines = fields.iter().enumerate().map(|(number, fields)| {
        let mut line = fields.clone();
        line["name"] = format!("k{number}").into();
        line["idempotency_key"] = number.to_string().into();
        line["import"] = json!({"secret": format!("foreign-{}-{number}", fields["owner"])});
        line.to_string() + "\n"
    });
    let lines: String = lines.collect();
    let answer =
        client.send_typed(&format!("POST /v1/keys/import {lines}"), "application/x-ndjson");
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Status and code of each line.
fn became(answers: &[Value]) -> String {
    let line = |answer: &Value| match answer.get("problem") {
        Some(problem) => format!("{} {}\n", answer["status"], problem["code"].as_str().unwrap()),
        None => format!("{}\n", answer["status"]),
    };
    answers[..answers.len() - 1].iter().map(line).collect()
}

#[test]
fn a_line_that_breaks_a_rule_is_refused_and_the_others_move_in() {
    let file = RulesFile::new(RULES);
    let service = file.serve();
    let acme = [
        json!({"owner": "ann", "ttl_s": 600, "permissions": ["orders.read"]}),
        json!({"owner": "ann"}),
        json!({"owner": "ann", "ttl_s": 7200}),
        json!({"owner": "ann", "ttl_s": 600, "permissions": ["users.write"]}),
        json!({"owner": "ann", "ttl_s": 600, "role": "writer"}),
        json!({"owner": "ann", "ttl_s": 600, "role": "reader"}),
        json!({"owner": "ann", "ttl_s": 3600}),
        json!({"owner": "ann", "ttl_s": 60, "permissions": ["users.read"]}),
        // The account has four keys, as many as it may have.
        json!({"owner": "ann", "ttl_s": 600}),
    ];
    let owner = service.client("owner");
    let answers = import(&owner, &acme);
    expect![[r#"
        201
        409 expiry_required
        409 max_ttl_exceeded
        409 permission_not_allowed
        409 role_not_allowed
        201
        201
        201
        409 active_key_limit
    "#]]
    .assert_eq(&became(&answers));
    // The same again: what is there is found, though the account is full.
    let again = import(&owner, &acme);
    expect![[r#"
        200
        409 active_key_limit
        409 active_key_limit
        409 active_key_limit
        409 active_key_limit
        200
        200
        200
        409 active_key_limit
    "#]]
    .assert_eq(&became(&again));
    assert_eq!(again[0]["id"], answers[0]["id"]);

    // The rules of every other account.
    let umbrella = [
        json!({"owner": "bob"}),
        json!({"owner": "bob", "expires_at": "9999-12-31T23:59:59Z"}),
        json!({"owner": "bob", "ttl_s": 60, "permissions": ["users.read"]}),
    ];
    let answers = import(&service.client_of("umbrella", "owner"), &umbrella);
    expect![[r#"
        409 expiry_required
        201
        409 permission_not_allowed
    "#]]
    .assert_eq(&became(&answers));
}

#[test]
fn a_key_that_moves_in_names_the_rules_it_was_judged_by() {
    let file = RulesFile::new(RULES);
    let service = file.serve();
    let acme = [
        json!({"owner": "ann", "ttl_s": 600, "permissions": ["orders.read"]}),
        json!({"owner": "ann", "ttl_s": 600, "role": "reader"}),
        json!({"owner": "ann", "ttl_s": 7200}),
    ];
    import(&service.client("owner"), &acme);
    let umbrella = [json!({"owner": "bob", "ttl_s": 60})];
    import(&service.client_of("umbrella", "owner"), &umbrella);

    let shown = |event: &Value| {
        let data = &event["data"];
        format!("{} {} {}\n", data["name"], data["imported"].is_object(), event["rules"])
    };
    let events: String = service.client("admin").all("/v1/events").iter().map(shown).collect();
    expect![[r#"
        "k0" true [{"counted":0,"most":4,"rule":"account_alive"},{"rule":"longest_life","seconds":3600},{"permissions":["orders.*","read","users.read"],"rule":"permissions"}]
        "k1" true [{"counted":1,"most":4,"rule":"account_alive"},{"rule":"longest_life","seconds":3600},{"permissions":["orders.read"],"rule":"permissions"}]
        "k0" true [{"rule":"longest_life","seconds":253402300800},{"permissions":["orders.*","read"],"rule":"permissions"}]
    "#]].assert_eq(&events);

    // An auditor judges by what is on record, whatever the file says now.
    file.write("[\"*\"]\nmax_active_keys = 0\n");
    let key = verifier_key(&service);
    both(&export(&service, "whole.tar", &[]), &key, 0);
    both(&export(&service, "part.tar", &["--account", "acme"]), &key, 0);
    service.stop().0.is_in_order();
}
