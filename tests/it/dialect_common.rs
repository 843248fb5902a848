//! What holds for all dialects: the root mount, whose keys they see, and keys as callers.

use expect_test::expect;

use super::support::{Client, Service, shown};

const ROUTES: [(&str, &str); 5] = [
    ("covosign", "POST /api/v1/api-keys"),
    ("callcov", "GET /api/v1/api-keys"),
    ("cloudsigma", "GET /v1/api-keys"),
    ("capgo", "GET /apikey"),
    ("composable", "GET /api/v1/apikeys/pk"),
];

/// Each at the root, with and without a slash at the end; the native routes keep their form.
#[test]
fn each_speaks_its_own_errors_at_the_root() {
    let mut said = String::new();
    for (name, route) in ROUTES {
        let service = Service::with(&["--root-dialect", name]);
        let nobody = service.client_with(None);
        let without = shown(&nobody.send(route));
        assert_eq!(without, shown(&nobody.send(&format!("{route}/"))));
        said += &without;
        said += &shown(&nobody.send(&route.replace("POST", "PATCH").replace("GET", "PATCH")));
        assert_eq!(nobody.send("GET /v1/keys").refusal(), (401, "unauthenticated".to_owned()));
        assert_eq!(nobody.send("GET /nothing").refusal(), (404, "not_found".to_owned()));
    }
    expect![[r#"
        401 {"code":401,"statusText":"Unauthorized","message":"Unauthorized","data":null}
        405 {"code":405,"statusText":"Method Not Allowed","message":"the route has other methods, see Allow","data":null}
        401 {"detail":"Could not validate credentials"}
        405 {"detail":"Method Not Allowed"}
        401 {"success":false,"error":{"code":"Unauthorized","message":"Invalid or missing JWT token"}}
        405 {"success":false,"error":{"code":"MethodNotAllowed","message":"the route has other methods, see Allow"}}
        401 {"error":"send an API key as authorization","status":"KO"}
        405 {"error":"the route has other methods, see Allow","status":"KO"}
        401 {"error":"Unauthorized","status":401,"message":"send a token as Authorization: Bearer"}
        405 {"error":"Method Not Allowed","status":405,"message":"the route has other methods, see Allow"}
    "#]].assert_eq(&said);
}

/// Without being asked to, none is at the root.
#[test]
fn none_is_at_the_root_unasked() {
    let service = Service::start();
    let owner = service.client("owner");
    for (_, route) in ROUTES {
        assert_eq!(owner.send(route).refusal(), (404, "not_found".to_owned()));
    }
}

fn capgo(client: &Client) -> String {
    let made = client.send(r#"POST /dialects/capgo/apikey {"org_id":"acme","mode":"all"}"#).json();
    made["apikey"]["key"].as_str().unwrap().to_owned()
}

/// A dialect sees only its own keys, and lets in only those, while they are good.
#[test]
fn a_key_of_one_is_unknown_to_the_others() {
    let service = Service::start();
    let owner = service.client("owner");
    let (native, _) = owner.create(r#"{"name":"native"}"#);
    let key = capgo(&owner);
    let by_key = service.client_with(Some(&key));
    assert_eq!(by_key.send("GET /dialects/composable/api/v1/apikeys").status, 401);
    let body = r#"{"name":"a","environment":"SANDBOX"}"#;
    assert_eq!(by_key.send(&format!("POST /dialects/covosign/api/v1/api-keys {body}")).status, 401);
    // The native key has the number 1.
    assert_eq!(by_key.send("DELETE /dialects/capgo/apikey/1").status, 404);
    let admin = service.client_of("acme", "admin");
    let path = format!("/dialects/composable/api/v1/apikeys/{native}");
    for method in ["GET", "DELETE"] {
        assert_eq!(admin.send(&format!("{method} {path}")).status, 404);
    }
    assert_eq!(
        owner.send(&format!("DELETE /dialects/callcov/api/v1/api-keys/{native}")).status,
        404
    );

    let id = owner.all("/v1/keys")[1]["id"].as_str().unwrap().to_owned();
    let list = || by_key.send("GET /dialects/capgo/apikey").status;
    assert_eq!(list(), 200);
    owner.send(&format!("POST /v1/keys/{id}/disable"));
    assert_eq!(list(), 401);
    owner.send(&format!("POST /v1/keys/{id}/enable"));
    assert_eq!(list(), 200);
    owner.send(&format!("DELETE /v1/keys/{id}"));
    assert_eq!(list(), 401);
    // The native API takes no key at all.
    assert_eq!(by_key.send("GET /v1/keys").status, 403);
}

/// A gateway lets the keys in by their modes.
#[test]
fn forward_auth_knows_their_keys() {
    let service = Service::start();
    let owner = service.client("owner");
    let made = owner.send(r#"POST /dialects/capgo/apikey {"org_id":"acme","mode":"write"}"#).json();
    let key = made["apikey"]["key"].as_str().unwrap();
    let token = service.token("acme", "verifier");
    let ask = |permission| {
        let headers = [("x-keyledger-token", token.as_str()), ("x-api-key", key)];
        let line = format!("GET /v1/authorize?permission={permission}");
        service.client_with(None).send_with(&line, &headers).status
    };
    assert_eq!((ask("read"), ask("write"), ask("upload")), (200, 200, 403));
}

/// A public key ends on time, and the next request makes another.
#[test]
fn a_public_key_ends_and_another_takes_its_place() {
    let service = Service::start();
    let owner = service.client("owner");
    let ask = || owner.send("GET /dialects/composable/api/v1/apikeys/pk?ttl=1").json();
    let first = ask();
    let verify = format!(r#"POST /v1/keys/verify {{"key":{}}}"#, first["value"]);
    while owner.send(&verify).json()["code"] == "VALID" {}
    assert_eq!(owner.send(&verify).json()["code"], "EXPIRED");
    let second = ask();
    assert_ne!(first["value"], second["value"]);
    let listed = owner.send("GET /dialects/composable/api/v1/apikeys").json();
    let listed = listed.as_array().unwrap();
    let enabled: Vec<_> = listed.iter().map(|key| key["enabled"].as_bool().unwrap()).collect();
    assert_eq!(enabled, [false, true]);
}
