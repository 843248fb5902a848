//! Which tokens are believed, and what they give.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use keys::Subject;
use ledger::{Role, Scope, Via};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::sources::UNKNOWN_KEY;
use super::token::{Claims, Roles, TokenKey, mint};
use super::*;

pub(super) const NOW: i64 = 1_800_000_000;
const SECRET: &[u8] = b"a secret of thirty-two bytes or so";

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

pub(super) fn own_key() -> TokenKey {
    TokenKey::from_seed(&[7; 32])
}

pub(super) fn claims() -> Claims {
    Claims {
        sub: "ann".to_owned(),
        account: "acme".to_owned(),
        role: Roles::One("owner".to_owned()),
        plan: Some("team".to_owned()),
        iat: at(NOW),
        nbf: None,
        exp: NOW + 3600,
        jti: "t1".to_owned(),
    }
}

/// An Ed25519 key of an issuer outside, as signer and in a JWKS.
pub(super) fn outside_key(seed: u8, kid: &str) -> (ed25519_dalek::SigningKey, Value) {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    (key, json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x}))
}

pub(super) fn jwks_file(keys: &[Value]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({ "keys": keys }).to_string()).unwrap();
    file
}

pub(super) fn outside(jwks: Option<PathBuf>, max_role: MaxRole) -> Outside {
    Outside {
        issuer: "https://issuer.example".to_owned(),
        audience: "keys".to_owned(),
        secret: Some(SECRET.to_vec().into()),
        jwks,
        jwks_grace: Duration::from_secs(600),
        max_role,
        all_accounts: false,
    }
}

pub(super) fn payload() -> Value {
    json!({"iss": "https://issuer.example", "aud": ["other", "keys"], "sub": "bo",
           "account": "acme", "role": ["owner", "strange"], "exp": NOW + 60, "jti": "o1"})
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut payload = payload();
    for (name, value) in changes {
        payload[*name] = value.clone();
    }
    payload
}

fn message(header: &Value, payload: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(payload))
}

fn hs256(header: &Value, payload: &Value, secret: &[u8]) -> String {
    let message = message(header, payload);
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

pub(super) fn eddsa(header: &Value, payload: &Value, key: &ed25519_dalek::SigningKey) -> String {
    use ed25519_dalek::Signer as _;
    let message = message(header, payload);
    let signature = key.sign(message.as_bytes()).to_bytes();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub(super) fn verdict(auth: &Auth, token: &str) -> String {
    match auth.check(token, at(NOW)) {
        Ok(token) => format!("{} {:?}", token.identity.subject, token.identity.scope.account()),
        Err(error) => error.detail.into_owned(),
    }
}

#[test]
fn an_own_token_says_who_it_is() {
    let auth = Auth::new(own_key(), None).unwrap();
    let token = auth.check(&mint(&own_key(), &claims()), at(NOW)).unwrap();
    assert_eq!(token.identity.subject, Subject::new("ann").unwrap());
    assert_eq!(token.identity.scope.account().unwrap().as_str(), "acme");
    assert!(token.identity.roles.any(&[Role::Owner]));
    assert!(!token.identity.roles.any(&[Role::Admin, Role::Auditor]));
    assert_eq!(token.plan, Plan::Team);
    assert_eq!(token.expires_at, at(NOW + 3630));
    let via = Via::Token { issuer: "keyledger".into(), jti: Some("t1".into()) };
    assert_eq!(token.identity.via, via);

    let all = Claims { account: "*".to_owned(), jti: "t2".to_owned(), ..claims() };
    let all = auth.check(&mint(&own_key(), &all), at(NOW)).unwrap();
    assert_eq!(all.identity.scope, Scope::All);
    let forged = mint(&TokenKey::from_seed(&[8; 32]), &claims());
    assert_eq!(verdict(&auth, &forged), "the token's signature is wrong");
}

/// Each source has its algorithms; a token cannot talk it into another, nor into another's key.
#[test]
fn algorithms_are_pinned_to_their_source() {
    let (key, jwk) = outside_key(1, "k1");
    let file = jwks_file(std::slice::from_ref(&jwk));
    let config = outside(Some(file.path().to_owned()), MaxRole::Owner);
    let auth = Auth::new(own_key(), Some(config)).unwrap();
    let public = key.verifying_key().to_bytes();
    let own_public = own_key();
    let own_public = TokenVerifierBytes::of(&own_public);
    let head = |alg: &str| json!({"alg": alg, "kid": "k1"});
    let own = with(&[("iss", json!("keyledger"))]);
    let wrong = "the token's signature is wrong";
    let alg = "the token's algorithm is not accepted";
    let good = "bo Some(\"acme\")";
    let table = [
        ("EdDSA of the JWKS", eddsa(&head("EdDSA"), &payload(), &key), good),
        ("HS256 of the secret", hs256(&head("HS256"), &payload(), SECRET), good),
        ("none", format!("{}.", message(&head("none"), &payload())), alg),
        ("None", format!("{}.", message(&head("None"), &payload())), alg),
        ("none, own issuer", format!("{}.", message(&head("none"), &own)), wrong),
        ("HS256 with the JWKS key", hs256(&head("HS256"), &payload(), &public), wrong),
        ("HS256 with the own key", hs256(&head("HS256"), &own, &own_public), wrong),
        ("HS256 of the secret, own issuer", hs256(&head("HS256"), &own, SECRET), wrong),
        ("HS384", hs256(&head("HS384"), &payload(), SECRET), alg),
        ("EdDSA signed by HS256", hs256(&head("EdDSA"), &payload(), SECRET), wrong),
        ("EdDSA of the JWKS, own issuer", eddsa(&head("EdDSA"), &own, &key), wrong),
        ("RS256 naming an EdDSA key", eddsa(&head("RS256"), &payload(), &key), UNKNOWN_KEY),
        ("ES256 naming an EdDSA key", eddsa(&head("ES256"), &payload(), &key), UNKNOWN_KEY),
        (
            "a key that is not in the file",
            eddsa(&json!({"alg": "EdDSA", "kid": "k2"}), &payload(), &key),
            UNKNOWN_KEY,
        ),
        (
            "a key sent along",
            eddsa(
                &json!({"alg": "EdDSA", "kid": "k1", "jwk": jwk}),
                &payload(),
                &ed25519_dalek::SigningKey::from_bytes(&[9; 32]),
            ),
            wrong,
        ),
        (
            "extensions",
            eddsa(
                &json!({"alg": "EdDSA", "kid": "k1", "crit": ["b64"], "b64": false}),
                &payload(),
                &key,
            ),
            "the token has extensions that are not understood",
        ),
    ];
    for (what, token, want) in table {
        assert_eq!(verdict(&auth, &token), want, "{what}");
    }
}

/// RS256 and ES256, signed by another implementation, each by the key that its header names.
#[test]
fn tokens_of_the_other_algorithms_are_believed_as_others_sign_them() {
    let vectors: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let keys = vectors["jwks"]["keys"].as_array().unwrap();
    let file = jwks_file(keys);
    let of = |file: &tempfile::NamedTempFile| {
        let config = outside(Some(file.path().to_owned()), MaxRole::Owner);
        Auth::new(own_key(), Some(config)).unwrap()
    };
    let auth = of(&file);
    for (algorithm, kid, other) in [("RS256", 0, 1), ("ES256", 1, 0)] {
        let token = vectors[algorithm].as_str().unwrap();
        assert_eq!(verdict(&auth, token), "bo Some(\"acme\")", "{algorithm}");
        // Not one character of the claims may change, nor of the signature.
        let (message, signature) = token.rsplit_once('.').unwrap();
        let bent = message.replace("iJhY21l", "iJiY21l");
        assert_ne!(bent, message);
        let wrong = "the token's signature is wrong";
        assert_eq!(verdict(&auth, &format!("{bent}.{signature}")), wrong, "{algorithm}");
        let bent = signature.replacen(char::is_alphabetic, "-", 1);
        assert_eq!(verdict(&auth, &format!("{message}.{bent}")), wrong, "{algorithm}");
        let alone = jwks_file(&keys[other..=other]);
        assert_eq!(verdict(&of(&alone), token), UNKNOWN_KEY, "{algorithm}");
        let own = jwks_file(&keys[kid..=kid]);
        assert_eq!(verdict(&of(&own), token), "bo Some(\"acme\")", "{algorithm}");
    }
}

/// The bytes that a forger would take for a shared secret.
struct TokenVerifierBytes;

impl TokenVerifierBytes {
    fn of(_: &TokenKey) -> [u8; 32] {
        ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes()
    }
}

#[test]
fn claims_are_checked_after_the_signature() {
    let auth = Auth::new(own_key(), Some(outside(None, MaxRole::Owner))).unwrap();
    let head = json!({"alg": "HS256"});
    let table = [
        (vec![], "bo Some(\"acme\")"),
        (vec![("aud", json!("keys"))], "bo Some(\"acme\")"),
        (vec![("aud", json!("other"))], "the token is for another audience"),
        (vec![("aud", Value::Null)], "the token is for another audience"),
        (vec![("iss", json!("https://other.example"))], "the token's issuer is not known"),
        (vec![("iss", Value::Null)], "the token names no issuer"),
        (vec![("exp", Value::Null)], "the token has no exp"),
        (vec![("exp", json!(NOW - 30))], "the token has expired"),
        (vec![("exp", json!(NOW - 29))], "bo Some(\"acme\")"),
        (vec![("exp", json!(1.8e9 + 0.5))], "bo Some(\"acme\")"),
        (vec![("exp", json!(1e300))], "bo Some(\"acme\")"),
        (vec![("exp", json!("2030"))], "the token's exp must be a number of seconds"),
        (vec![("jti", json!(42))], "bo Some(\"acme\")"),
        (vec![("nbf", json!(NOW + 30))], "bo Some(\"acme\")"),
        (vec![("nbf", json!(NOW + 31))], "the token does not hold yet"),
        (
            vec![("sub", json!(""))],
            "the token's sub must be one line of 1 to 255 characters, none of them invisible",
        ),
        (vec![("account", Value::Null)], "the token has no account"),
        (vec![("account", json!("*"))], "the token's issuer may not name all accounts"),
        (vec![("jti", json!("x".repeat(201)))], "the token's jti is longer than 200 bytes"),
    ];
    for (changes, want) in table {
        let token = hs256(&head, &with(&changes), SECRET);
        assert_eq!(verdict(&auth, &token), want, "{changes:?}");
    }
    let long = "x".repeat(MAX_TOKEN + 1);
    assert_eq!(verdict(&auth, &long), "the token is longer than 8192 bytes");
}

#[test]
fn an_outside_issuer_gives_at_most_its_cap() {
    use Role::{Admin, Auditor, Owner, User, Verifier, Worker};
    let table: &[(MaxRole, &[Role])] = &[
        (MaxRole::Verifier, &[Verifier]),
        (MaxRole::Auditor, &[Auditor]),
        (MaxRole::Worker, &[Worker]),
        (MaxRole::User, &[User]),
        (MaxRole::Owner, &[Owner, Verifier, Auditor, User]),
        (MaxRole::Admin, &[Owner, Verifier, Auditor, Worker, Admin, User]),
    ];
    let roles = json!(["owner", "verifier", "auditor", "worker", "admin", "user", "key", "king"]);
    let token = hs256(&json!({"alg": "HS256"}), &with(&[("role", roles)]), SECRET);
    for (most, given) in table {
        let auth = Auth::new(own_key(), Some(outside(None, *most))).unwrap();
        let token = auth.check(&token, at(NOW)).unwrap();
        for role in [Owner, Verifier, Auditor, Worker, Admin, User, Role::Key] {
            assert_eq!(token.identity.roles.any(&[role]), given.contains(&role), "{most:?}");
        }
    }
}

#[test]
fn a_remembered_token_still_expires() {
    let auth = Auth::new(own_key(), None).unwrap();
    let token = mint(&own_key(), &claims());
    assert!(auth.check(&token, at(NOW)).is_ok());
    assert!(auth.check(&token, at(NOW + 3629)).is_ok());
    assert!(auth.check(&token, at(NOW + 3630)).is_err());
    assert!(auth.check(&token, at(NOW + 3630)).is_err());
}

#[test]
fn unusable_keys_and_settings_are_refused_at_the_start() {
    let start = |outside| Auth::new(own_key(), Some(outside)).map(drop);
    let base = || outside(None, MaxRole::Owner);
    assert!(start(base()).is_ok());
    assert!(start(Outside { secret: Some(vec![1; 31].into()), ..base() }).is_err());
    assert!(start(Outside { issuer: String::new(), ..base() }).is_err());
    assert!(start(Outside { audience: String::new(), ..base() }).is_err());
    assert!(start(Outside { issuer: "keyledger".to_owned(), ..base() }).is_err());
    assert!(start(Outside { jwks: Some("/nonexistent/jwks".into()), ..base() }).is_err());
    let (_, good) = outside_key(1, "k1");
    for unusable in [
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "AAAA"}),
        json!({"kty": "oct", "kid": "k1", "k": "AAAA"}),
        json!({"kty": "RSA", "kid": "k1", "n": "AAAA", "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-256", "kid": "k1", "x": "AAAA", "y": "AAAA"}),
        {
            let mut key = good.clone();
            key["use"] = json!("enc");
            key
        },
        {
            let mut key = good.clone();
            key["alg"] = json!("HS256");
            key
        },
    ] {
        let file = jwks_file(std::slice::from_ref(&unusable));
        let config = Outside { jwks: Some(file.path().to_owned()), ..base() };
        assert!(start(config).is_err(), "{unusable}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_token_or_refused(text in "[A-Za-z0-9_.-]{0,80}|\\PC{0,40}") {
        let auth = Auth::new(own_key(), Some(outside(None, MaxRole::Owner))).unwrap();
        prop_assert!(auth.check(&text, at(NOW)).is_err());
    }

    /// Signed as it must be, and saying anything at all: believed is only what says enough.
    #[test]
    fn any_claims_are_believed_or_refused(said in proptest::collection::vec(0_usize..40, 7)) {
        let auth = Auth::new(own_key(), Some(outside(None, MaxRole::Owner))).unwrap();
        let odd = [
            json!(null), json!(true), json!(-1), json!(1.5e300), json!(""), json!("*"), json!([]),
            json!({}), json!(["keys", 7]), json!("a\u{0}b"),
        ];
        let names = ["iss", "aud", "sub", "account", "exp", "nbf", "role"];
        let mut claims = payload();
        for (name, choice) in names.iter().zip(&said) {
            // Three of four leave the claim as it is.
            if let Some(value) = odd.get(*choice) {
                claims[*name] = value.clone();
            }
        }
        let token = hs256(&json!({"alg": "HS256"}), &claims, SECRET);
        let good = |at: usize, others: &[usize]| said[at] >= odd.len() || others.contains(&said[at]);
        // Without nbf it holds at once; 1.5e300 is a time, long from now; a role may be missing, or
        // be none that is known.
        let expected = good(0, &[]) && good(1, &[]) && good(2, &[5]) && good(3, &[])
            && good(4, &[3]) && good(5, &[0, 2]) && good(6, &[0, 4, 5, 6, 9]);
        prop_assert_eq!(auth.check(&token, at(NOW)).is_ok(), expected, "{}", claims);
    }

    #[test]
    fn a_changed_token_is_refused(place in 0_usize..400, byte in "[A-Za-z0-9_-]") {
        let auth = Auth::new(own_key(), None).unwrap();
        let good = mint(&own_key(), &claims());
        let place = place % good.len();
        let mut bad = good.clone();
        bad.replace_range(place..=place, &byte);
        prop_assert_eq!(auth.check(&bad, at(NOW)).is_ok(), bad == good);
    }
}
