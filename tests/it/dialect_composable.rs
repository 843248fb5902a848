//! composable: each example and table of its document, and what the contract adds.

use expect_test::expect;

use super::support::{Answer, Client, Service, exchanges, shown, text};

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
    let mut transcript = shown(&made);
    let body = r#"{"name":"p","role":"reader","type":"pk","project":"web","expires_at":"2100-01-01T00:00:00Z"}"#;
    transcript += &shown(&admin.send(&format!("POST {KEYS} {body}")));
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
        transcript += &shown(&admin.send(&step));
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
    "#]].assert_eq(&transcript);
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
    let send = |query: &str| owner.send(&format!("GET {KEYS}/pk{query}"));
    let made = send("?name=test-key&ttl=3600");
    expect![[r#"
        200 {"expire_at":"<millis>","value":"pk-<48hex>"}
    "#]]
    .assert_eq(&shown(&made));
    assert_eq!(made.text, send("?name=test-key&ttl=3600").text);
    assert_ne!(made.text, send("?name=test-key&ttl=3600&projectId=web").text);
    assert_ne!(made.text, send("").text);
    assert_eq!(send("?ttl=0").status, 400);
    assert_eq!(send("?name=long&ttl=999999999").status, 200);
    let keys = owner.all("/v1/keys");
    let names: Vec<_> = keys.iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["test-key", "test-key", "Public API Key (generated)", "long"]);
    assert!(keys.iter().all(|key| key["kind"] == "public" && key["role"] == "executor"));

    // One that expires too soon is not found: half of the requested ttl must be left.
    let short = send("?name=short&ttl=30");
    assert_eq!(short.text, send("?name=short&ttl=30").text);
    assert_ne!(short.text, send("?name=short&ttl=600").text);
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
    let mut transcript = String::new();
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
        transcript += &row(role, &service.client_with(Some(&key)), Some(&key));
    }
    let public = of(&admin.send(&format!("GET {KEYS}/pk")), "value");
    transcript += &row("pk", &service.client_with(Some(&public)), Some(&public));
    for role in ["owner", "auditor"] {
        transcript += &row(&format!("token of {role}"), &service.client(role), None);
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
    .assert_eq(&transcript);
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
    let mut transcript = shown(&nobody.send(&format!("GET {KEYS}")));
    transcript += &shown(&service.client_with(Some("sk-none")).send(&format!("GET {KEYS}")));
    transcript += &shown(&make(&service.client("owner"), "reader"));
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
        transcript += &shown(&admin.send(&step));
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
    "#]].assert_eq(&transcript);
}

/// What a client may send beside the examples.
fn odd(keys: &str, id: &str) -> Vec<String> {
    vec![
        format!(r#"POST {keys} {{"name":null,"role":"reader"}}"#),
        format!(r#"POST {keys} {{"name":"a","role":7}}"#),
        format!(r#"POST {keys} {{"name":"a","role":"reader","type":"xx"}}"#),
        format!(r#"POST {keys} {{"name":"a","role":"admin","type":"pk"}}"#),
        format!(r#"POST {keys} {{"name":"a","role":"reader","expires_at":"tomorrow"}}"#),
        format!(r#"POST {keys} {{"name":"a","role":"reader","expires_at":7}}"#),
        format!(
            r#"POST {keys}/ {{"name":"ü","role":"reader","type":null,"expires_at":"2100-01-01T01:00:00.5+01:00","project":null}}"#
        ),
        format!("GET {keys}/pk?ttl=-1"),
        format!("GET {keys}/pk?ttl=1.5"),
        format!("GET {keys}/pk?ttl="),
        format!("GET {keys}/pk?name={}", "x".repeat(201)),
        format!("GET {keys}/pk/?name=&projectId="),
        format!("POST {keys}/pk {{}}"),
        format!(r#"PUT {keys}/{id} {{"enabled":null}}"#),
        format!(r#"PUT {keys}/{id} {{"enabled":"false"}}"#),
        format!(r#"PUT {keys}/{id} {{"enabled":0}}"#),
        format!(r#"PUT {keys}/{id} {{"enabled":false,"role":"reader"}}"#),
        format!(r#"PUT {keys}/{id} {{"enabled":false,"role":"admin","seen":1}}"#),
        format!(r#"PUT {keys}/{id}"#),
        format!(r#"PUT {keys}/none {{"enabled":false}}"#),
        format!("GET {keys}/00000000-0000-7000-8000-000000000000/"),
        format!("DELETE {keys}"),
    ]
}

/// Values of other types, nothing at all, what is not there: each step, its answer beneath it.
#[test]
fn what_is_sent_beside_the_examples() {
    let service = Service::start();
    let client = service.paying("acme", "ann", "admin", "enterprise");
    let keys = "/dialects/composable/api/v1/apikeys";
    let id = text(&client.send(&format!(r#"POST {keys} {{"name":"a","role":"admin"}}"#)), "/id");
    let steps = odd(keys, &id);
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let transcript = exchanges(&client, &steps).replace(&id, "$");
    expect![[r#"
        POST /dialects/composable/api/v1/apikeys {"name":null,"role":"reader"}
          400 {"error":"Bad Request","status":400,"message":"name: must be a string"}
        POST /dialects/composable/api/v1/apikeys {"name":"a","role":7}
          400 {"error":"Bad Request","status":400,"message":"role: must be a string"}
        POST /dialects/composable/api/v1/apikeys {"name":"a","role":"reader","type":"xx"}
          400 {"error":"Bad Request","status":400,"message":"type: must be one of: sk pk"}
        POST /dialects/composable/api/v1/apikeys {"name":"a","role":"admin","type":"pk"}
          400 {"error":"Bad Request","status":400,"message":"role: must be reader or executor for a public key"}
        POST /dialects/composable/api/v1/apikeys {"name":"a","role":"reader","expires_at":"tomorrow"}
          400 {"error":"Bad Request","status":400,"message":"expires_at: must be an RFC 3339 time such as 2026-01-02T03:04:05Z"}
        POST /dialects/composable/api/v1/apikeys {"name":"a","role":"reader","expires_at":7}
          400 {"error":"Bad Request","status":400,"message":"expires_at: must be a string"}
        POST /dialects/composable/api/v1/apikeys/ {"name":"ü","role":"reader","type":null,"expires_at":"2100-01-01T01:00:00.5+01:00","project":null}
          201 {"account":"acme","name":"ü","type":"sk","role":"reader","expires_at":"<millis>","enabled":true,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"sk-<8hex>****","value":"sk-<48hex>"}
        GET /dialects/composable/api/v1/apikeys/pk?ttl=-1
          400 {"error":"Bad Request","status":400,"message":"ttl: must be a number of seconds"}
        GET /dialects/composable/api/v1/apikeys/pk?ttl=1.5
          400 {"error":"Bad Request","status":400,"message":"ttl: must be a number of seconds"}
        GET /dialects/composable/api/v1/apikeys/pk?ttl=
          200 {"expire_at":"<millis>","value":"pk-<48hex>"}
        GET /dialects/composable/api/v1/apikeys/pk?name=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
          400 {"error":"Bad Request","status":400,"message":"name: must be between 1 and 200 characters"}
        GET /dialects/composable/api/v1/apikeys/pk/?name=&projectId=
          200 {"expire_at":"<millis>","value":"pk-<48hex>"}
        POST /dialects/composable/api/v1/apikeys/pk {}
          405 {"error":"Method Not Allowed","status":405,"message":"the route has other methods, see Allow"}
        PUT /dialects/composable/api/v1/apikeys/$ {"enabled":null}
          400 {"error":"Bad Request","status":400,"message":"enabled: must be true or false"}
        PUT /dialects/composable/api/v1/apikeys/$ {"enabled":"false"}
          400 {"error":"Bad Request","status":400,"message":"enabled: must be true or false"}
        PUT /dialects/composable/api/v1/apikeys/$ {"enabled":0}
          400 {"error":"Bad Request","status":400,"message":"enabled: must be true or false"}
        PUT /dialects/composable/api/v1/apikeys/$ {"enabled":false,"role":"reader"}
          400 {"error":"Bad Request","status":400,"message":"role: cannot be changed, only enabled can"}
        PUT /dialects/composable/api/v1/apikeys/$ {"enabled":false,"role":"admin","seen":1}
          200 {"account":"acme","name":"a","type":"sk","role":"admin","enabled":false,"created_at":"<millis>","updated_at":"<millis>","id":"<id>","maskedValue":"sk-<8hex>****"}
        PUT /dialects/composable/api/v1/apikeys/$
          400 {"error":"Bad Request","status":400,"message":"body: must be JSON"}
        PUT /dialects/composable/api/v1/apikeys/none {"enabled":false}
          404 {"error":"Not Found","status":404,"message":"API key not found"}
        GET /dialects/composable/api/v1/apikeys/00000000-0000-7000-8000-000000000000/
          404 {"error":"Not Found","status":404,"message":"API key not found"}
        DELETE /dialects/composable/api/v1/apikeys
          405 {"error":"Method Not Allowed","status":405,"message":"the route has other methods, see Allow"}
    "#]]
    .assert_eq(&transcript);
}

/// The whole object as it was shown, with the one change: what a client reads, it can write.
#[test]
fn an_object_that_was_read_can_be_written() {
    let service = Service::start();
    let client = service.client_of("acme", "admin");
    let keys = "/dialects/composable/api/v1/apikeys";
    let id = text(&client.send(&format!(r#"POST {keys} {{"name":"a","role":"admin"}}"#)), "/id");
    let path = format!("{keys}/{id}");
    let mut object = client.send(&format!("GET {path}")).json();
    object["enabled"] = false.into();
    assert_eq!(client.send(&format!("PUT {path} {object}")).json()["enabled"], false);
    let events = client.all("/v1/events").len();
    assert_eq!(client.send(&format!("PUT {path} {object}")).json()["enabled"], false);
    assert_eq!(client.all("/v1/events").len(), events, "no change is no event");
}

/// Contract: how long a public key lives, and how much of that must be left.
#[test]
fn the_life_of_a_public_key() {
    let service = Service::start();
    let client = service.paying("acme", "ann", "admin", "enterprise");
    let keys = "/dialects/composable/api/v1/apikeys";
    let send = |query: &str| client.send(&format!("GET {keys}/pk?{query}")).json();
    let life = |query: &str| {
        let answer = send(query);
        let keys = client.all("/v1/keys?kind=public");
        let key = keys.iter().find(|key| key["public_value"] == answer["value"]).unwrap();
        let [from, until] =
            ["created_at", "expires_at"].map(|name| key[name].as_str().unwrap().to_owned());
        assert_eq!(from[10..], until[10..], "whole days");
        day(&until) - day(&from)
    };
    assert_eq!((life("name=1"), life("name=2&ttl="), life("name=3&ttl=172800")), (1, 1, 2));
    // More than 30 days is 30 days, however much more.
    for ttl in ["2592000", "2592001", "99999999999", "99999999999999999999999999999999"] {
        assert_eq!(life(&format!("name=x{ttl}&ttl={ttl}")), 30, "{ttl}");
    }
    // Found by account, project and name; one that is off is not found.
    let first = send("name=web&projectId=p");
    assert_eq!(send("name=web&projectId=p"), first);
    assert_ne!(send("name=web&projectId=q"), first);
    let other = service.client_of("other", "owner");
    let others = other.send(&format!("GET {keys}/pk?name=web&projectId=p")).json();
    assert_ne!(others, first);
    let id = client.all("/v1/keys?project=p")[0]["id"].as_str().unwrap().to_owned();
    client.send(&format!(r#"PUT {keys}/{id} {{"enabled":false}}"#));
    let second = send("name=web&projectId=p");
    assert_ne!(second, first);
    client.send(&format!(r#"PUT {keys}/{id} {{"enabled":true}}"#));
    assert_eq!(send("name=web&projectId=p"), first, "the older of two");
    // Five minutes must be left of a key for a day, half of it of one for less than ten.
    let some = send("name=m&ttl=200");
    assert_eq!(send("name=m&ttl=200"), some);
    assert_eq!(send("name=m&ttl=300"), some);
    assert_ne!(send("name=m&ttl=500"), some);
    let short = send("name=s&ttl=250");
    assert_ne!(send("name=s"), short);
    let enough = send("name=e&ttl=360");
    assert_eq!(send("name=e"), enough);
}

/// Days since 1970-01-01 of a date, counted by the calendar.
fn day(date: &str) -> u64 {
    let part = |range: std::ops::Range<usize>| date[range].parse::<u64>().unwrap();
    let (year, month) = (part(0..4), part(5..7));
    let by = |year: u64, n: u64| year.is_multiple_of(n);
    let leap = |year| (by(year, 4) && !by(year, 100)) || by(year, 400);
    let years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months = lengths.iter().take(usize::try_from(month).unwrap() - 1);
    years + months.sum::<u64>() + part(8..10) - 1
}
