//! Tokens of an issuer outside: which are believed, and what they can give at most.

use std::path::{Path, PathBuf};

use expect_test::expect;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::issuer::{IssuerKey, hs256, unsigned};
use crate::support::{Service, until, write_secret};

const SECRET: &str = "a secret of more than thirty-two bytes";

/// An issuer's files, which the options of the service name.
struct Issuer {
    folder: TempDir,
}

impl Issuer {
    fn new(keys: &[&IssuerKey]) -> Issuer {
        let issuer = Issuer { folder: tempfile::tempdir().unwrap() };
        issuer.publish(keys);
        write_secret(&issuer.secret(), SECRET);
        issuer
    }

    fn jwks(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// Puts another file in the place of the JWKS, as one that must never be seen half written.
    fn publish(&self, keys: &[&IssuerKey]) {
        let keys: Vec<_> = keys.iter().map(|key| &key.jwk).collect();
        self.write(&json!({ "keys": keys }).to_string());
    }

    fn write(&self, text: &str) {
        let aside = self.folder.path().join("aside");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(aside, self.jwks()).unwrap();
    }

    /// A service that reads `files`.
    fn believed(files: &[(&str, &Path)], more: &[&str]) -> Service {
        let mut options = vec!["--jwt-issuer", "https://id.test", "--jwt-audience", "keys"];
        for (option, file) in files {
            options.extend([*option, file.to_str().unwrap()]);
        }
        options.extend(more);
        Service::with(&options)
    }

    fn serve(&self, more: &[&str]) -> Service {
        Issuer::believed(&[("--jwks-file", &self.jwks())], more)
    }
}

fn claims(change: &Value) -> Value {
    let mut claims = json!({"iss": "https://id.test", "aud": ["other", "keys"], "sub": "ann",
        "account": "acme", "role": "owner", "exp": 4_000_000_000_u64, "jti": "t-1"});
    claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    claims
}

/// What comes of a token: a status, and the code of a refusal.
fn send(service: &Service, token: &str) -> String {
    service.client_with(Some(token)).status("GET /v1/keys")
}

#[test]
fn each_algorithm_of_the_file_is_believed() {
    let keys = IssuerKey::all();
    let issuer = Issuer::new(&keys.each_ref());
    let service = issuer.serve(&[]);
    for (seq, key) in keys.iter().enumerate() {
        let token = key.token(&claims(&json!({"jti": key.kid})));
        service.client_with(Some(&token)).create(r#"{"name":"k"}"#);
        let event = service.client("owner").send(&format!("GET /v1/events/{seq}")).json();
        assert_eq!(event["actor"]["subject"], "ann");
        assert_eq!(event["actor"]["via"], format!("token:https://id.test:{}", key.kid));
    }
    // A key that does not say its name is the only one of its algorithm.
    for key in &keys {
        let alg = format!("{:?}", key.algorithm);
        assert_eq!(send(&service, &key.signed(&json!({ "alg": alg }), &claims(&json!({})))), "200");
    }
}

#[test]
fn keys_come_and_go_with_the_file_while_it_is_served() {
    let [edwards, rsa, curve] = IssuerKey::all();
    let issuer = Issuer::new(&[&edwards]);
    let service = issuer.serve(&[]);
    let [of_edwards, of_rsa, of_curve] =
        [&edwards, &rsa, &curve].map(|key| key.token(&claims(&json!({}))));
    assert_eq!(send(&service, &of_edwards), "200");
    assert_eq!(send(&service, &of_rsa), "401 unauthenticated");

    // The file is looked at once a second: a token of a key that was taken out is refused from then
    // on, though it was believed a moment ago.
    issuer.publish(&[&rsa]);
    until("the new key is known", || send(&service, &of_rsa) == "200");
    assert_eq!(send(&service, &of_edwards), "401 unauthenticated");
    issuer.publish(&[&curve]);
    until("the old key is forgotten", || send(&service, &of_rsa) == "401 unauthenticated");
    assert_eq!(send(&service, &of_curve), "200");

    // An empty set is an empty set.
    issuer.publish(&[]);
    until("no key is left", || send(&service, &of_curve) == "401 unauthenticated");
    assert_eq!(service.client_with(None).send("GET /readyz").status, 200);
    issuer.publish(&[&curve]);
    until("the key is back", || send(&service, &of_curve) == "200");

    // A file that is no use leaves things as they are for a while; the next good one counts.
    issuer.write("{\"keys\":");
    assert_eq!(send(&service, &of_edwards), "401 unauthenticated");
    assert_eq!(send(&service, &of_curve), "200");
    issuer.publish(&[&curve, &edwards]);
    until("the second key is known", || send(&service, &of_edwards) == "200");
    assert_eq!(send(&service, &of_curve), "200");
}

/// What was opened with a token does not outlive the token's key.
#[test]
fn a_stream_ends_when_the_key_of_its_token_is_taken_out() {
    let [edwards, rsa, curve] = IssuerKey::all();
    let issuer = Issuer::new(&[&edwards, &rsa]);
    let service = issuer.serve(&[]);
    let stream = |key: &IssuerKey| {
        let token = key.token(&claims(&json!({})));
        service.client_with(Some(&token)).stream("/v1/events/stream", &[])
    };
    let (mut gone, mut stays) = (stream(&edwards), stream(&rsa));
    issuer.publish(&[&rsa, &curve]);
    // It ends, and the other one goes on.
    assert_eq!(gone.next_or_end(), None);
    service.client("owner").create(r#"{"name":"k"}"#);
    assert_eq!(stays.next()["type"], "created");
}

#[test]
fn without_its_file_an_issuer_is_believed_no_longer_than_the_grace() {
    let key = IssuerKey::eddsa();
    let issuer = Issuer::new(&[&key]);
    let service = issuer.serve(&["--jwks-grace", "1s"]);
    let token = key.token(&claims(&json!({})));
    assert_eq!(send(&service, &token), "200");
    std::fs::remove_file(issuer.jwks()).unwrap();
    until("the key is given up", || send(&service, &token) == "401 unauthenticated");
    let ready = service.client_with(None).send("GET /readyz");
    assert_eq!(ready.refusal(), (503, "not_ready".into()));
    assert!(ready.text.contains("JWKS"), "{}", ready.text);
    // Its own tokens are another matter.
    assert_eq!(service.client("owner").send("GET /v1/keys").status, 200);
    issuer.publish(&[&key]);
    until("the key is back", || send(&service, &token) == "200");
    assert_eq!(service.client_with(None).send("GET /readyz").status, 200);
    let (_, log) = service.stop();
    let warnings = log.lines().filter(|line| line.contains("cannot be used")).count();
    assert!((1..=2).contains(&warnings), "{log}");
}

/// RFC 8725 §2.1: a public key is no secret, and a token does not choose its algorithm.
#[test]
fn a_token_cannot_talk_its_way_into_another_algorithm() {
    let keys = IssuerKey::all();
    let issuer = Issuer::new(&keys.each_ref());
    let jwks_alone = issuer.serve(&[]);
    let both = [("--jwks-file", issuer.jwks()), ("--jwt-secret-file", issuer.secret())];
    let both = both.each_ref().map(|(option, file)| (*option, file.as_path()));
    let with_secret = Issuer::believed(&both, &[]);
    let payload = claims(&json!({}));
    let by_secret = hs256(&json!({"alg": "HS256"}), &payload, SECRET.as_bytes());
    assert_eq!(send(&with_secret, &by_secret), "200");
    assert_eq!(send(&jwks_alone, &by_secret), "401 unauthenticated");

    let mut forged = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES256", "EdDSA"] {
        for signature in ["", "AAAA"] {
            forged.push(format!("{}.{signature}", unsigned(&json!({ "alg": alg }), &payload)));
        }
    }
    let file = std::fs::read(issuer.jwks()).unwrap();
    for key in &keys {
        // Whatever a forger can see of the public key, as the secret of an HS256 token.
        let head = json!({"alg": "HS256", "kid": key.kid});
        let mut seen = vec![file.clone(), key.jwk.to_string().into_bytes(), Vec::new()];
        for part in ["x", "y", "n"] {
            let Some(text) = key.jwk[part].as_str() else { continue };
            seen.extend([text.as_bytes().to_vec(), base64(text)]);
        }
        seen.extend(pem(key));
        forged.extend(seen.iter().map(|secret| hs256(&head, &payload, secret)));
        // A good signature under the name or the algorithm of another key.
        for other in keys.iter().filter(|other| other.kid != key.kid) {
            let alg = format!("{:?}", other.algorithm);
            forged.push(key.signed(&json!({"alg": alg, "kid": other.kid}), &payload));
            forged.push(key.signed(&json!({"alg": alg, "kid": key.kid}), &payload));
            let own = format!("{:?}", key.algorithm);
            forged.push(key.signed(&json!({"alg": own, "kid": other.kid}), &payload));
        }
        // Its own key sent along, the secret's algorithm, and the service's own name.
        let strange = IssuerKey::stranger();
        forged.push(strange.signed(
            &json!({"alg": "EdDSA", "kid": key.kid, "jwk": strange.jwk, "jku": "file:///jwks"}),
            &payload,
        ));
        forged.push(key.token(&claims(&json!({"iss": "keyledger", "aud": "keyledger"}))));
    }
    for service in [&jwks_alone, &with_secret] {
        for token in &forged {
            assert_eq!(send(service, token), "401 unauthenticated", "{token}");
        }
        assert_eq!(service.client("owner").all("/v1/events").len(), 0);
    }
}

#[test]
fn issuer_audience_and_times_have_to_fit() {
    let key = IssuerKey::es256();
    let service = Issuer::new(&[&key]).serve(&[]);
    assert_eq!(send(&service, &key.token(&claims(&json!({"aud": "keys"})))), "200");
    for change in [
        json!({"iss": "https://evil.test"}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"account": "*"}),
        json!({"account": null}),
        json!({"account": ""}),
        json!({"sub": null}),
        json!({"exp": null}),
        json!({"exp": 1_700_000_000}),
        json!({"nbf": 3_999_999_999_u64}),
    ] {
        assert_eq!(send(&service, &key.token(&claims(&change))), "401 unauthenticated", "{change}");
    }
}

#[test]
fn an_issuer_gives_at_most_what_it_was_allowed() {
    let key = IssuerKey::rs256();
    let issuer = Issuer::new(&[&key]);
    let all = key.token(&claims(
        &json!({"role": ["owner", "verifier", "auditor", "worker", "admin", "user"]}),
    ));
    let mut table = String::new();
    for most in ["verifier", "auditor", "worker", "user", "owner", "admin"] {
        let service = issuer.serve(&["--jwt-max-role", most]);
        let client = service.client_with(Some(&all));
        let [read, make, verify, expire, digest] = [
            "GET /v1/keys",
            r#"POST /v1/keys {"name":"k"}"#,
            r#"POST /v1/keys/verify {"key":"k"}"#,
            "POST /v1/expirations",
            "GET /v1/table-digest",
        ]
        .map(|line| client.send(line).status);
        table += &format!(
            "{most:<8} read={read} make={make} verify={verify} expire={expire} digest={digest}\n"
        );
    }
    expect![[r#"
        verifier read=403 make=403 verify=200 expire=403 digest=403
        auditor  read=200 make=403 verify=403 expire=403 digest=403
        worker   read=403 make=403 verify=403 expire=200 digest=403
        user     read=200 make=201 verify=200 expire=403 digest=403
        owner    read=200 make=201 verify=200 expire=403 digest=403
        admin    read=200 make=201 verify=200 expire=200 digest=403
    "#]]
    .assert_eq(&table);

    let of_all = key.token(&claims(&json!({"account": "*", "role": "admin"})));
    let allowed = issuer.serve(&["--jwt-max-role", "admin", "--jwt-allow-all-accounts"]);
    let client = allowed.client_with(Some(&of_all));
    client.create(r#"{"name":"k","account":"acme"}"#);
    client.create(r#"{"name":"k","account":"other"}"#);
    assert_eq!(client.all("/v1/keys").len(), 2);
    assert_eq!(client.send("GET /v1/table-digest").status, 200);
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The key as `openssl` writes it, with and without the last line break (RFC 8410, RFC 5480).
fn pem(key: &IssuerKey) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let part = |name: &str| base64(key.jwk[name].as_str().unwrap());
    let der = match key.kid {
        "ed" => [hex::decode("302a300506032b6570032100").unwrap(), part("x")].concat(),
        "ec" => {
            let head = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
            [hex::decode(head).unwrap(), part("x"), part("y")].concat()
        }
        _ => {
            let head = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
            let tail = hex::decode("0203010001").unwrap();
            [hex::decode(head).unwrap(), part("n"), tail].concat()
        }
    };
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    vec![format!("{pem}\n").into_bytes(), pem.into_bytes()]
}

/// They need no id and no time of making, live as long as their issuer says, and are ended there.
#[test]
fn tokens_of_an_issuer_outside_are_not_those_that_are_ended_here() {
    let key = IssuerKey::eddsa();
    let service = Issuer::new(&[&key]).serve(&[]);
    let token = key.token(&claims(&json!({"jti": null})));
    let named = key.token(&claims(&json!({})));
    assert_eq!([send(&service, &token), send(&service, &named)], ["200", "200"]);
    let admin = service.client("admin");
    assert_eq!(admin.all("/v1/tokens?subject=ann"), Vec::<Value>::new());
    assert_eq!(admin.send("DELETE /v1/tokens/t-1").refusal(), (404, "token_not_found".into()));
    let ended = admin.send(r#"POST /v1/tokens/revoke {"subject":"ann"}"#);
    assert_eq!(ended.json()["ended"], 0, "{ended:?}");
    assert_eq!([send(&service, &token), send(&service, &named)], ["200", "200"]);
    // What they may, they may with the tokens of the service too.
    let outside = service.client_with(Some(&named));
    let made = outside.send(r#"POST /v1/tokens {"subject":"bob","role":"user","ttl_s":60}"#);
    assert_eq!(made.status, 201, "{made:?}");
    let more = outside.send(r#"POST /v1/tokens {"subject":"bob","role":"admin","ttl_s":60}"#);
    assert_eq!(more.refusal(), (403, "forbidden".into()));
}
