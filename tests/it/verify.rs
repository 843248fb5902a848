//! Verify and forward auth: every verdict, its order, its headers.

use expect_test::expect;

use crate::support::{Script, Service, check};

#[test]
fn every_verdict_is_given_and_the_first_that_holds_wins() {
    check(
        &[
            r#"POST /v1/keys {"name":"k","permissions":["orders.read"],"project":"shop","allowed_ips":["10.0.0.0/8"],"daily_limit":2} => key.status"#,
            r#"POST /v1/keys/verify {"key":"hello"} => valid code key"#,
            r#"POST /v1/keys/verify {"key":"kl_live_00000000000000000000000000000000"} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","environment":"sandbox"} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","project":"other","environment":"live"} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":"orders.read"} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","ip":"11.0.0.1"} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","ip":"10.0.0.1","permission":"orders.write"} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","ip":"10.0.0.1","permission":"orders.read","project":"shop","environment":"live"} => valid code key remaining_today quota.limit quota.per quota.remaining log_size"#,
            r#"POST /v1/keys/verify {"key":"$s1","ip":"::ffff:10.0.0.1"} => code remaining_today"#,
            r#"POST /v1/keys/verify {"key":"$s1","ip":"10.0.0.1"} => valid code remaining_today"#,
            r#"POST /v1/keys/$1/disable => key.status"#,
            r#"POST /v1/keys/verify {"key":"$s1"} => code log_size"#,
            r#"POST /v1/keys/$1/expire => key.status"#,
            r#"POST /v1/keys/verify {"key":"$s1"} => code log_size"#,
            r#"POST /v1/keys/$1/revoke => key.status"#,
            r#"@verifier POST /v1/keys/verify {"key":"$s1"} => code log_size key.id key.digest"#,
            r#"@verifier:other POST /v1/keys/verify {"key":"$s1"} => code key"#,
            r#"@admin POST /v1/keys/verify {"key":"$s1"} => code"#,
        ],
        &expect![[r#"
            201 status=enabled
            200 valid=false code=NOT_FOUND key=null
            200 code=MALFORMED
            200 code=WRONG_ENVIRONMENT
            200 code=WRONG_PROJECT
            200 code=IP_NOT_ALLOWED
            200 code=IP_NOT_ALLOWED
            200 code=INSUFFICIENT_PERMISSIONS
            200 valid=true code=VALID key={account: acme, environment: live, expires_at: null, id: $1, kind: secret, metadata: {}, name: k, owner: owner-of-test, permissions: [orders.read], project: shop, role: null} remaining_today=1 limit=2 per=day remaining=1 log_size=1
            200 code=VALID remaining_today=0
            200 valid=false code=USAGE_EXCEEDED remaining_today=0
            200 status=disabled
            200 code=DISABLED log_size=2
            200 status=expired
            200 code=EXPIRED log_size=3
            200 status=revoked
            200 code=REVOKED log_size=4 id=$1 digest=(missing)
            200 code=NOT_FOUND key=null
            200 code=REVOKED
        "#]],
    );
}

/// A permission, or lists of them; forward auth takes one alone.
#[test]
fn permissions_are_put_together() {
    check(
        &[
            r#"POST /v1/keys {"name":"k","permissions":["orders.read","jobs.*"]} => key.status"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":{"all":["orders.read","jobs.run"]}} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":{"all":["orders.read","orders.write"]}} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":{"any":["orders.write","jobs.run"]}} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":{"any":["a.b",{"all":["orders.read",{"any":["a.b","jobs.x"]}]}]}} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":{"any":[{"all":[{"any":[{"all":["orders.read"]}]}]}]}} => code detail"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":{"all":["orders.read",{"any":[]}]}} => code detail"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":{"all":["orders.read"],"any":["a.b"]}} => code detail"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":["orders.read"]} => code detail"#,
        ],
        &expect![[r#"
            201 status=enabled
            200 code=VALID
            200 code=INSUFFICIENT_PERMISSIONS
            200 code=VALID
            200 code=VALID
            400 invalid_request permission.any
            400 invalid_request permission.all[1].any
            400 invalid_request permission
            400 invalid_request permission
        "#]],
    );
}

#[test]
fn one_changed_character_makes_a_key_malformed() {
    let service = Service::start();
    let owner = service.client("owner");
    let (_, secret) = owner.create(r#"{"name":"k"}"#);
    for at in "kl_live_".len()..secret.len() {
        let mut bent = secret.clone().into_bytes();
        bent[at] = if bent[at] == b'a' { b'b' } else { b'a' };
        let bent = String::from_utf8(bent).unwrap();
        let answer = owner.send(&format!(r#"POST /v1/keys/verify {{"key":"{bent}"}}"#)).json();
        assert_eq!(answer["code"], "MALFORMED", "{at}");
    }
}

#[test]
fn only_a_valid_answer_counts_as_use_and_use_survives_a_clean_stop() {
    let service = Service::start();
    let mut script = Script::new(&service);
    script.check(
        &[
            r#"POST /v1/keys {"name":"k","daily_limit":3} => key.last_used_at"#,
            r#"POST /v1/keys/verify {"key":"$s1","environment":"sandbox"} => code"#,
            r#"POST /v1/keys/verify {"key":"$s1","permission":"a.b"} => code"#,
            "GET /v1/keys/$1 => last_used_at",
            r#"POST /v1/keys/verify {"key":"$s1"} => code remaining_today"#,
            "GET /v1/keys/$1 => last_used_at revision",
        ],
        &expect![[r#"
            201 last_used_at=null
            200 code=WRONG_ENVIRONMENT
            200 code=INSUFFICIENT_PERMISSIONS
            200 last_used_at=null
            200 code=VALID remaining_today=2
            200 last_used_at=<time> revision=1
        "#]],
    );
    let secret = script.secret(1).to_owned();
    let service = service.restart();
    let answer =
        service.client("verifier").send(&format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#));
    assert_eq!(answer.json()["remaining_today"], 1);
}

#[test]
fn a_gateway_learns_who_holds_the_key() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(
        r#"{"name":"k","permissions":["orders.read","jobs.*"],"role":"builder","owner":"Ann Ü"}"#,
    );
    let gateway = service.client_with(None);
    let token = service.token("acme", "verifier");
    let send = |path: &str, headers: &[(&str, &str)]| {
        let mut all = vec![("x-keyledger-token", token.as_str())];
        all.extend(headers);
        gateway.send_with(&format!("GET /v1/authorize{path}"), &all)
    };
    let bearer = format!("Bearer {secret}");
    let uri = format!("/orders?a=b&api_key={secret}");
    for way in [
        ("x-api-key", secret.as_str()),
        ("authorization", &bearer),
        ("x-forwarded-uri", &uri),
        ("x-original-uri", &uri),
    ] {
        let answer = send("?permission=orders.read", &[way]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-key-id"), Some(id.as_str()));
        assert_eq!(answer.header("x-key-account"), Some("acme"));
        assert_eq!(answer.header("x-key-owner"), Some("Ann%20%C3%9C"));
        assert_eq!(answer.header("x-key-role"), Some("builder"));
        assert_eq!(answer.header("x-key-permissions"), Some("orders.read,jobs.*"));
    }
    let (_, other) = owner.create(r#"{"name":"k"}"#);
    let two = send("", &[("x-api-key", &other), ("authorization", &bearer)]);
    assert_eq!(two.status, 401, "{two:?}");
    let same = send("", &[("x-api-key", &secret), ("authorization", &bearer)]);
    assert_eq!(same.status, 200, "{same:?}");
    assert_eq!(send("", &[]).status, 401);
    assert_eq!(gateway.send_with("GET /v1/authorize", &[("x-api-key", &secret)]).status, 401);
}

#[test]
fn forward_auth_turns_verdicts_into_statuses() {
    let service = Service::start();
    let owner = service.client("owner");
    let token = service.token("acme", "verifier");
    let (id, secret) = owner.create(
        r#"{"name":"k","permissions":["orders.read"],"project":"shop","allowed_ips":["127.0.0.0/8"],"daily_limit":1}"#,
    );
    let send = |query: &str, key: &str| {
        let headers = [("x-keyledger-token", token.as_str()), ("x-api-key", key)];
        let answer =
            service.client_with(None).send_with(&format!("GET /v1/authorize{query}"), &headers);
        (answer.status, answer.header("x-key-code").unwrap_or("-").to_owned())
    };
    let verdict = |status: u16, code: &str| (status, code.to_owned());
    let unknown = "kl_live_00000000000000000000000000000000";
    assert_eq!(send("", "hello"), verdict(401, "NOT_FOUND"));
    assert_eq!(send("", "kl_live_hello"), verdict(401, "MALFORMED"));
    assert!(matches!(send("", unknown).1.as_str(), "MALFORMED" | "NOT_FOUND"));
    assert_eq!(send("?account=other", &secret), verdict(401, "NOT_FOUND"));
    assert_eq!(send("?environment=sandbox", &secret), verdict(403, "WRONG_ENVIRONMENT"));
    assert_eq!(send("?project=other", &secret), verdict(403, "WRONG_PROJECT"));
    assert_eq!(send("?permission=orders.write", &secret), verdict(403, "INSUFFICIENT_PERMISSIONS"));
    assert_eq!(send("?permission=orders.read&account=acme", &secret).0, 200);
    assert_eq!(send("?permission=orders.read", &secret), verdict(429, "USAGE_EXCEEDED"));
    owner.send(&format!("POST /v1/keys/{id}/disable"));
    assert_eq!(send("", &secret), verdict(401, "DISABLED"));
    owner.send(&format!("POST /v1/keys/{id}/expire"));
    assert_eq!(send("", &secret), verdict(401, "EXPIRED"));
    owner.send(&format!("DELETE /v1/keys/{id}"));
    assert_eq!(send("", &secret), verdict(401, "REVOKED"));
    assert_eq!(send("?permision=typo", &secret).0, 400);
}

#[test]
fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
    let body = r#"{"name":"k","allowed_ips":["203.0.113.7"]}"#;
    for (options, expected) in [(&[][..], 403), (&["--trusted-proxy", "127.0.0.1"][..], 200)] {
        let service = Service::with(options);
        let (_, secret) = service.client("owner").create(body);
        let token = service.token("acme", "verifier");
        let headers = [
            ("x-keyledger-token", token.as_str()),
            ("x-api-key", &secret),
            ("x-forwarded-for", "198.51.100.1, 203.0.113.7"),
        ];
        let answer = service.client_with(None).send_with("GET /v1/authorize", &headers);
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}

#[test]
fn an_address_of_its_own_needs_no_token_for_forward_auth() {
    // Found free a moment ago: `serve` names only its first port.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = port.to_string();
    let service = Service::with(&["--authorize-listen", &address, "--authorize-account", "acme"]);
    let (_, secret) = service.client("owner").create(r#"{"name":"k"}"#);
    let (_, others) = service.client_of("other", "owner").create(r#"{"name":"k"}"#);
    let gateway = crate::support::Client::new(port, None);
    let send = |key: &str| gateway.send_with("GET /v1/authorize", &[("x-api-key", key)]).status;
    assert_eq!([send(&secret), send(&others)], [200, 401]);
    assert_eq!(gateway.send("GET /v1/keys").status, 404);
}

/// Counts of use outlive a stop, and a folder that cannot be read costs no start.
#[test]
fn the_last_use_and_todays_count_outlive_a_restart() {
    let service = Service::start();
    let owner = service.client("owner");
    let (id, secret) = owner.create(r#"{"name":"k","daily_limit":3}"#);
    let verify = format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#);
    assert_eq!(owner.send(&verify).json()["remaining_today"], 2);
    let last = owner.send(&format!("GET /v1/keys/{id}")).json()["last_used_at"].clone();
    assert!(last.is_string());
    let (stopped, _) = service.stop();
    let service = stopped.start();
    let owner = service.client("owner");
    assert_eq!(owner.send(&format!("GET /v1/keys/{id}")).json()["last_used_at"], last);
    assert_eq!(owner.send(&verify).json()["remaining_today"], 1);
    let metrics = service.client_with(None).send("GET /metrics").text;
    let bytes = metrics.lines().find_map(|line| line.strip_prefix("keyledger_usage_bytes "));
    assert!(bytes.is_some_and(|bytes| bytes.parse::<u64>().unwrap() > 0), "{bytes:?}");

    let (stopped, _) = service.stop();
    let folder = stopped.data().join("usage");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    let service = stopped.start();
    assert_eq!(service.client("owner").send(&verify).json()["valid"], true);
    let (_, log) = service.stop();
    assert!(log.contains("counts of use"), "{log}");
}
