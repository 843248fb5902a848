//! What holds for all dialects: the root mount, whose keys they see, and keys as callers.

use expect_test::expect;
use serde_json::Value;

use super::support::{Client, Service, shown, text};

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
    let mut transcript = String::new();
    for (name, route) in ROUTES {
        let service = Service::with(&["--root-dialect", name]);
        let nobody = service.client_with(None);
        let without = shown(&nobody.send(route));
        assert_eq!(without, shown(&nobody.send(&format!("{route}/"))));
        transcript += &without;
        transcript += &shown(&nobody.send(&route.replace("POST", "PATCH").replace("GET", "PATCH")));
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
    "#]].assert_eq(&transcript);
}

/// Without `--root-dialect`, none is at the root.
#[test]
fn none_is_at_the_root_by_default() {
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

/// A key is a caller while it is enabled, not due and not replaced; then it is nobody.
#[test]
fn a_key_calls_only_while_it_is_good() {
    let service = Service::start();
    let admin = service.paying("acme", "ann", "admin", "enterprise");
    let native = service.client("owner");
    for (path, body, pointer, probe) in [
        (
            "/dialects/covosign/api/v1/api-keys",
            r#"{"name":"a","environment":"PRODUCTION"}"#,
            "/data/apiKey",
            r#"POST /dialects/covosign/api/v1/api-keys {"name":"b","environment":"PRODUCTION"}"#,
        ),
        (
            "/dialects/capgo/apikey",
            r#"{"org_id":"acme","mode":"all"}"#,
            "/apikey/key",
            "GET /dialects/capgo/apikey",
        ),
        (
            "/dialects/composable/api/v1/apikeys",
            r#"{"name":"a","role":"admin"}"#,
            "/value",
            "GET /dialects/composable/api/v1/apikeys",
        ),
    ] {
        let make = || {
            let key = text(&admin.send(&format!("POST {path} {body}")), pointer);
            let all = native.all("/v1/keys");
            (all.last().unwrap()["id"].as_str().unwrap().to_owned(), key)
        };
        let is_good = |key: &str| match service.client_with(Some(key)).send(probe).status {
            200 | 201 => true,
            401 => false,
            other => panic!("{path}: {other}"),
        };
        let change = |id: &str, what: &str| {
            let answer = admin.send(&format!("POST /v1/keys/{id}/{what}"));
            assert!(answer.status < 300, "{answer:?}");
            answer
        };
        let (id, key) = make();
        assert!(is_good(&key));
        change(&id, "disable");
        assert!(!is_good(&key));
        change(&id, "enable");
        assert!(is_good(&key));
        // Replaced without an overlap it is due at once; the new one is of the same dialect.
        let new = text(&change(&id, "rotate"), "/secret");
        assert!(is_good(&new) && !is_good(&key));
        let (id, key) = make();
        change(&id, "expire");
        assert!(!is_good(&key));
        let (id, key) = make();
        change(&id, "revoke");
        assert!(!is_good(&key));
    }
}

/// Contract: whatever goes wrong under the mount, the request's head included.
#[test]
fn too_many_headers_are_refused_in_each_form() {
    let service = Service::start();
    let names: Vec<String> = (0..70).map(|n| format!("x-h-{n}")).collect();
    let headers: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let mut transcript = String::new();
    for (name, route) in ROUTES {
        let line = route.replace(" /", &format!(" /dialects/{name}/"));
        transcript += &shown(&service.client("owner").send_with(&line, &headers));
    }
    expect![[r#"
        431 {"code":431,"statusText":"Request Header Fields Too Large","message":"at most 64 header fields","data":null}
        431 {"detail":"at most 64 header fields"}
        431 {"success":false,"error":{"code":"RequestHeaderFieldsTooLarge","message":"at most 64 header fields"}}
        431 {"error":"at most 64 header fields","status":"KO"}
        431 {"error":"Request Header Fields Too Large","status":431,"message":"at most 64 header fields"}
    "#]]
    .assert_eq(&transcript);
}

/// A 405 names the methods of the route; HEAD is GET without its body, and makes nothing.
#[test]
fn other_methods_are_refused_and_the_right_ones_named() {
    let service = Service::start();
    let client = service.paying("acme", "ann", "admin", "pro");
    let mut transcript = String::new();
    for (name, path) in [
        ("covosign", "/api/v1/api-keys"),
        ("callcov", "/api/v1/api-keys/"),
        ("callcov", "/api/v1/api-keys/id"),
        ("cloudsigma", "/v1/api-keys"),
        ("cloudsigma", "/v1/api-keys/csk_live_1"),
        ("capgo", "/apikey/"),
        ("capgo", "/apikey/1/"),
        ("composable", "/api/v1/apikeys"),
        ("composable", "/api/v1/apikeys/pk"),
        ("composable", "/api/v1/apikeys/id"),
    ] {
        let at = format!("/dialects/{name}{path}");
        let options = client.send(&format!("OPTIONS {at}"));
        let head = client.send(&format!("HEAD {at}"));
        assert_eq!(head.text, "");
        let allow = options.header("allow").unwrap_or("-");
        transcript += &format!("{at} OPTIONS {} {allow} HEAD {}\n", options.status, head.status);
    }
    assert_eq!(client.all("/v1/events").len(), 0);
    expect![[r#"
        /dialects/covosign/api/v1/api-keys OPTIONS 405 POST HEAD 405
        /dialects/callcov/api/v1/api-keys/ OPTIONS 405 GET,HEAD,POST HEAD 200
        /dialects/callcov/api/v1/api-keys/id OPTIONS 405 DELETE HEAD 405
        /dialects/cloudsigma/v1/api-keys OPTIONS 405 GET,HEAD,POST HEAD 200
        /dialects/cloudsigma/v1/api-keys/csk_live_1 OPTIONS 405 DELETE HEAD 405
        /dialects/capgo/apikey/ OPTIONS 405 GET,HEAD,POST HEAD 200
        /dialects/capgo/apikey/1/ OPTIONS 405 DELETE HEAD 405
        /dialects/composable/api/v1/apikeys OPTIONS 405 GET,HEAD,POST HEAD 200
        /dialects/composable/api/v1/apikeys/pk OPTIONS 405 GET,HEAD HEAD 200
        /dialects/composable/api/v1/apikeys/id OPTIONS 405 GET,HEAD,PUT,DELETE HEAD 404
    "#]]
    .assert_eq(&transcript);
}

/// A gateway lets the keys in by their modes.
#[test]
fn forward_auth_knows_their_keys() {
    let service = Service::start();
    let owner = service.client("owner");
    let made = owner.send(r#"POST /dialects/capgo/apikey {"org_id":"acme","mode":"write"}"#).json();
    let key = made["apikey"]["key"].as_str().unwrap();
    let token = service.token("acme", "verifier");
    let send = |permission| {
        let headers = [("x-keyledger-token", token.as_str()), ("x-api-key", key)];
        let line = format!("GET /v1/authorize?permission={permission}");
        service.client_with(None).send_with(&line, &headers).status
    };
    assert_eq!((send("read"), send("write"), send("upload")), (200, 200, 403));
}

/// Contract: every dialect's keys work with verify and forward auth, until they do not.
#[test]
fn keys_of_all_dialects_are_verified() {
    let service = Service::start();
    let admin = service.paying("acme", "ann", "admin", "enterprise");
    let token = service.token("acme", "verifier");
    let mut transcript = String::new();
    for (line, pointer, permission) in [
        (
            r#"POST /dialects/covosign/api/v1/api-keys {"name":"a","environment":"SANDBOX","allowedIps":["127.0.0.1"]}"#,
            "/data/apiKey",
            None,
        ),
        ("POST /dialects/callcov/api/v1/api-keys/ {}", "/api_key", None),
        (r#"POST /dialects/cloudsigma/v1/api-keys {"name":"a"}"#, "/data/key", None),
        (
            r#"POST /dialects/capgo/apikey {"org_id":"acme","mode":"write"}"#,
            "/apikey/key",
            Some("read"),
        ),
        (
            r#"POST /dialects/composable/api/v1/apikeys {"name":"a","role":"developer","project":"p"}"#,
            "/value",
            Some("executor"),
        ),
        ("GET /dialects/composable/api/v1/apikeys/pk?projectId=p", "/value", Some("executor")),
    ] {
        let key = text(&admin.send(line), pointer);
        let id = admin.all("/v1/keys").last().unwrap()["id"].as_str().unwrap().to_owned();
        let verify = || {
            let with_permission =
                |text: fn(&str) -> String| permission.map(text).unwrap_or_default();
            let field = with_permission(|permission| format!(r#","permission":"{permission}""#));
            let query = with_permission(|permission| format!("?permission={permission}"));
            let body = format!(r#"{{"key":"{key}","ip":"127.0.0.1"{field}}}"#);
            let answer = admin.send(&format!("POST /v1/keys/verify {body}")).json();
            let headers = [("x-keyledger-token", token.as_str()), ("x-api-key", key.as_str())];
            let line = format!("GET /v1/authorize{query}");
            let gateway = service.client_with(None).send_with(&line, &headers).status;
            format!("{} {gateway}", answer["code"].as_str().unwrap())
        };
        let change = |what: &str| {
            assert_eq!(admin.send(&format!("POST /v1/keys/{id}/{what}")).status, 200);
        };
        let mut codes = vec![verify()];
        for what in ["disable", "enable", "expire", "revoke"] {
            change(what);
            codes.push(verify());
        }
        let key = admin.send(&format!("GET /v1/keys/{id}")).json();
        transcript += &format!(
            "{} {} {} {} limit={} {}: {}\n",
            key["dialect"].as_str().unwrap(),
            key["kind"].as_str().unwrap(),
            key["environment"].as_str().unwrap(),
            key["role"],
            key["daily_limit"],
            key["permissions"],
            codes.join(", "),
        );
    }
    expect![[r#"
        covosign secret sandbox null limit=null []: VALID 200, DISABLED 401, VALID 200, EXPIRED 401, REVOKED 401
        callcov secret live null limit=null []: VALID 200, DISABLED 401, VALID 200, EXPIRED 401, REVOKED 401
        cloudsigma secret live null limit=250 []: VALID 200, DISABLED 401, VALID 200, EXPIRED 401, REVOKED 401
        capgo secret live "write" limit=null ["read","write"]: VALID 200, DISABLED 401, VALID 200, EXPIRED 401, REVOKED 401
        composable secret live "developer" limit=null ["reader","executor","application","developer"]: VALID 200, DISABLED 401, VALID 200, EXPIRED 401, REVOKED 401
        composable public live "executor" limit=null ["reader","executor"]: VALID 200, DISABLED 401, VALID 200, EXPIRED 401, REVOKED 401
    "#]]
    .assert_eq(&transcript);
}

/// A public key ends on time, and the next request makes another.
#[test]
fn a_public_key_ends_and_another_takes_its_place() {
    let service = Service::start();
    let owner = service.client("owner");
    let send = || owner.send("GET /dialects/composable/api/v1/apikeys/pk?ttl=1").json();
    let first = send();
    let verify = format!(r#"POST /v1/keys/verify {{"key":{}}}"#, first["value"]);
    while owner.send(&verify).json()["code"] == "VALID" {}
    assert_eq!(owner.send(&verify).json()["code"], "EXPIRED");
    let second = send();
    assert_ne!(first["value"], second["value"]);
    let listed = owner.send("GET /dialects/composable/api/v1/apikeys").json();
    let listed = listed.as_array().unwrap();
    let enabled: Vec<_> = listed.iter().map(|key| key["enabled"].as_bool().unwrap()).collect();
    assert_eq!(enabled, [false, true]);
}

/// Every dialect describes itself, and nothing in it points nowhere.
#[test]
fn each_dialect_has_a_document() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let service = Service::start();
    let nobody = service.client_with(None);
    let native = nobody.send("GET /openapi.json").json();
    let mut described = vec![native["info"]["description"].clone()];
    let mut transcript = String::new();
    for (name, _) in ROUTES {
        let document = nobody.send(&format!("GET /dialects/{name}/openapi.json")).json();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        assert_eq!(document["info"]["title"], name);
        assert_eq!(document["servers"][0]["url"], format!("/dialects/{name}"));
        let description = document["info"]["description"].clone();
        assert!(!described.contains(&description), "{description} is another one's");
        described.push(description);
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.values().all(|answer| answer["description"] != ""));
                let statuses: Vec<_> = answers.keys().map(String::as_str).collect();
                transcript += &format!("{name} {method} {path}: {}\n", statuses.join(" "));
            }
        }
        transcript += &format!("{name} {}\n", document["security"]);
    }
    expect![[r#"
        covosign post /api/v1/api-keys: 201 4XX 5XX
        covosign [{"bearer":[]},{"key":[]}]
        callcov get /api/v1/api-keys/: 200 4XX 5XX
        callcov post /api/v1/api-keys/: 201 4XX 5XX
        callcov delete /api/v1/api-keys/{id}: 200 4XX 5XX
        callcov [{"token":[]}]
        cloudsigma get /v1/api-keys: 200 4XX 5XX
        cloudsigma post /v1/api-keys: 201 4XX 5XX
        cloudsigma delete /v1/api-keys/{prefix}: 200 4XX 5XX
        cloudsigma [{"token":[]}]
        capgo get /apikey/: 200 4XX 5XX
        capgo post /apikey/: 200 4XX 5XX
        capgo delete /apikey/{key}/: 200 4XX 5XX
        capgo [{"key":[]}]
        composable get /api/v1/apikeys: 200 4XX 5XX
        composable post /api/v1/apikeys: 201 4XX 5XX
        composable get /api/v1/apikeys/pk: 200 4XX 5XX
        composable delete /api/v1/apikeys/{id}: 200 4XX 5XX
        composable get /api/v1/apikeys/{id}: 200 4XX 5XX
        composable put /api/v1/apikeys/{id}: 200 4XX 5XX
        composable [{"bearer":[]}]
    "#]]
    .assert_eq(&transcript);
}
