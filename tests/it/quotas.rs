//! What one account may have and do: past it, it is refused, and no other account is.

use expect_test::expect;

use crate::support::{Service, shown};

/// A key is in memory and in the log for ever: an operator says how many an account may have. Every
/// dialect tells it in its own form.
#[test]
fn an_account_with_as_many_keys_as_it_may_have_makes_no_more() {
    let service = Service::with(&["--max-keys-per-account", "2"]);
    let client = service.paying("acme", "ann", "admin", "pro");
    let (id, _) = client.create(r#"{"name":"first"}"#);
    client.create(r#"{"name":"second"}"#);
    let mut transcript = String::new();
    for line in [
        r#"POST /v1/keys {"name":"a"}"#,
        r#"POST /v1/keys?dry_run=true {"name":"a"}"#,
        &format!("POST /v1/keys/{id}/rotate"),
        r#"POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX"}"#,
        "POST /dialects/callcov/api/v1/api-keys/ {}",
        r#"POST /dialects/cloudsigma/v1/api-keys {"name":"a"}"#,
        r#"POST /dialects/capgo/apikey/ {"org_id":"acme","mode":"read"}"#,
        r#"POST /dialects/composable/api/v1/apikeys {"name":"a","role":"reader"}"#,
        "GET /dialects/composable/api/v1/apikeys/pk?name=test-key&ttl=3600",
    ] {
        let answer = client.send(line);
        assert_eq!(answer.header("retry-after"), Some("3600"), "{answer:?}");
        if answer.header("content-type") == Some("application/problem+json") {
            let (status, code) = answer.refusal();
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            transcript += &format!("{status} {code}: {detail}\n");
        } else {
            transcript += &shown(&answer);
        }
    }
    expect![[r#"
        429 rate_limited: the account has 2 keys, as many as it may have
        429 rate_limited: the account has 2 keys, as many as it may have
        429 rate_limited: the account has 2 keys, as many as it may have
        429 {"code":429,"statusText":"Too Many Requests","message":"the account has 2 keys, as many as it may have","data":null}
        429 {"detail":"the account has 2 keys, as many as it may have"}
        429 {"success":false,"error":{"code":"TooManyRequests","message":"the account has 2 keys, as many as it may have"}}
        429 {"error":"the account has 2 keys, as many as it may have","status":"KO"}
        429 {"error":"Too Many Requests","status":429,"message":"the account has 2 keys, as many as it may have"}
        429 {"error":"Too Many Requests","status":429,"message":"the account has 2 keys, as many as it may have"}
    "#]].assert_eq(&transcript);
    // One that ended counts as well; what is there can be changed, and others make theirs.
    assert_eq!(client.send(&format!("DELETE /v1/keys/{id}")).status, 200);
    assert_eq!(client.send(r#"POST /v1/keys {"name":"a"}"#).status, 429);
    service.client_of("umbrella", "owner").create(r#"{"name":"theirs"}"#);
    // The count is of the log, and holds across a restart.
    let service = service.restart();
    assert_eq!(service.client("owner").send(r#"POST /v1/keys {"name":"a"}"#).status, 429);
}

#[test]
fn an_account_over_its_rate_is_shown_when_to_retry() {
    let service = Service::with(&["--max-changes-per-second", "1", "--max-reads-per-second", "1"]);
    let (greedy, other) = (service.client("owner"), service.client_of("umbrella", "owner"));
    for line in [
        r#"POST /v1/keys {"name":"a"}"#,
        "POST /dialects/callcov/api/v1/api-keys/ {}",
        "GET /v1/keys",
        "GET /v1/events",
        "GET /v1/keys?as_of=seq:0",
        "GET /v1/proofs/inclusion?seq=0",
        "GET /dialects/callcov/api/v1/api-keys/",
    ] {
        // One that comes at once may take a second on a busy machine, but not every time.
        let refused = (0..100).map(|_| greedy.send(line)).find(|answer| answer.status == 429);
        let refused = refused.unwrap_or_else(|| panic!("never too often: {line}"));
        let again: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=2).contains(&again), "{refused:?}");
        if line.contains(" /v1/") {
            assert_eq!(refused.refusal(), (429, "rate_limited".to_owned()));
        }
    }
    assert_eq!(other.send(r#"POST /v1/keys {"name":"b"}"#).status, 201);
    assert_eq!(other.send("GET /v1/keys").status, 200);
    // A gateway is never refused for a rate.
    let verify = r#"POST /v1/keys/verify {"key":"kl_live_nothing"}"#;
    assert!((0..20).all(|_| greedy.send(verify).status == 200));
}

#[test]
fn without_bounds_no_request_is_refused() {
    let service = Service::with(&["--max-changes-per-second", "0", "--max-reads-per-second", "0"]);
    let client = service.client("owner");
    for n in 0..50 {
        client.create(&format!(r#"{{"name":"k{n}"}}"#));
        assert_eq!(client.send("GET /v1/keys").status, 200);
    }
}
