//! Many keys in one verify, over HTTP and on the command line.

use serde_json::json;

use crate::support::{Service, keyledger};

#[test]
fn a_batch_answers_what_each_would_be_answered_alone() {
    let service = Service::start();
    let owner = service.client("owner");
    let verifier = service.client("verifier");
    let (_, limited) = owner.create(r#"{"name":"k","daily_limit":4,"permissions":["a.b"]}"#);
    let (id, disabled) = owner.create(r#"{"name":"off"}"#);
    owner.send(&format!("POST /v1/keys/{id}/disable"));
    let (_, others) = service.client_of("other", "owner").create(r#"{"name":"k"}"#);
    let bodies = [
        format!(r#"{{"key":"{limited}"}}"#),
        format!(r#"{{"key":"{limited}","permission":{{"any":["a.b","a.c"]}}}}"#),
        format!(r#"{{"key":"{limited}","permission":"a.c"}}"#),
        format!(r#"{{"key":"{disabled}"}}"#),
        format!(r#"{{"key":"{others}"}}"#),
        r#"{"key":"kl_live_hello"}"#.to_owned(),
    ];
    let batch = |bodies: &[String]| {
        verifier.send(&format!(r#"POST /v1/keys/verify/batch {{"keys":[{}]}}"#, bodies.join(",")))
    };
    let together = batch(&bodies).json();
    let alone = bodies.iter().map(|body| verifier.send(&format!("POST /v1/keys/verify {body}")));
    let mut alone: Vec<_> = alone.map(|answer| answer.json()).collect();
    // Those before counted two uses.
    for (at, remaining) in [(0, 3), (1, 2)] {
        assert_eq!(together["results"][at]["remaining_today"], remaining);
        assert_eq!(alone[at]["remaining_today"], remaining - 2);
        alone[at]["remaining_today"] = remaining.into();
        alone[at]["quota"] = together["results"][at]["quota"].clone();
    }
    assert_eq!(together["results"].as_array().unwrap(), &alone);
    let codes: Vec<_> = alone.iter().map(|answer| answer["code"].as_str().unwrap()).collect();
    let codes_expected =
        ["VALID", "VALID", "INSUFFICIENT_PERMISSIONS", "DISABLED", "NOT_FOUND", "MALFORMED"];
    assert_eq!(codes, codes_expected);
    assert_eq!(batch(&bodies[..1]).json()["results"][0]["code"], "USAGE_EXCEEDED");
}

/// If one of a batch is not as it must be, none is answered and none is counted.
#[test]
fn a_batch_with_something_wrong_counts_nothing() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"k","daily_limit":1}"#);
    let good = format!(r#"{{"key":"{secret}"}}"#);
    let refused = |who: &str, bodies: &[&str]| {
        let line = format!(r#"POST /v1/keys/verify/batch {{"keys":[{}]}}"#, bodies.join(","));
        let answer = service.client(who).send(&line);
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{answer:?}");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let table = [
        (r#"{"key":"k","ip":"here"}"#, "keys[1].ip: must be an IP address"),
        (
            r#"{"key":"k","permission":{"all":["a"," "]}}"#,
            "keys[1].permission.all[1]: must be area",
        ),
        (r#"{"key":"k","color":"red"}"#, "keys[1].color: unknown field"),
        (r#"{"permission":"a.b"}"#, "keys[1].key: is missing"),
        (r#"["k"]"#, "keys[1]: must be an object"),
        ("null", "keys[1]: must be an object"),
        (r#"{"key":"k","as_of":"never"}"#, "keys[1].as_of: must be"),
    ];
    for (bad, expected) in table {
        let detail = refused("verifier", &[&good, bad]);
        assert!(detail.starts_with(expected), "{bad}: {detail}");
    }
    let late = r#"{"key":"k","as_of":"seq:77"}"#;
    assert_eq!(refused("admin", &[&good, late]), "keys[1].as_of: the log ends at seq:0");
    let many = vec![good.as_str(); 101];
    for bodies in [&[][..], &many] {
        assert_eq!(refused("verifier", bodies), "keys: must be between 1 and 100 entries");
    }
    // A verifier does not look back, and an auditor does not use.
    for (who, bodies) in
        [("verifier", [&*good, r#"{"key":"k","as_of":"seq:0"}"#]), ("auditor", [&good, &good])]
    {
        let line = format!(r#"POST /v1/keys/verify/batch {{"keys":[{}]}}"#, bodies.join(","));
        assert_eq!(service.client(who).send(&line).refusal().0, 403, "{who}");
    }
    assert!(owner.send(&format!("GET /v1/keys/{id}")).json()["last_used_at"].is_null());
    let mixed = format!(
        r#"POST /v1/keys/verify/batch {{"keys":[{{"key":"{secret}","as_of":"seq:0"}},{good}]}}"#
    );
    let results = service.client("admin").send(&mixed).json()["results"].clone();
    assert_eq!(results[0]["as_of"], "seq:0");
    assert_eq!(results[0]["remaining_today"], serde_json::Value::Null);
    assert_eq!((&results[1]["code"], &results[1]["remaining_today"]), (&"VALID".into(), &0.into()));
}

#[test]
fn the_command_line_puts_permissions_together_and_takes_many_keys() {
    let service = Service::start();
    let (id, secret) =
        service.client("owner").create(r#"{"name":"ci","permissions":["orders.read","jobs.*"]}"#);
    let token = service.token("acme", "verifier");
    let verify = |arguments: &[&str], input: &str| {
        let program = keyledger(&["keys", "verify"]).with(arguments);
        let program = program.env("KEYLEDGER_URL", &service.url());
        program.env("KEYLEDGER_TOKEN", &token).input(input).run()
    };
    let needed = ["-", "--permission", "jobs.run", "--all-of", "orders.read,jobs.x", "--any-of"];
    for (any_of, code, verdict) in
        [("a.b,jobs.y", 0, "VALID"), ("a.b,a.c", 1, "INSUFFICIENT_PERMISSIONS")]
    {
        let ended = verify(&[&needed[..], &[any_of]].concat(), &secret);
        assert_eq!((ended.code, ended.out.lines().next()), (Some(code), Some(verdict)));
    }
    // More than one request's worth, with lines between that are empty.
    let lines = format!("{secret}\n\n").repeat(149) + "kl_live_no-key\n" + &secret;
    let listed = verify(&["--lines"], &lines);
    let rows: Vec<_> = listed.out.lines().skip(1).collect();
    assert_eq!((listed.code, rows.len()), (Some(1), 151), "{listed:?}");
    assert!(rows[149].starts_with("299") && rows[149].contains("MALFORMED"), "{}", rows[149]);
    assert!(rows[150].contains(&id) && rows[150].contains("VALID"), "{}", rows[150]);
    verify(&["--lines"], &"k".repeat(5_000)).says(2, &["line 1"]);
}

/// Each of them is good alone; together they used to be too long.
#[test]
fn a_hundred_long_questions_are_answered() {
    let service = Service::start();
    let needed: Vec<String> = (0..20).map(|n| format!("a{n}.{}", "b".repeat(100))).collect();
    let question = json!({ "key": "x".repeat(512), "permission": { "all": needed } });
    let owner = service.client("owner");
    let alone = owner.send(&format!("POST /v1/keys/verify {question}"));
    assert_eq!(alone.json()["code"], "NOT_FOUND", "{}", alone.text);
    let all = json!({ "keys": vec![question; 100] });
    let answer = owner.send(&format!("POST /v1/keys/verify/batch {all}"));
    assert_eq!(answer.json()["results"].as_array().map(Vec::len), Some(100), "{}", answer.text);
}
