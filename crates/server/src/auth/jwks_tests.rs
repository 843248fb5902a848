//! Keys that come and go: in the file, in memory, and in what is remembered of tokens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sources::UNKNOWN_KEY;
use super::tests::{
    NOW, at, claims, eddsa, jwks_file, outside, outside_key, own_key, payload, verdict,
};
use super::*;

const GOOD: &str = "bo Some(\"acme\")";
const GRACE: Duration = Duration::from_secs(600);

/// What believes the tokens of that file.
fn believing(file: &tempfile::NamedTempFile) -> Auth {
    let config = outside(Some(file.path().to_owned()), MaxRole::Owner);
    Auth::new(own_key(), Some(config)).unwrap()
}

fn write(file: &tempfile::NamedTempFile, keys: &[&Value]) {
    std::fs::write(file.path(), json!({ "keys": keys }).to_string()).unwrap();
}

fn token(seed: u8, kid: &str, alg: &str) -> String {
    eddsa(&json!({"alg": alg, "kid": kid}), &payload(), &outside_key(seed, kid).0)
}

#[test]
fn a_key_taken_out_of_the_file_is_out_at_the_next_look() {
    let (one, two) = (outside_key(1, "k1").1, outside_key(2, "k2").1);
    let file = jwks_file(std::slice::from_ref(&one));
    let auth = believing(&file);
    let (of_one, of_two) = (token(1, "k1", "EdDSA"), token(2, "k2", "EdDSA"));
    assert_eq!(verdict(&auth, &of_one), GOOD);
    assert_eq!(verdict(&auth, &of_two), UNKNOWN_KEY);
    write(&file, &[&two]);
    // Nothing is read for a request, whatever key it names.
    assert_eq!(verdict(&auth, &of_two), UNKNOWN_KEY);
    auth.look(Instant::now());
    assert_eq!(verdict(&auth, &of_one), UNKNOWN_KEY);
    assert_eq!(verdict(&auth, &of_two), GOOD);
    // An empty set is an empty set.
    write(&file, &[]);
    auth.look(Instant::now());
    assert_eq!(verdict(&auth, &of_two), UNKNOWN_KEY);
    assert_eq!(auth.unusable(), None);
}

/// A `ConfigMap` is renamed into its place: another file of the same length and time.
#[test]
fn a_change_is_seen_by_content() {
    let keys = [outside_key(1, "k1").1, outside_key(2, "k1").1];
    let file = jwks_file(&keys[..1]);
    let before = std::fs::metadata(file.path()).unwrap();
    let auth = believing(&file);
    write(&file, &[&keys[1]]);
    let changed = std::fs::File::options().write(true).open(file.path()).unwrap();
    changed.set_modified(before.modified().unwrap()).unwrap();
    assert_eq!(std::fs::metadata(file.path()).unwrap().len(), before.len());
    auth.look(Instant::now());
    assert_eq!(verdict(&auth, &token(2, "k1", "EdDSA")), GOOD);
    assert_eq!(verdict(&auth, &token(1, "k1", "EdDSA")), "the token's signature is wrong");
}

#[test]
fn a_file_that_is_no_use_leaves_its_keys_for_a_while_and_then_none() {
    let key = outside_key(1, "k1").1;
    let file = jwks_file(std::slice::from_ref(&key));
    let path = file.path().to_owned();
    let auth = believing(&file);
    let (start, of_key) = (Instant::now(), token(1, "k1", "EdDSA"));
    let remembered = auth.check(&of_key, at(NOW)).unwrap();
    let good = std::fs::read(&path).unwrap();
    let breaks: [&dyn Fn(); 4] = [
        &|| std::fs::remove_file(&path).unwrap(),
        &|| std::fs::write(&path, "").unwrap(),
        &|| std::fs::write(&path, &good[..good.len() / 2]).unwrap(),
        &|| std::fs::write(&path, "{\"other\":[]}").unwrap(),
    ];
    for (turn, breaks) in (1..).zip(breaks) {
        let start = start + GRACE * 4 * turn;
        auth.look(start);
        breaks();
        auth.look(start + GRACE / 2);
        assert_eq!(verdict(&auth, &of_key), GOOD, "{turn}");
        assert!(auth.is_accepted(&remembered), "{turn}");
        assert_eq!(auth.unusable(), None, "{turn}");
        auth.look(start + GRACE);
        assert_eq!(verdict(&auth, &of_key), UNKNOWN_KEY, "{turn}");
        assert!(!auth.is_accepted(&remembered), "{turn}");
        assert!(auth.unusable().unwrap().contains("JWKS"), "{turn}");
        // The same bytes are good again.
        std::fs::write(&path, &good).unwrap();
        auth.look(start + GRACE * 2);
        assert_eq!(verdict(&auth, &of_key), GOOD, "{turn}");
        assert!(auth.is_accepted(&remembered), "{turn}");
        assert_eq!(auth.unusable(), None, "{turn}");
    }
}

/// A verify that began with the old keys must not be remembered behind the change.
#[test]
fn a_token_checked_while_the_keys_change_does_not_live_on() {
    let keys = [outside_key(1, "k1").1, outside_key(2, "k2").1];
    let tokens = [token(1, "k1", "EdDSA"), token(2, "k2", "EdDSA")];
    let file = jwks_file(&keys[..1]);
    let auth = believing(&file);
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let (auth, tokens, over) = (&auth, &tokens, &over);
            threads.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let _ = auth.check(&tokens[thread % 2], at(NOW));
                }
            });
        }
        let mut wrong = 0;
        for turn in 0..300 {
            let (now, gone) = ((turn + 1) % 2, turn % 2);
            write(&file, &[&keys[now]]);
            auth.look(Instant::now());
            for _ in 0..20 {
                wrong += u32::from(auth.check(&tokens[gone], at(NOW)).is_ok());
                wrong += u32::from(auth.check(&tokens[now], at(NOW)).is_err());
            }
        }
        over.store(true, Ordering::Relaxed);
        assert_eq!(wrong, 0);
    });
}

#[test]
fn what_lasts_ends_with_its_key_and_not_with_another() {
    let keys = [outside_key(1, "k1").1, outside_key(2, "k2").1];
    let file = jwks_file(&keys);
    let auth = believing(&file);
    let check = |text: &str| auth.check(text, at(NOW)).unwrap();
    let of_file = [check(&token(1, "k1", "EdDSA")), check(&token(2, "k2", "EdDSA"))];
    let own = check(&mint(&own_key(), &claims()));
    let heard = auth.key_changes().unwrap();
    write(&file, &[&keys[1]]);
    auth.look(Instant::now());
    assert!(heard.has_changed().unwrap());
    assert_eq!(
        [&of_file[0], &of_file[1], &own].map(|token| auth.is_accepted(token)),
        [false, true, true]
    );
}

#[test]
fn two_keys_of_one_name_are_both_tried() {
    let keys = [outside_key(1, "k").1, outside_key(2, "k").1, outside_key(2, "k").1];
    let auth = believing(&jwks_file(&keys));
    for seed in [1, 2] {
        assert_eq!(verdict(&auth, &token(seed, "k", "EdDSA")), GOOD, "{seed}");
    }
    assert_eq!(verdict(&auth, &token(3, "k", "EdDSA")), "the token's signature is wrong");
    // Without a name it must be clear which is meant; the same key twice is one key.
    let unnamed = |seed| eddsa(&json!({"alg": "EdDSA"}), &payload(), &outside_key(seed, "k").0);
    assert_eq!(verdict(&auth, &unnamed(1)), UNKNOWN_KEY);
    assert_eq!(verdict(&believing(&jwks_file(&keys[1..])), &unnamed(2)), GOOD);
}

/// RFC 9864 §2.2.
#[test]
fn eddsa_over_ed25519_has_two_names() {
    for named in ["EdDSA", "Ed25519"] {
        let mut key = outside_key(1, "k1").1;
        key["alg"] = json!(named);
        let auth = believing(&jwks_file(&[key]));
        for alg in ["EdDSA", "Ed25519"] {
            assert_eq!(verdict(&auth, &token(1, "k1", alg)), GOOD, "{named} {alg}");
        }
    }
}

#[test]
fn a_key_that_is_not_used_says_why() {
    let good = outside_key(1, "k1").1;
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    for (key, words) in [
        (json!({"kty": "oct", "k": "AAAA"}), "symmetric"),
        (json!({"kty": "odd"}), "known type"),
        (json!("text"), "known type"),
        (with("x", json!("AAAA")), "Ed25519"),
        (with("use", json!("enc")), "use"),
        (with("key_ops", json!(["sign"])), "key_ops"),
        (with("alg", json!("HS256")), "alg"),
        (json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}), "P-256"),
        (json!({"kty": "RSA", "n": "AAAA", "e": "AQAB"}), "2048 bits"),
    ] {
        let why = jwk::public_key(key.clone()).err().unwrap();
        assert!(why.contains(words), "{key}: {why}");
    }
    assert!(jwk::public_key(with("key_ops", json!(["verify"]))).is_ok());
}
