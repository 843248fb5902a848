//! cloudsigma: each example and table of its document, and what the contract adds.

use expect_test::expect;

use super::support::{Client, Service, exchanges, shown, text};

const KEYS: &str = "/dialects/cloudsigma/v1/api-keys";

fn with_plan(service: &Service, subject: &str, plan: &str) -> Client {
    service.paying("acme", subject, "owner", plan)
}

/// Create Key, List Keys, Revoke Key: requests and responses.
#[test]
fn a_key_is_made_listed_and_revoked_as_in_the_examples() {
    let service = Service::start();
    let ann = with_plan(&service, "ann", "pro");
    let made = ann.send(&format!(r#"POST {KEYS} {{"name":"CI Pipeline"}}"#));
    let data = &made.json()["data"];
    let (key, prefix) = (data["key"].as_str().unwrap(), data["prefix"].as_str().unwrap());
    assert!(key.starts_with(prefix) && prefix.len() == 17);
    let mut transcript = shown(&made);
    transcript += &shown(&ann.send(&format!("GET {KEYS}/")));
    let verify = ann.send(&format!(r#"POST /v1/keys/verify {{"key":"{key}"}}"#)).json();
    assert_eq!((&verify["code"], &verify["remaining_today"]), (&"VALID".into(), &249.into()));
    transcript += &shown(&ann.send(&format!("GET {KEYS}")));
    transcript += &shown(&ann.send(&format!("DELETE {KEYS}/{prefix}")));
    transcript += &shown(&ann.send(&format!("DELETE {KEYS}/{prefix}/")));
    transcript += &shown(&ann.send(&format!("GET {KEYS}")));
    expect![[r#"
        201 {"success":true,"data":{"key":"csk_live_<32hex>","prefix":"csk_live_<8hex>","name":"CI Pipeline","createdAt":"<seconds>"}}
        200 {"success":true,"data":{"keys":[{"prefix":"csk_live_<8hex>","name":"CI Pipeline","createdAt":"<seconds>"}]}}
        200 {"success":true,"data":{"keys":[{"prefix":"csk_live_<8hex>","name":"CI Pipeline","createdAt":"<seconds>","lastUsedAt":"<seconds>"}]}}
        200 {"success":true,"data":{"message":"API key revoked"}}
        404 {"success":false,"error":{"code":"NotFound","message":"Key prefix not found"}}
        200 {"success":true,"data":{"keys":[]}}
    "#]].assert_eq(&transcript);
    let events = ann.all("/v1/events");
    assert!(events.iter().all(|event| event["origin"]["dialect"] == "cloudsigma"));
    assert_eq!(events.len(), 2);
}

/// Errors; and everything else that goes wrong under the mount.
#[test]
fn errors_have_their_form() {
    let service = Service::start();
    let ann = with_plan(&service, "ann", "team");
    let bob = with_plan(&service, "bob", "enterprise");
    let free = with_plan(&service, "cyd", "free");
    let made = ann.send(&format!(r#"POST {KEYS} {{"name":"a"}}"#)).json();
    let key = made["data"]["key"].as_str().unwrap();
    let prefix = made["data"]["prefix"].as_str().unwrap();
    let nobody = service.client_with(None);
    let by_key = service.client_with(Some(key));
    let steps: &[(&Client, &str)] = &[
        (&nobody, &format!("GET {KEYS}")),
        (&service.client_with(Some("no-token")), &format!("GET {KEYS}")),
        (&by_key, &format!("GET {KEYS}")),
        (&by_key, &format!(r#"POST {KEYS} {{"name":"a"}}"#)),
        (&by_key, &format!("DELETE {KEYS}/{prefix}")),
        (&free, &format!("GET {KEYS}")),
        (&free, &format!(r#"POST {KEYS} {{"name":"a"}}"#)),
        (&bob, &format!("DELETE {KEYS}/{prefix}")),
        (&ann, &format!("DELETE {KEYS}/csk_live_00000000")),
        (&ann, &format!("POST {KEYS} {{}}")),
        (&ann, &format!(r#"POST {KEYS} {{"name":""}}"#)),
        (&ann, &format!("POST {KEYS} {{")),
        (&ann, &format!("PUT {KEYS} {{}}")),
        (&ann, "GET /dialects/cloudsigma/nothing"),
    ];
    let mut transcript: String =
        steps.iter().map(|(client, step)| shown(&client.send(step))).collect();
    transcript += &shown(&nobody.send_with(&format!("GET {KEYS}"), &[("x-api-key", key)]));
    expect![[r#"
        401 {"success":false,"error":{"code":"Unauthorized","message":"Invalid or missing JWT token"}}
        401 {"success":false,"error":{"code":"Unauthorized","message":"Invalid or missing JWT token"}}
        403 {"success":false,"error":{"code":"Forbidden","message":"API key auth not allowed for key management"}}
        403 {"success":false,"error":{"code":"Forbidden","message":"API key auth not allowed for key management"}}
        403 {"success":false,"error":{"code":"Forbidden","message":"API key auth not allowed for key management"}}
        403 {"success":false,"error":{"code":"Forbidden","message":"API keys need the Pro tier or above"}}
        403 {"success":false,"error":{"code":"Forbidden","message":"API keys need the Pro tier or above"}}
        404 {"success":false,"error":{"code":"NotFound","message":"Key prefix not found"}}
        404 {"success":false,"error":{"code":"NotFound","message":"Key prefix not found"}}
        400 {"success":false,"error":{"code":"BadRequest","message":"name: is missing"}}
        400 {"success":false,"error":{"code":"BadRequest","message":"name: must be between 1 and 200 characters"}}
        400 {"success":false,"error":{"code":"BadRequest","message":"body: must be JSON"}}
        405 {"success":false,"error":{"code":"MethodNotAllowed","message":"the route has other methods, see Allow"}}
        404 {"success":false,"error":{"code":"NotFound","message":"no such route, see /docs"}}
        403 {"success":false,"error":{"code":"Forbidden","message":"API key auth not allowed for key management"}}
    "#]].assert_eq(&transcript);
    let listed = bob.send(&format!("GET {KEYS}")).json();
    assert_eq!(listed["data"]["keys"].as_array().unwrap().len(), 0);
}

/// Contract: a daily limit, as the ledger was configured; past it verify says so.
#[test]
fn the_daily_limit_is_the_configured_one() {
    let service = Service::with(&["--cloudsigma-daily-limit", "2"]);
    let ann = with_plan(&service, "ann", "pro");
    let made = ann.send(&format!(r#"POST {KEYS} {{"name":"a"}}"#)).json();
    let verify = format!(r#"POST /v1/keys/verify {{"key":{}}}"#, made["data"]["key"]);
    let codes: Vec<_> = (0..3).map(|_| ann.send(&verify).json()["code"].clone()).collect();
    assert_eq!(codes, ["VALID", "VALID", "USAGE_EXCEEDED"]);
}

/// Values of other types, nothing at all, what is not there: each step, its answer beneath it.
#[test]
fn what_is_sent_beside_the_examples() {
    let service = Service::start();
    let client = service.paying("acme", "ann", "admin", "enterprise");
    let keys = "/dialects/cloudsigma/v1/api-keys";
    let transcript = exchanges(
        &client,
        &[
            &format!("POST {keys} {{\"name\":null}}"),
            &format!("POST {keys} {{\"name\":1}}"),
            &format!("POST {keys} {{\"name\":\" \"}}"),
            &format!("POST {keys}"),
            &format!("POST {keys}/ {{\"name\":\"é 🔑\",\"scopes\":[]}}"),
            &format!("DELETE {keys}/"),
            &format!("DELETE {keys}/csk_live_"),
            &format!("DELETE {keys}/%2e%2e"),
            &format!("GET {keys}/csk_live_00000000"),
            &format!("GET {keys}?page=2"),
        ],
    );
    expect![[r#"
        POST /dialects/cloudsigma/v1/api-keys {"name":null}
          400 {"success":false,"error":{"code":"BadRequest","message":"name: must be a string"}}
        POST /dialects/cloudsigma/v1/api-keys {"name":1}
          400 {"success":false,"error":{"code":"BadRequest","message":"name: must be a string"}}
        POST /dialects/cloudsigma/v1/api-keys {"name":" "}
          400 {"success":false,"error":{"code":"BadRequest","message":"name: must not be blank"}}
        POST /dialects/cloudsigma/v1/api-keys
          400 {"success":false,"error":{"code":"BadRequest","message":"body: must be JSON"}}
        POST /dialects/cloudsigma/v1/api-keys/ {"name":"é 🔑","scopes":[]}
          201 {"success":true,"data":{"key":"csk_live_<32hex>","prefix":"csk_live_<8hex>","name":"é 🔑","createdAt":"<seconds>"}}
        DELETE /dialects/cloudsigma/v1/api-keys/
          405 {"success":false,"error":{"code":"MethodNotAllowed","message":"the route has other methods, see Allow"}}
        DELETE /dialects/cloudsigma/v1/api-keys/csk_live_
          404 {"success":false,"error":{"code":"NotFound","message":"Key prefix not found"}}
        DELETE /dialects/cloudsigma/v1/api-keys/%2e%2e
          404 {"success":false,"error":{"code":"NotFound","message":"Key prefix not found"}}
        GET /dialects/cloudsigma/v1/api-keys/csk_live_00000000
          405 {"success":false,"error":{"code":"MethodNotAllowed","message":"the route has other methods, see Allow"}}
        GET /dialects/cloudsigma/v1/api-keys?page=2
          200 {"success":true,"data":{"keys":[{"prefix":"csk_live_<8hex>","name":"é 🔑","createdAt":"<seconds>"}]}}
    "#]]
    .assert_eq(&transcript);
    let made = client.send(&format!(r#"POST {keys} {{"name":"a"}}"#));
    let (key, prefix) = (text(&made, "/data/key"), text(&made, "/data/prefix"));
    let nobody = service.client_with(None);
    let refused = |header: &str, value: &str| {
        nobody.send_with(&format!("GET {keys}"), &[(header, value)]).status
    };
    // A key in any header is a key as the caller; what is neither is no token.
    assert_eq!(refused("authorization", &format!("Bearer {key}")), 403);
    assert_eq!(refused("authorization", &key), 403);
    assert_eq!(refused("x-api-key", &key), 403);
    assert_eq!(refused("x-api-key", "something"), 401);
    assert_eq!(refused("authorization", "Basic YTpi"), 401);
    let token = format!("Bearer {}", client.token().unwrap());
    let both = [("authorization", token.as_str()), ("x-api-key", "something")];
    assert_eq!(nobody.send_with(&format!("GET {keys}"), &both).status, 200);

    // The whole key is no prefix; an expired key can still be revoked, once.
    assert_eq!(client.send(&format!("DELETE {keys}/{key}")).status, 404);
    let id = client.all("/v1/keys")[1]["id"].as_str().unwrap().to_owned();
    client.send(&format!("POST /v1/keys/{id}/expire"));
    assert_eq!(client.send(&format!("DELETE {keys}/{prefix}")).status, 200);
    assert_eq!(client.send(&format!("DELETE {keys}/{prefix}")).status, 404);
}
