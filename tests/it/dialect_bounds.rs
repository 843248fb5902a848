//! What would bound a key is kept or refused in every dialect, and no rule of a dialect can be gone
//! round by the native API.

use expect_test::expect_file;

use crate::support::{Client, Service, text};

/// Each dialect's way to make a key, without the brace at its end.
const MAKE: [(&str, &str, &str); 5] = [
    ("covosign", "api/v1/api-keys", r#"{"name":"k","environment":"SANDBOX""#),
    ("callcov", "api/v1/api-keys/", r#"{"description":"k""#),
    ("cloudsigma", "v1/api-keys", r#"{"name":"k""#),
    ("capgo", "apikey/", r#"{"org_id":"acme","mode":"read""#),
    ("composable", "api/v1/apikeys", r#"{"name":"k","role":"reader""#),
];

#[test]
fn what_would_bound_a_key_is_kept_or_refused() {
    let service = Service::start();
    let admin = service.paying("acme", "ann", "admin", "enterprise");
    let mut transcript = String::new();
    for (dialect, path, body) in MAKE {
        transcript += &format!("{dialect}\n");
        for bound in [
            r#""expires_at":"2099-01-01T00:00:00Z""#,
            r#""expiresAt":"2099-01-01T00:00:00Z""#,
            r#""expires_at":"2001-01-01T00:00:00Z""#,
            r#""expires_at":"""#,
            r#""dailyLimit":5,"allowed_ips":["10.0.0.0/8"]"#,
            r#""limited_to_orgs":["other"]"#,
            r#""limited_to_orgs":["acme"]"#,
            r#""limited_to_apps":["app"]"#,
            r#""ttl":60"#,
            r#""limited_to_apps":[],"rate_limit":null,"colour":"red""#,
        ] {
            let before = admin.all("/v1/keys").len();
            let answer = admin.send(&format!("POST /dialects/{dialect}/{path} {body},{bound}}}"));
            let keys = admin.all("/v1/keys");
            let made = match &keys[before..] {
                [key] => {
                    format!("{} {} {}", key["expires_at"], key["daily_limit"], key["allowed_ips"])
                }
                [] => answer.text,
                _ => panic!("{keys:?}"),
            };
            transcript += &format!("  {bound}\n    {} {made}\n", answer.status);
        }
    }
    expect_file!["dialect_bounds/bounds.txt"].assert_eq(&transcript);
}

/// The id of the key that was made last.
fn last(client: &Client) -> String {
    client.all("/v1/keys").last().unwrap()["id"].as_str().unwrap().to_owned()
}

/// An owner could rotate a reader's key of composable into an admin's.
#[test]
fn a_native_rotation_keeps_to_the_rules_of_the_dialect() {
    let service = Service::start();
    let admin = service.paying("acme", "ann", "admin", "enterprise");
    let owner = service.paying("acme", "ann", "owner", "free");
    let mut transcript = String::new();
    for (dialect, path, body) in MAKE {
        for body in match dialect {
            "covosign" => vec![body, r#"{"name":"k","environment":"PRODUCTION""#],
            "composable" => vec![body, r#"{"name":"k","role":"reader","type":"pk""#],
            _ => vec![body],
        } {
            transcript += &format!("{dialect} {body}\n");
            for (who, client) in [("owner", &owner), ("admin", &admin)] {
                for change in [
                    "{}",
                    r#"{"role":"admin"}"#,
                    r#"{"role":"upload"}"#,
                    r#"{"permissions":["*"]}"#,
                    r#"{"daily_limit":100000}"#,
                ] {
                    let made = admin.send(&format!("POST /dialects/{dialect}/{path} {body}}}"));
                    assert!(made.status < 300, "{made:?}");
                    let id = last(&admin);
                    let answer = client.send(&format!("POST /v1/keys/{id}/rotate {change}"));
                    let shown = if answer.status == 201 {
                        let key = &answer.json()["key"];
                        format!("{} {} {}", key["role"], key["permissions"], key["daily_limit"])
                    } else {
                        text(&answer, "/detail")
                    };
                    transcript += &format!("  {who} {change} {} {shown}\n", answer.status);
                    // Makes room for the next one.
                    admin.send(&format!("DELETE /v1/keys/{id}"));
                    admin.send(&format!("DELETE /v1/keys/{}", last(&admin)));
                }
            }
            admin.send(&format!("POST /dialects/{dialect}/{path} {body}}}"));
            let id = last(&admin);
            for what in ["disable", "enable", "disable", "expire"] {
                let status = owner.send(&format!("POST /v1/keys/{id}/{what}")).status;
                transcript += &format!("  owner {what} {status}\n");
            }
        }
    }
    expect_file!["dialect_bounds/rotations.txt"].assert_eq(&transcript);
}
