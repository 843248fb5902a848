//! composable: each example and table of its document, and what the contract adds.

use expect_test::expect;

use super::support::{Answer, Client, Service, shown};

const KEYS: &str = "/dialects/composable/api/v1/apikeys";

fn make(client: &Client, role: &str) -> Answer {
    client.send(&format!(r#"POST {KEYS} {{"name":"Key","role":"{role}"}}"#))
}

fn of(answer: &Answer, field: &str) -> String {
    answer.json()[field].as_str().unwrap().to_owned()
}

/// `ApiKey` Object, Properties, List API Keys; and the contract's create, change and delete.
#[test]
fn keys_are_made_shown_changed_and_deleted() {
    let service = Service::start();
    let admin = service.client_of("acme", "admin");
    let body = r#"{"name":"Key Created On 2023-10-24 16:31:28","role":"developer"}"#;
    let made = admin.send(&format!("POST {KEYS} {body}"));
    let path = format!("{KEYS}/{}", of(&made, "id"));
    let mut said = shown(&made);
    let body = r#"{"name":"p","role":"reader","type":"pk","project":"web","expires_at":"2100-01-01T00:00:00Z"}"#;
    said += &shown(&admin.send(&format!("POST {KEYS} {body}")));
    for step in [
        format!("GET {path}"),
        format!(r#"PUT {path} {{"enabled":true}}"#),
        format!(r#"PUT {path} {{"enabled":false}}"#),
        format!(r#"PUT {path} {{"enabled":true,"name":"other"}}"#),
        format!("PUT {path} {{}}"),
        format!("GET {KEYS}/"),
        format!("DELETE {path}/"),
        format!("DELETE {path}"),
        format!("GET {path}"),
    ] {
        said += &shown(&admin.send(&step));
    }
    expect![[r#"
        201 {"account":"acme","name":"Key Created On 2023-10-24 16:31:28","type":"sk","role":"developer","enabled":true,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"sk-<8hex>****","value":"sk-<48hex>"}
        201 {"account":"acme","project":"web","name":"p","type":"pk","role":"reader","expires_at":"<millis>","enabled":true,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"pk-<8hex>****","value":"pk-<48hex>"}
        200 {"account":"acme","name":"Key Created On 2023-10-24 16:31:28","type":"sk","role":"developer","enabled":true,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"sk-<8hex>****"}
        200 {"account":"acme","name":"Key Created On 2023-10-24 16:31:28","type":"sk","role":"developer","enabled":true,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"sk-<8hex>****"}
        200 {"account":"acme","name":"Key Created On 2023-10-24 16:31:28","type":"sk","role":"developer","enabled":false,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"sk-<8hex>****"}
        400 {"error":"Bad Request","status":400,"message":"name: cannot be changed, only enabled can"}
        400 {"error":"Bad Request","status":400,"message":"enabled: must be true or false"}
        200 [{"account":"acme","name":"Key Created On 2023-10-24 16:31:28","type":"sk","role":"developer","enabled":false,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"sk-<8hex>****"},{"account":"acme","project":"web","name":"p","type":"pk","role":"reader","expires_at":"<millis>","enabled":true,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"pk-<8hex>****"}]
        200 {"acknowledged":true,"deletedCount":1}
        404 {"error":"Not Found","status":404,"message":"API key not found"}
        404 {"error":"Not Found","status":404,"message":"API key not found"}
    "#]].assert_eq(&said);
    let events = admin.all("/v1/events");
    let types: Vec<_> = events.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, ["created", "created", "disabled", "revoked"]);
    assert!(events.iter().all(|event| event["origin"]["dialect"] == "composable"));
}

/// Request Public Key: the example, twice the same key, another name another key, a bound ttl.
#[test]
fn a_public_key_is_found_or_made() {
    let service = Service::start();
    let owner = service.client("owner");
    let ask = |query: &str| owner.send(&format!("GET {KEYS}/pk{query}"));
    let made = ask("?name=test-key&ttl=3600");
    expect![[r#"
        200 {"expire_at":"<millis>","value":"pk-<48hex>"}
    "#]]
    .assert_eq(&shown(&made));
    assert_eq!(made.text, ask("?name=test-key&ttl=3600").text);
    assert_ne!(made.text, ask("?name=test-key&ttl=3600&projectId=web").text);
    assert_ne!(made.text, ask("").text);
    assert_eq!(ask("?ttl=0").status, 400);
    assert_eq!(ask("?name=long&ttl=999999999").status, 200);
    let keys = owner.all("/v1/keys");
    let names: Vec<_> = keys.iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["test-key", "test-key", "Public API Key (generated)", "long"]);
    assert!(keys.iter().all(|key| key["kind"] == "public" && key["role"] == "executor"));

    // One that lives too short is not found: half of the asked life must be left.
    let short = ask("?name=short&ttl=30");
    assert_eq!(short.text, ask("?name=short&ttl=30").text);
    assert_ne!(short.text, ask("?name=short&ttl=600").text);
}

/// Contract: twenty requests at once get one key.
#[test]
fn twenty_requests_at_once_get_one_public_key() {
    let service = Service::start();
    let owner = service.client("owner");
    let values: Vec<String> = std::thread::scope(|threads| {
        let all: Vec<_> = (0..20)
            .map(|_| threads.spawn(|| of(&owner.send(&format!("GET {KEYS}/pk?name=n")), "value")))
            .collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(values.iter().all(|value| *value == values[0]));
    assert_eq!(owner.all("/v1/events").len(), 1);
}

/// Role: what a key of each may do here, and what it may according to verify.
#[test]
fn roles_are_cumulative() {
    let service = Service::start();
    let admin = service.client_of("acme", "admin");
    let mut said = String::new();
    let row = |name: &str, client: &Client, key: Option<&str>| {
        let list = client.send(&format!("GET {KEYS}")).status;
        let public = client.send(&format!("GET {KEYS}/pk")).status;
        let create = make(client, "reader").status;
        let delete = client.send(&format!("DELETE {KEYS}/none")).status;
        let verify = key.map(|key| {
            let held = ["reader", "executor", "application", "developer", "admin"].map(|role| {
                let body = format!(r#"{{"key":"{key}","permission":"{role}"}}"#);
                let valid = admin.send(&format!("POST /v1/keys/verify {body}")).json();
                if valid["valid"] == true { "+" } else { "-" }
            });
            held.concat()
        });
        let verify = verify.unwrap_or_default();
        format!("{name} list={list} pk={public} create={create} delete={delete} {verify}\n")
    };
    for role in ["reader", "executor", "application", "developer", "admin"] {
        let key = of(&make(&admin, role), "value");
        said += &row(role, &service.client_with(Some(&key)), Some(&key));
    }
    let public = of(&admin.send(&format!("GET {KEYS}/pk")), "value");
    said += &row("pk", &service.client_with(Some(&public)), Some(&public));
    for role in ["owner", "auditor"] {
        said += &row(&format!("token of {role}"), &service.client(role), None);
    }
    expect![[r#"
        reader list=403 pk=403 create=403 delete=403 +----
        executor list=403 pk=403 create=403 delete=403 ++---
        application list=403 pk=200 create=403 delete=403 +++--
        developer list=200 pk=200 create=403 delete=403 ++++-
        admin list=200 pk=200 create=201 delete=404 +++++
        pk list=403 pk=403 create=403 delete=403 ++---
        token of owner list=200 pk=200 create=403 delete=403 
        token of auditor list=200 pk=403 create=403 delete=403 
    "#]]
    .assert_eq(&said);
}

/// Contract: an expired key stays in the list, off; it is no caller any more.
#[test]
fn an_expired_key_is_off() {
    let service = Service::start();
    let admin = service.client_of("acme", "admin");
    let made = make(&admin, "admin");
    admin.send(&format!("POST /v1/keys/{}/expire", of(&made, "id")));
    let listed = admin.send(&format!("GET {KEYS}"));
    expect![[r#"
        200 [{"account":"acme","name":"Key","type":"sk","role":"admin","expires_at":"<millis>","enabled":false,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"sk-<8hex>****"}]
    "#]].assert_eq(&shown(&listed));
    let by_key = service.client_with(Some(&of(&made, "value")));
    assert_eq!(by_key.send(&format!("GET {KEYS}")).status, 401);
}

/// Errors in their form, whatever goes wrong under the mount.
#[test]
fn errors_have_their_form() {
    let service = Service::start();
    let admin = service.client_of("acme", "admin");
    let nobody = service.client_with(None);
    let mut said = shown(&nobody.send(&format!("GET {KEYS}")));
    said += &shown(&service.client_with(Some("sk-none")).send(&format!("GET {KEYS}")));
    said += &shown(&make(&service.client("owner"), "reader"));
    for step in [
        format!("POST {KEYS} {{"),
        format!("POST {KEYS} {{}}"),
        format!(r#"POST {KEYS} {{"name":"a","role":"king"}}"#),
        format!(
            r#"POST {KEYS} {{"name":"a","role":"reader","expires_at":"2000-01-01T00:00:00Z"}}"#
        ),
        format!("GET {KEYS}/none"),
        format!("PATCH {KEYS} {{}}"),
        "GET /dialects/composable/nothing".to_owned(),
    ] {
        said += &shown(&admin.send(&step));
    }
    expect![[r#"
        401 {"error":"Unauthorized","status":401,"message":"send a token as Authorization: Bearer"}
        401 {"error":"Unauthorized","status":401,"message":"the API key is not good"}
        403 {"error":"Forbidden","status":403,"message":"the role admin is needed"}
        400 {"error":"Bad Request","status":400,"message":"body: must be JSON"}
        400 {"error":"Bad Request","status":400,"message":"name: is missing"}
        400 {"error":"Bad Request","status":400,"message":"role: must be one of: reader executor application developer admin"}
        400 {"error":"Bad Request","status":400,"message":"expires_at: must lie in the future"}
        404 {"error":"Not Found","status":404,"message":"API key not found"}
        405 {"error":"Method Not Allowed","status":405,"message":"the route has other methods, see Allow"}
        404 {"error":"Not Found","status":404,"message":"no such route, see /docs"}
    "#]].assert_eq(&said);
}
