//! callcov: each example and table of its document, and what the contract adds.

use expect_test::expect;

use super::support::{Answer, Client, Service, exchanges, shown, text};

const KEYS: &str = "/dialects/callcov/api/v1/api-keys/";

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Example Request, Success Response, Response Fields, API Key Format.
#[test]
fn a_key_is_made_as_in_the_example() {
    let service = Service::start();
    let owner = service.client("owner");
    let body = r#"{"description":"Production API key for call analysis integration"}"#;
    let made = owner.send(&format!("POST {KEYS} {body}"));
    expect![[r#"
        201 {"id":"<id>","api_key":"sk_live_<48base62>","key_prefix":"sk_live_<6>","description":"Production API key for call analysis integration","created_at":"<seconds>"}
    "#]].assert_eq(&shown(&made));
    let made = made.json();
    let (key, prefix) = (made["api_key"].as_str().unwrap(), made["key_prefix"].as_str().unwrap());
    assert_eq!(&key[..14], prefix);

    // Unknown fields are ignored, the description is not required, and no slash is needed.
    let made = owner.send("POST /dialects/callcov/api/v1/api-keys {\"more\":1}");
    assert_eq!((made.status, &made.json()["description"]), (201, &serde_json::Value::Null));
}

/// Contract: the list, with and without ended keys; DELETE ends a key once.
#[test]
fn a_key_is_listed_and_ended() {
    let service = Service::start();
    let owner = service.client("owner");
    let made = owner.send(&format!(r#"POST {KEYS} {{"description":"a"}}"#));
    let path = format!("{KEYS}{}", id(&made));
    let mut transcript = shown(&owner.send(&format!("GET {KEYS}")));
    transcript += &shown(&owner.send(&format!("DELETE {path}")));
    transcript += &shown(&owner.send(&format!("DELETE {path}/")));
    transcript += &shown(&owner.send(&format!("DELETE {KEYS}no-id")));
    transcript += &shown(&owner.send(&format!("GET {KEYS}")));
    transcript += &shown(&owner.send(&format!("GET {KEYS}?include_expired=true")));
    expect![[r#"
        200 {"api_keys":[{"id":"<id>","key_prefix":"sk_live_<6>","description":"a","is_active":true,"last_used_at":null,"expires_at":null,"created_at":"<seconds>","updated_at":"<seconds>"}],"total":1}
        200 {"message":"API key expired successfully","success":true}
        404 {"detail":"API key not found"}
        404 {"detail":"API key not found"}
        200 {"api_keys":[],"total":0}
        200 {"api_keys":[{"id":"<id>","key_prefix":"sk_live_<6>","description":"a","is_active":false,"last_used_at":null,"expires_at":"<seconds>","created_at":"<seconds>","updated_at":"<seconds>"}],"total":1}
    "#]].assert_eq(&transcript);

    let events = owner.all("/v1/events");
    let last = events.iter().find(|event| event["type"] == "expired").unwrap();
    assert_eq!(last["actor"]["subject"], "owner-of-test");
    assert_eq!(last["origin"]["dialect"], "callcov");
    assert_eq!(last["data"]["due_at"], serde_json::Value::Null);
}

/// Limits: fifty at once leave ten; another user has ten of its own.
#[test]
fn fifty_creates_at_once_leave_ten_keys() {
    let service = Service::start();
    let owner = service.client("owner");
    let answers: Vec<Answer> = std::thread::scope(|threads| {
        let all: Vec<_> =
            (0..50).map(|_| threads.spawn(|| owner.send(&format!("POST {KEYS} {{}}")))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
    assert_eq!((made.len(), refused.len()), (10, 40));
    // Errors, 400.
    expect![[r#"
        400 {"detail":"Maximum number of API keys (10) reached. Please expire unused keys."}
    "#]]
    .assert_eq(&shown(refused[0]));
    assert_eq!(owner.send(&format!("GET {KEYS}")).json()["total"], 10);

    let bob = service.client_with(Some(&service.token_of("acme", "bob", "owner")));
    assert_eq!(bob.send(&format!("POST {KEYS} {{}}")).status, 201);
    assert_eq!(bob.send(&format!("GET {KEYS}")).json()["total"], 1);
    let path = format!("{KEYS}{}", id(made[0]));
    assert_eq!(bob.send(&format!("DELETE {path}")).status, 404);
    assert_eq!(owner.send(&format!("DELETE {path}")).status, 200);
    assert_eq!(owner.send(&format!("POST {KEYS} {{}}")).status, 201);
    // A rotation that leaves the old key alive counts too.
    let native = format!("POST /v1/keys/{}/rotate {{\"overlap_s\":60}}", id(made[1]));
    assert_eq!(owner.send(&native).refusal(), (409, "active_key_limit".to_owned()));
}

/// Errors, 401; JWT Only. And everything else that goes wrong under the mount.
#[test]
fn errors_have_their_form() {
    let service = Service::start();
    let owner = service.client("owner");
    let key =
        owner.send(&format!("POST {KEYS} {{}}")).json()["api_key"].as_str().unwrap().to_owned();
    let nobody = service.client_with(None);
    let by_key = service.client_with(Some(&key));
    let auditor = service.client("auditor");
    let long = format!(r#"POST {KEYS} {{"description":"{}"}}"#, "x".repeat(501));
    let large = format!(r#"POST {KEYS} {{"description":"{}"}}"#, "x".repeat(70_000));
    let steps: &[(&Client, &str)] = &[
        (&nobody, &format!("POST {KEYS} {{}}")),
        (&by_key, &format!("POST {KEYS} {{}}")),
        (&by_key, &format!("GET {KEYS}")),
        (&auditor, &format!("POST {KEYS} {{}}")),
        (&owner, &long),
        (&owner, &large),
        (&owner, &format!(r#"POST {KEYS} {{"description":1}}"#)),
        (&owner, &format!("POST {KEYS} {{")),
        (&owner, &format!("GET {KEYS}?include_expired=maybe")),
        (&owner, "PUT /dialects/callcov/api/v1/api-keys/ {}"),
        (&owner, "GET /dialects/callcov/nothing"),
    ];
    let transcript: String = steps.iter().map(|(client, step)| shown(&client.send(step))).collect();
    expect![[r#"
        401 {"detail":"Could not validate credentials"}
        401 {"detail":"Could not validate credentials"}
        401 {"detail":"Could not validate credentials"}
        403 {"detail":"the token's role does not allow this; it takes the role owner or admin or user"}
        422 {"detail":[{"type":"string_too_long","loc":["body","description"],"msg":"must be at most 500 characters"}]}
        413 {"detail":"the body may have 65536 bytes"}
        422 {"detail":[{"type":"string_type","loc":["body","description"],"msg":"must be a string"}]}
        422 {"detail":[{"type":"json_invalid","loc":["body"],"msg":"must be JSON"}]}
        422 {"detail":[{"type":"bool_parsing","loc":["query","include_expired"],"msg":"must be true or false"}]}
        405 {"detail":"Method Not Allowed"}
        404 {"detail":"Not Found"}
    "#]].assert_eq(&transcript);
    assert_eq!(auditor.send(&format!("GET {KEYS}")).status, 200);
}

/// Contract: at the root too, and there only its own routes speak its errors.
#[test]
fn at_the_root_too() {
    let service = Service::with(&["--root-dialect", "callcov"]);
    let owner = service.client("owner");
    assert_eq!(owner.send("POST /api/v1/api-keys {}").status, 201);
    assert_eq!(owner.send("GET /api/v1/api-keys/").json()["total"], 1);
    let nobody = service.client_with(None);
    let mut transcript = shown(&nobody.send("GET /api/v1/api-keys"));
    transcript += &shown(&owner.send("PUT /api/v1/api-keys {}"));
    expect![[r#"
        401 {"detail":"Could not validate credentials"}
        405 {"detail":"Method Not Allowed"}
    "#]]
    .assert_eq(&transcript);
    assert_eq!(nobody.send("GET /v1/keys").refusal(), (401, "unauthenticated".to_owned()));
    assert_eq!(owner.send("GET /nothing").refusal(), (404, "not_found".to_owned()));
}

/// Contract: the keys work with native verify until they are ended.
#[test]
fn native_verify_knows_them() {
    let service = Service::start();
    let owner = service.client("owner");
    let made = owner.send(&format!("POST {KEYS} {{}}"));
    let key = made.json()["api_key"].as_str().unwrap().to_owned();
    let verify = format!(r#"POST /v1/keys/verify {{"key":"{key}"}}"#);
    assert_eq!(owner.send(&verify).json()["code"], "VALID");
    assert!(owner.send(&format!("GET {KEYS}")).json()["api_keys"][0]["last_used_at"].is_string());
    owner.send(&format!("DELETE {KEYS}{}", id(&made)));
    assert_eq!(owner.send(&verify).json()["code"], "EXPIRED");
}

/// Values of other types, nothing at all, what is not there: each step, its answer beneath it.
#[test]
fn what_is_sent_beside_the_examples() {
    let service = Service::start();
    let client = service.paying("acme", "ann", "admin", "enterprise");
    let keys = "/dialects/callcov/api/v1/api-keys";
    let transcript = exchanges(
        &client,
        &[
            &format!("POST {keys}/"),
            &format!("POST {keys} {{\"description\":null}}"),
            &format!("POST {keys} {{\"description\":\"\"}}"),
            &format!("POST {keys} {{\"description\":\"line\\nline ü\"}}"),
            &format!("POST {keys} {{\"description\":[]}}"),
            &format!("POST {keys} {{\"description\":\"a\\u0000\"}}"),
            &format!("POST {keys} []"),
            &format!("POST {keys} null"),
            &format!("POST {keys}/ {{}}{{}}"),
            &format!("DELETE {keys}/00000000-0000-7000-8000-000000000000"),
            &format!("DELETE {keys}/%ff"),
            &format!("GET {keys}/00000000-0000-7000-8000-000000000000"),
            &format!("DELETE {keys}"),
            &format!("GET {keys}?include_expired="),
            &format!("GET {keys}?include_expired=true&include_expired=true"),
        ],
    );
    expect![[r#"
        POST /dialects/callcov/api/v1/api-keys/
          201 {"id":"<id>","api_key":"sk_live_<48base62>","key_prefix":"sk_live_<6>","description":null,"created_at":"<seconds>"}
        POST /dialects/callcov/api/v1/api-keys {"description":null}
          201 {"id":"<id>","api_key":"sk_live_<48base62>","key_prefix":"sk_live_<6>","description":null,"created_at":"<seconds>"}
        POST /dialects/callcov/api/v1/api-keys {"description":""}
          201 {"id":"<id>","api_key":"sk_live_<48base62>","key_prefix":"sk_live_<6>","description":"","created_at":"<seconds>"}
        POST /dialects/callcov/api/v1/api-keys {"description":"line\nline ü"}
          201 {"id":"<id>","api_key":"sk_live_<48base62>","key_prefix":"sk_live_<6>","description":"line\nline ü","created_at":"<seconds>"}
        POST /dialects/callcov/api/v1/api-keys {"description":[]}
          422 {"detail":[{"type":"string_type","loc":["body","description"],"msg":"must be a string"}]}
        POST /dialects/callcov/api/v1/api-keys {"description":"a\u0000"}
          422 {"detail":[{"type":"value_error","loc":["body","description"],"msg":"must not contain control characters"}]}
        POST /dialects/callcov/api/v1/api-keys []
          422 {"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"must be an object"}]}
        POST /dialects/callcov/api/v1/api-keys null
          422 {"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"must be an object"}]}
        POST /dialects/callcov/api/v1/api-keys/ {}{}
          422 {"detail":[{"type":"json_invalid","loc":["body"],"msg":"must be JSON"}]}
        DELETE /dialects/callcov/api/v1/api-keys/00000000-0000-7000-8000-000000000000
          404 {"detail":"API key not found"}
        DELETE /dialects/callcov/api/v1/api-keys/%ff
          404 {"detail":"API key not found"}
        GET /dialects/callcov/api/v1/api-keys/00000000-0000-7000-8000-000000000000
          405 {"detail":"Method Not Allowed"}
        DELETE /dialects/callcov/api/v1/api-keys
          405 {"detail":"Method Not Allowed"}
        GET /dialects/callcov/api/v1/api-keys?include_expired=
          422 {"detail":[{"type":"bool_parsing","loc":["query","include_expired"],"msg":"must be true or false"}]}
        GET /dialects/callcov/api/v1/api-keys?include_expired=true&include_expired=true
          422 {"detail":[{"type":"bool_parsing","loc":["query","include_expired"],"msg":"must be sent once"}]}
    "#]]
    .assert_eq(&transcript);
}

/// Contract: the ledger's name of a key, whose keys are listed, and a flag as clients of several
/// languages write it.
#[test]
fn a_description_names_the_key_and_a_flag_is_read() {
    let service = Service::start();
    let client = service.paying("acme", "ann", "owner", "free");
    let keys = "/dialects/callcov/api/v1/api-keys";
    for description in ["null", r#""""#, r#""line\nline ü""#, &format!("\"{}\"", "ü".repeat(500))]
    {
        let made = client.send(&format!(r#"POST {keys} {{"description":{description}}}"#));
        assert_eq!(made.status, 201);
    }
    let names: Vec<_> = client.all("/v1/keys").iter().map(|key| key["name"].to_string()).collect();
    assert!(names[0].starts_with("\"API key sk_live_") && names[1].starts_with("\"API key sk_"));
    assert_eq!(names[2], "\"line line ü\"");
    assert_eq!(names[3].chars().filter(|c| *c == 'ü').count(), 200);

    client.send(&format!("DELETE {keys}/{}", text(&client.send(&format!("POST {keys}")), "/id")));
    for (flag, total) in [("True", 5), ("1", 5), ("yes", 5), ("False", 4), ("0", 4), ("off", 4)] {
        let listed = client.send(&format!("GET {keys}?include_expired={flag}&more=1")).json();
        assert_eq!(listed["total"], total, "{flag}");
    }
    // Another user of the account, and the user of that name in another account.
    for stranger in [("acme", "bob"), ("other", "ann")] {
        let stranger = service.token_of(stranger.0, stranger.1, "owner");
        let stranger = service.client_with(Some(&stranger));
        assert_eq!(stranger.send(&format!("GET {keys}?include_expired=1")).json()["total"], 0);
        let id = client.all("/v1/keys")[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(stranger.send(&format!("DELETE {keys}/{id}")).status, 404);
    }
}
