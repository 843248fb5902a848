//! Parts of a log: nothing of what they are named after is missing, or both verifiers say so.

use crate::audit::{both, export, forged, live, verifier_key};
use crate::support::{Service, keyledger};

const FORGE_PARTS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/forge_parts.py");

#[test]
fn what_is_left_out_of_a_part_is_found() {
    let service = Service::start();
    live(&service);
    let key = verifier_key(&service);
    let whole = export(&service, "whole.tar", &[]);
    let part = export(&service, "part.tar", &["--account", "acme"]);
    let (out, list) = forged(&service, FORGE_PARTS, [&whole, &part]);
    assert!(list.lines().count() > 50, "{list}");
    for line in list.lines() {
        let (name, code) = line.rsplit_once(' ').unwrap();
        both(&out.join(name), &key, code.parse().unwrap());
    }
}

#[test]
fn the_verdict_says_which_part_it_is() {
    let service = Service::start();
    live(&service);
    let key = verifier_key(&service);
    let answer = service.client_of("*", "auditor").send("GET /v1/events?limit=100").json();
    let events = answer["items"].as_array().unwrap().iter();
    let times: Vec<_> = events.map(|event| event["recorded_at"].as_str().unwrap()).collect();
    let (first, from, to) = (times[0], times[4], times[8]);
    let account = export(&service, "account.tar", &["--account", "acme"]);
    for output in both(&account, &key, 0) {
        assert!(output.contains("account acme"), "{output}");
        assert!(output.contains("good, but partial") && output.contains("missing"), "{output}");
    }
    let span = export(&service, "span.tar", &["--from", from, "--to", to]);
    for output in both(&span, &key, 0) {
        assert!(output.contains(&format!("from {from}, to before {to}")), "{output}");
        assert!(
            output.lines().any(|line| line.split_whitespace().any(|word| word == "4")),
            "{output}"
        );
    }
    let both_of_them = ["--account", "acme", "--from", from, "--to", to];
    both(&export(&service, "both.tar", &both_of_them), &key, 0);
    // Nothing is shown by a part with nothing in it.
    let auditor = service.client_of("*", "auditor");
    for (query, status, code) in [
        ("account=nobody", 404, "nothing_recorded"),
        ("from=2100-01-01T00:00:00Z", 404, "nothing_recorded"),
        (&format!("to={first}"), 404, "nothing_recorded"),
        (&format!("account=acme&to={first}"), 404, "nothing_recorded"),
        (&format!("from={to}&to={from}"), 400, "invalid_request"),
        (&format!("from={to}&to={to}"), 400, "invalid_request"),
    ] {
        let answer = auditor.send(&format!("GET /v1/audit/bundle?{query}"));
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code)),
            "{query}"
        );
    }
    let stopped = service.stop().0;
    let out = account.with_file_name("again.tar");
    let again = keyledger(&["audit", "export", "--account", "acme", "--from", from, "--out"]);
    again.argument(&out).data(&stopped.data()).good();
    both(&out, &key, 0);
}

#[test]
fn an_account_may_have_more_keys_than_a_file_holds() {
    let service = Service::start();
    let key = verifier_key(&service);
    let (ours, theirs) = (service.client("owner"), service.client_of("umbrella", "owner"));
    for number in 0..260 {
        ours.create(&format!(r#"{{"name":"k{number}"}}"#));
        if number % 50 == 0 {
            theirs.create(r#"{"name":"theirs"}"#);
        }
    }
    let part = export(&service, "many.tar", &["--account", "acme"]);
    for output in both(&part, &key, 0) {
        assert!(output.contains("260"), "{output}");
    }
    let mut archive = tar::Archive::new(std::fs::File::open(&part).unwrap());
    let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
    let names: Vec<_> = names.filter(|name| name.starts_with("rows")).collect();
    assert_eq!(names, ["rows/000", "rows/001"].map(std::path::PathBuf::from));
}
