//! The file with the rules of accounts: at a start, while it changes, and before it is used.

use std::path::Path;

use expect_test::expect;
use serde_json::json;

use crate::support::{RULES, RulesFile, Service, keyledger, until};

#[test]
fn a_key_with_its_accounts_prefix_verifies_whatever_the_file_says_later() {
    let file = RulesFile::new(RULES);
    let service = file.serve();
    let (owner, verifier) = (service.client("owner"), service.client("verifier"));
    let code = |secret: &str| {
        let line = format!(r#"POST /v1/keys/verify {{"key":"{secret}"}}"#);
        verifier.send(&line).json()["code"].as_str().unwrap().to_owned()
    };
    let mut secrets = Vec::new();
    for (body, beginning) in [
        (r#"{"name":"a","ttl_s":600}"#, "acme_live_"),
        (r#"{"name":"a","ttl_s":600,"environment":"sandbox"}"#, "acme_sandbox_"),
        (r#"{"name":"a","ttl_s":600,"kind":"public"}"#, "acme_pub_"),
    ] {
        let made = owner.send(&format!("POST /v1/keys {body}")).json();
        let secret = made["secret"].as_str().unwrap().to_owned();
        assert!(secret.starts_with(beginning) && secret.len() == beginning.len() + 32, "{made}");
        let prefix = made["key"]["prefix"].as_str().unwrap();
        assert_eq!(prefix, &secret[..beginning.len() + 6]);
        secrets.push(secret);
    }
    let all_verify = || secrets.iter().all(|secret| code(secret) == "VALID");
    assert!(all_verify());
    // It is a key wherever one is looked for.
    let bearer = service.client_with(Some(&secrets[0]));
    assert_eq!(bearer.status("GET /v1/keys"), "403 keys_cannot_manage_keys");
    let named = format!(r#"POST /v1/keys {{"name":"{}","ttl_s":60}}"#, secrets[0]);
    assert_eq!(owner.send(&named).refusal(), (400, "invalid_request".to_owned()));
    let gateway = verifier.send_with(
        "GET /v1/authorize",
        &[
            ("x-keyledger-token", verifier.token().unwrap()),
            ("authorization", &format!("Bearer {}", secrets[0])),
        ],
    );
    assert_eq!(gateway.status, 200, "{gateway:?}");
    let mistyped = format!("{}x", &secrets[0][..secrets[0].len() - 1]);
    assert_eq!(code(&mistyped), "NOT_FOUND");

    file.write("[acme]\nsecret_prefix = \"other\"\n");
    let made = || owner.send(r#"POST /v1/keys {"name":"b"}"#).json()["secret"].to_string();
    until("the new prefix counts", || made().starts_with("\"other_live_"));
    assert!(all_verify());
    file.write("");
    until("there is no prefix any more", || made().starts_with("\"kl_live_"));
    assert!(all_verify());
    let service = service.restart();
    let verifier = service.client("verifier");
    let line = format!(r#"POST /v1/keys/verify {{"key":"{}"}}"#, secrets[0]);
    assert_eq!(verifier.send(&line).json()["code"], "VALID");
}

fn metric(service: &Service, name: &str) -> String {
    let page = service.client_with(None).send("GET /metrics").text;
    let line = page.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_broken_file_leaves_the_rules_of_before_and_is_reported() {
    let file = RulesFile::new("[\"*\"]\nmax_active_keys = 1\n");
    let service = file.serve();
    let anonymous = service.client_with(None);
    let ready = || anonymous.send("GET /readyz").json();
    let (valid, reloads) = ("keyledger_accounts_file_valid", "keyledger_accounts_file_reloads");
    assert_eq!(ready(), json!({"status": "ready"}));
    assert_eq!((metric(&service, valid), metric(&service, reloads)), ("1".into(), "0".into()));
    let owner = service.client("owner");
    owner.create(r#"{"name":"a"}"#);
    let full = || owner.status(r#"POST /v1/keys {"name":"b"}"#) == "409 active_key_limit";
    assert!(full());

    let is_broken = || metric(&service, valid) == "0";
    file.write("[\"*\"]\nmax_active_key = 9\n");
    until("the broken file is noticed", is_broken);
    assert!(full());
    assert_eq!(ready()["status"], "ready");
    assert!(ready()["warnings"][0].as_str().unwrap().contains("rules of accounts"));
    file.write("[\"*\"]\nmax_active_keys = 1 # as before\n");
    until("the file is in order", || metric(&service, valid) == "1");
    assert!(full());
    std::fs::remove_file(file.path()).unwrap();
    until("the missing file is noticed", is_broken);
    assert!(full());
    file.write("[\"*\"]\nmax_active_keys = 2\n");
    until("there is more room", || owner.status(r#"POST /v1/keys {"name":"b"}"#) == "201");
    assert_eq!(ready(), json!({"status": "ready"}));
    assert_eq!((metric(&service, valid), metric(&service, reloads)), ("1".into(), "2".into()));
    assert_eq!(metric(&service, "keyledger_accounts_file_entries"), "1");
    let (_, log) = service.stop();
    assert!(log.contains("line 2, column 1: unknown field"), "{log}");
    assert!(log.contains("No such file"), "{log}");
}

#[test]
fn a_service_does_not_start_with_a_broken_file_and_changes_nothing() {
    let file = RulesFile::new("[acme]\nmax_ttl = \"forever\"\n");
    let data = file.folder.path().join("data");
    let serve = |path: &Path| {
        let program = keyledger(&["serve", "--listen", "127.0.0.1:0", "--log-level", "error"]);
        program.data(&data).argument("--accounts").argument(path).run()
    };
    serve(&file.path()).says(1, &["--accounts", "accounts.toml", "line 2, column 11", "forever"]);
    serve(Path::new("/nowhere.toml")).says(1, &["--accounts", "/nowhere.toml"]);
    assert!(!data.exists());
}

#[test]
fn a_file_is_checked_before_the_service_reads_it() {
    let file = RulesFile::new(RULES);
    let check = |more: &[&str]| keyledger(&["accounts", "check"]).with(more).argument(file.path());
    expect![[r#"
        ACCOUNT  MAX TTL  MUST END  MAX ACTIVE KEYS  PREFIX  PERMISSIONS               ROLES
        acme     1h       yes       4                acme    orders.*,read,users.read  clerk=orders.read,orders.write reader=orders.read
        *        -        yes       -                -       orders.*,read             -
        every other account has the rules of `*`
    "#]].assert_eq(&check(&[]).good());
    let rules: serde_json::Value = serde_json::from_str(&check(&["--json"]).good()).unwrap();
    assert_eq!(rules["accounts"]["acme"]["roles"]["reader"], json!(["orders.read"]));
    assert_eq!(rules["accounts"]["*"]["max_active_keys"], json!(null));
    file.write("[acme]\n\nmax_keys = 3\n");
    check(&[]).run().says(1, &["accounts.toml: line 3, column 1", "max_keys", "max_active_keys"]);
}
