//! capgo: each example and table of its document, and what the contract adds.

use expect_test::expect;

use super::support::{Answer, Client, Service, exchanges, shown, text};

const KEYS: &str = "/dialects/capgo/apikey/";

fn make(client: &Client, mode: &str) -> Answer {
    client.send(&format!(r#"POST {KEYS} {{"org_id":"acme","mode":"{mode}"}}"#))
}

fn key(answer: &Answer) -> String {
    answer.json()["apikey"]["key"].as_str().unwrap().to_owned()
}

/// The key goes bare into the header, as in the document.
fn with_key(client: &Client, key: &str, line: &str) -> Answer {
    client.send_with(line, &[("authorization", key)])
}

/// GET, POST, DELETE: requests and responses; by key and by id.
#[test]
fn keys_are_made_listed_and_deleted_as_in_the_examples() {
    let service = Service::start();
    let owner = service.client("owner");
    let all = key(&make(&owner, "all"));
    let made = with_key(&owner, &all, &format!(r#"POST {KEYS} {{"org_id":"acme","mode":"read"}}"#));
    let mut transcript = shown(&made);
    // Query Parameters: the body goes first.
    let line = format!(r#"POST {KEYS}?org_id=acme&mode=upload&more=1 {{"name":"Deploy Bot"}}"#);
    transcript += &shown(&with_key(&owner, &all, &line));
    let line = format!(r#"POST {KEYS}?org_id=acme&mode=read {{"mode":"write"}}"#);
    transcript += &shown(&with_key(&owner, &format!("Bearer {all}"), &line));
    transcript += &shown(&with_key(&owner, &all, &format!("GET {KEYS}")));
    transcript += &shown(&with_key(&owner, &all, &format!("DELETE {KEYS}{}/", key(&made))));
    transcript += &shown(&with_key(&owner, &all, &format!("DELETE {KEYS}3/")));
    transcript += &shown(&with_key(&owner, &all, &format!("DELETE {KEYS}3")));
    transcript += &shown(&with_key(&owner, &all, "GET /dialects/capgo/apikey"));
    expect![[r#"
        200 {"apikey":{"id":2,"key":"ak_<36uuid>","mode":"read","name":"New API Key","created_at":"<seconds>","user_id":"owner-of-test"}}
        200 {"apikey":{"id":3,"key":"ak_<36uuid>","mode":"upload","name":"Deploy Bot","created_at":"<seconds>","user_id":"owner-of-test"}}
        200 {"apikey":{"id":4,"key":"ak_<36uuid>","mode":"write","name":"New API Key","created_at":"<seconds>","user_id":"owner-of-test"}}
        200 {"data":[{"id":1,"key":"ak_<5>...","mode":"all","name":"New API Key","created_at":"<seconds>","updated_at":"<seconds>","user_id":"owner-of-test"},{"id":2,"key":"ak_<5>...","mode":"read","name":"New API Key","created_at":"<seconds>","updated_at":"<seconds>","user_id":"owner-of-test"},{"id":3,"key":"ak_<5>...","mode":"upload","name":"Deploy Bot","created_at":"<seconds>","updated_at":"<seconds>","user_id":"owner-of-test"},{"id":4,"key":"ak_<5>...","mode":"write","name":"New API Key","created_at":"<seconds>","updated_at":"<seconds>","user_id":"owner-of-test"}]}
        200 {"success":true}
        200 {"success":true}
        404 {"error":"API key not found","status":"KO"}
        200 {"data":[{"id":1,"key":"ak_<5>...","mode":"all","name":"New API Key","created_at":"<seconds>","updated_at":"<seconds>","user_id":"owner-of-test"},{"id":4,"key":"ak_<5>...","mode":"write","name":"New API Key","created_at":"<seconds>","updated_at":"<seconds>","user_id":"owner-of-test"}]}
    "#]].assert_eq(&transcript);
    let events = owner.all("/v1/events");
    assert_eq!(events.len(), 6);
    assert!(events.iter().all(|event| event["origin"]["dialect"] == "capgo"));
    assert!(events[1]["actor"]["via"].as_str().unwrap().starts_with("key:"));
}

/// Key Modes: each as permissions for verify, and what its key may do here.
#[test]
fn modes_are_permissions() {
    let service = Service::start();
    let owner = service.client("owner");
    let mut transcript = String::new();
    for mode in ["read", "write", "upload", "all"] {
        let key = key(&make(&owner, mode));
        let codes = ["read", "write", "upload", "other"].map(|permission| {
            let line =
                format!(r#"POST /v1/keys/verify {{"key":"{key}","permission":"{permission}"}}"#);
            owner.send(&line).json()["valid"].to_string()
        });
        let list = with_key(&owner, &key, &format!("GET {KEYS}")).status;
        let line = format!(r#"POST {KEYS} {{"org_id":"acme","mode":"read"}}"#);
        let create = with_key(&owner, &key, &line).status;
        let delete = with_key(&owner, &key, &format!("DELETE {KEYS}999")).status;
        transcript +=
            &format!("{mode} {} list={list} create={create} delete={delete}\n", codes.join(" "));
    }
    expect![[r#"
        read true false false false list=200 create=403 delete=403
        write true true false false list=200 create=403 delete=403
        upload true true true false list=200 create=403 delete=403
        all true true true true list=200 create=200 delete=404
    "#]]
    .assert_eq(&transcript);
}

/// Error Handling; and everything else that goes wrong under the mount.
#[test]
fn errors_have_their_form() {
    let service = Service::start();
    let owner = service.client("owner");
    let other = service.client_of("other", "owner");
    let read = key(&make(&owner, "read"));
    let nobody = service.client_with(None);
    let mut transcript = shown(&make(&owner, "some"));
    transcript += &shown(&owner.send(&format!(r#"POST {KEYS} {{"org_id":"acme"}}"#)));
    transcript += &shown(&owner.send(&format!("DELETE {KEYS}ak_123/")));
    transcript += &shown(&owner.send(&format!("DELETE {KEYS}77/")));
    transcript += &shown(&other.send(&format!("DELETE {KEYS}{read}/")));
    transcript += &shown(&other.send(&format!("DELETE {KEYS}1/")));
    transcript += &shown(&with_key(&owner, &read, &format!("DELETE {KEYS}1/")));
    transcript += &shown(&other.send(&format!(r#"POST {KEYS} {{"org_id":"acme","mode":"read"}}"#)));
    transcript += &shown(&service.client("auditor").send(&format!("DELETE {KEYS}1/")));
    transcript += &shown(&nobody.send(&format!("GET {KEYS}")));
    transcript += &shown(&with_key(&owner, "ak_unknown", &format!("GET {KEYS}")));
    transcript += &shown(&owner.send(&format!(r#"POST {KEYS} {{"mode":"read"}}"#)));
    transcript += &shown(&owner.send(&format!("POST {KEYS} {{")));
    transcript += &shown(&owner.send(&format!("PUT {KEYS} {{}}")));
    transcript += &shown(&owner.send("GET /dialects/capgo/nothing"));
    expect![[r#"
        400 {"error":"Invalid mode specified. Must be one of: read, write, upload, all","status":"KO"}
        400 {"error":"Invalid mode specified. Must be one of: read, write, upload, all","status":"KO"}
        404 {"error":"API key not found","status":"KO"}
        404 {"error":"API key not found","status":"KO"}
        404 {"error":"API key not found","status":"KO"}
        404 {"error":"API key not found","status":"KO"}
        403 {"error":"Insufficient permissions to manage API keys","status":"KO"}
        403 {"error":"Insufficient permissions to manage API keys","status":"KO"}
        403 {"error":"Insufficient permissions to manage API keys","status":"KO"}
        401 {"error":"send an API key as authorization","status":"KO"}
        401 {"error":"the API key is not good","status":"KO"}
        400 {"error":"org_id: is missing","status":"KO"}
        400 {"error":"body: must be JSON","status":"KO"}
        405 {"error":"the route has other methods, see Allow","status":"KO"}
        404 {"error":"no such route, see /docs","status":"KO"}
    "#]].assert_eq(&transcript);
    assert_eq!(other.send(&format!("GET {KEYS}")).text, r#"{"data":[]}"#);
}

/// Contract: a long list is written page by page, and is one list all the same.
#[test]
fn a_long_list_is_whole() {
    let service = Service::start();
    let owner = service.client("owner");
    std::thread::scope(|threads| {
        for _ in 0..16 {
            threads.spawn(|| {
                for _ in 0..64 {
                    assert_eq!(make(&owner, "read").status, 200);
                }
            });
        }
    });
    let listed = owner.send(&format!("GET {KEYS}")).json();
    let ids = listed["data"].as_array().unwrap().iter().map(|key| key["id"].as_u64().unwrap());
    assert!(ids.eq(1..=1024));
}

/// What a client may send beside the examples.
const ODD: [&str; 24] = [
    "POST /dialects/capgo/apikey?org_id=acme&mode=read",
    r#"POST /dialects/capgo/apikey/?org_id=acme&mode=read {"mode":null}"#,
    r#"POST /dialects/capgo/apikey/?org_id=acme&mode=read {"mode":"all","org_id":null}"#,
    r#"POST /dialects/capgo/apikey/?org_id=other&mode=read {"org_id":"acme"}"#,
    r#"POST /dialects/capgo/apikey/?org_id=acme&mode=read {"org_id":"other"}"#,
    r#"POST /dialects/capgo/apikey/?org_id=acme&mode=read {"mode":""}"#,
    r#"POST /dialects/capgo/apikey/?org_id=acme {"mode":7}"#,
    r#"POST /dialects/capgo/apikey/?org_id=acme {"mode":["read"]}"#,
    "POST /dialects/capgo/apikey/?org_id=acme&mode=READ",
    "POST /dialects/capgo/apikey",
    r#"POST /dialects/capgo/apikey?mode=read {"org_id":7}"#,
    "POST /dialects/capgo/apikey?mode=read&org_id=",
    r#"POST /dialects/capgo/apikey?mode=read&org_id=acme {"name":""}"#,
    "POST /dialects/capgo/apikey null",
    "DELETE /dialects/capgo/apikey/0",
    "DELETE /dialects/capgo/apikey/-1",
    "DELETE /dialects/capgo/apikey/99999999999999999999999999",
    "DELETE /dialects/capgo/apikey/1.0",
    "DELETE /dialects/capgo/apikey/ak_00000000-0000-4000-8000-000000000000/",
    "DELETE /dialects/capgo/apikey/2?org_id=other",
    "DELETE /dialects/capgo/apikey/",
    "DELETE /dialects/capgo/apikey/2",
    "GET /dialects/capgo/apikey?org_id=acme",
    "GET /dialects/capgo/apikey?org_id=other",
];

/// Values of other types, nothing at all, what is not there: each step, its answer beneath it.
#[test]
fn what_is_sent_beside_the_examples() {
    let service = Service::start();
    let client = service.paying("acme", "ann", "admin", "enterprise");
    let transcript = exchanges(&client, &ODD);
    expect![[r#"
        POST /dialects/capgo/apikey?org_id=acme&mode=read
          200 {"apikey":{"id":1,"key":"ak_<36uuid>","mode":"read","name":"New API Key","created_at":"<seconds>","user_id":"ann"}}
        POST /dialects/capgo/apikey/?org_id=acme&mode=read {"mode":null}
          200 {"apikey":{"id":2,"key":"ak_<36uuid>","mode":"read","name":"New API Key","created_at":"<seconds>","user_id":"ann"}}
        POST /dialects/capgo/apikey/?org_id=acme&mode=read {"mode":"all","org_id":null}
          200 {"apikey":{"id":3,"key":"ak_<36uuid>","mode":"all","name":"New API Key","created_at":"<seconds>","user_id":"ann"}}
        POST /dialects/capgo/apikey/?org_id=other&mode=read {"org_id":"acme"}
          200 {"apikey":{"id":4,"key":"ak_<36uuid>","mode":"read","name":"New API Key","created_at":"<seconds>","user_id":"ann"}}
        POST /dialects/capgo/apikey/?org_id=acme&mode=read {"org_id":"other"}
          403 {"error":"Insufficient permissions to manage API keys","status":"KO"}
        POST /dialects/capgo/apikey/?org_id=acme&mode=read {"mode":""}
          400 {"error":"Invalid mode specified. Must be one of: read, write, upload, all","status":"KO"}
        POST /dialects/capgo/apikey/?org_id=acme {"mode":7}
          400 {"error":"Invalid mode specified. Must be one of: read, write, upload, all","status":"KO"}
        POST /dialects/capgo/apikey/?org_id=acme {"mode":["read"]}
          400 {"error":"Invalid mode specified. Must be one of: read, write, upload, all","status":"KO"}
        POST /dialects/capgo/apikey/?org_id=acme&mode=READ
          400 {"error":"Invalid mode specified. Must be one of: read, write, upload, all","status":"KO"}
        POST /dialects/capgo/apikey
          400 {"error":"Invalid mode specified. Must be one of: read, write, upload, all","status":"KO"}
        POST /dialects/capgo/apikey?mode=read {"org_id":7}
          400 {"error":"org_id: must be a string","status":"KO"}
        POST /dialects/capgo/apikey?mode=read&org_id=
          400 {"error":"org_id: must be between 1 and 100 characters","status":"KO"}
        POST /dialects/capgo/apikey?mode=read&org_id=acme {"name":""}
          400 {"error":"name: must be between 1 and 200 characters","status":"KO"}
        POST /dialects/capgo/apikey null
          400 {"error":"body: must be an object","status":"KO"}
        DELETE /dialects/capgo/apikey/0
          404 {"error":"API key not found","status":"KO"}
        DELETE /dialects/capgo/apikey/-1
          404 {"error":"API key not found","status":"KO"}
        DELETE /dialects/capgo/apikey/99999999999999999999999999
          404 {"error":"API key not found","status":"KO"}
        DELETE /dialects/capgo/apikey/1.0
          404 {"error":"API key not found","status":"KO"}
        DELETE /dialects/capgo/apikey/ak_00000000-0000-4000-8000-000000000000/
          404 {"error":"API key not found","status":"KO"}
        DELETE /dialects/capgo/apikey/2?org_id=other
          403 {"error":"Insufficient permissions to manage API keys","status":"KO"}
        DELETE /dialects/capgo/apikey/
          405 {"error":"the route has other methods, see Allow","status":"KO"}
        DELETE /dialects/capgo/apikey/2
          200 {"success":true}
        GET /dialects/capgo/apikey?org_id=acme
          200 {"data":[{"id":1,"key":"ak_<5>...","mode":"read","name":"New API Key","created_at":"<seconds>","updated_at":"<seconds>","user_id":"ann"},{"id":3,"key":"ak_<5>...","mode":"all","name":"New API Key","created_at":"<seconds>","updated_at":"<seconds>","user_id":"ann"},{"id":4,"key":"ak_<5>...","mode":"read","name":"New API Key","created_at":"<seconds>","updated_at":"<seconds>","user_id":"ann"}]}
        GET /dialects/capgo/apikey?org_id=other
          403 {"error":"Insufficient permissions to manage API keys","status":"KO"}
    "#]]
    .assert_eq(&transcript);
}

#[test]
fn keys_are_named_by_their_whole_text_in_their_own_organisation() {
    let service = Service::start();
    let client = service.client("owner");
    let keys = "/dialects/capgo/apikey";
    // A masked key names nothing; a key may withdraw itself, and is nobody from then on.
    let made = client.send(&format!("POST {keys}?org_id=acme&mode=all"));
    let key = text(&made, "/apikey/key");
    let masked = format!("{}...", &key[..8]);
    let by_key = |line: &str| client.send_with(line, &[("authorization", &key)]).status;
    assert_eq!(by_key(&format!("DELETE {keys}/{masked}")), 404);
    assert_eq!(by_key(&format!("DELETE {keys}/{key}")), 200);
    assert_eq!(by_key(&format!("GET {keys}")), 401);

    // One of all accounts says which one.
    let all = service.client("admin");
    assert_eq!(
        all.send(&format!("POST {keys} {{\"org_id\":\"third\",\"mode\":\"read\"}}")).status,
        200
    );
    assert_eq!(all.send(&format!("GET {keys}")).status, 400);
    assert_eq!(all.send(&format!("DELETE {keys}/1?org_id=third")).status, 200);
}
