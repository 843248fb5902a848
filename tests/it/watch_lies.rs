//! What a service can do to hide from a tenant what happened to its keys, and what a watch says to it.

use std::sync::{Arc, Mutex};

use ledger::{Signing, account_text};
use serde_json::{Value, json};

use crate::audit::{copy, put_back};
use crate::support::{Liar, Service, keyledger};
use crate::watch::{Watch, alarms, kinds};

/// The scene of a lie: a service with a key, a watch that saw it, and what happened since.
struct Scene {
    service: Service,
    watch: Watch,
    liar: Liar,
    /// The key that was there first.
    key: String,
}

fn scene() -> Scene {
    let service = Service::start();
    let watch = Watch::of(&service);
    let liar = Liar::before(service.address());
    let (key, _) = service.client("owner").create(r#"{"name":"k"}"#);
    assert_eq!(watch.alarms(&liar.url(), &[]), Vec::<Value>::new());
    Scene { service, watch, liar, key }
}

/// Leaves out of a list what is so.
fn leave_out(list: &mut Value, is_so: impl Fn(&Value) -> bool) {
    if let Some(items) = list["items"].as_array_mut() {
        items.retain(|item| !is_so(item));
    }
}

const OWN: [&str; 2] = ["--by", "owner-of-test"];

/// What is done to an answer; the seqs are 0 for the key, 1 and 2 for what happened to it, 3 for another key.
type Lie = fn(&str, &mut Value);

/// The lies about single answers, and the verdict on each.
const LIES: &[(&str, Lie, i32, &[&str])] = &[
    ("nothing", |_, _| {}, 0, &[]),
    (
        "an event is left out of the list alone",
        |path, answer| {
            if path.starts_with("/v1/events?") {
                leave_out(answer, |event| event["seq"] == 2);
            }
        },
        0,
        &["missing"],
    ),
    (
        "an event between two others is not there",
        |path, answer| {
            if path.starts_with("/v1/events?") || path.starts_with("/v1/proofs/events") {
                leave_out(answer, |event| event["seq"] == 1);
            }
        },
        0,
        &["missing"],
    ),
    (
        "the last event of a key is not there",
        |path, answer| {
            if path.starts_with("/v1/events?") || path.starts_with("/v1/proofs/events") {
                leave_out(answer, |event| event["seq"] == 2);
            }
        },
        0,
        &["missing"],
    ),
    (
        "nor is the key's proof",
        |path, answer| {
            if path.starts_with("/v1/events?") || path.starts_with("/v1/proofs/events") {
                leave_out(answer, |event| event["seq"] == 2);
            } else if path.ends_with("/proof") {
                *answer = json!({});
            }
        },
        10,
        &["altered"],
    ),
    (
        "a new key is not there, but in the table",
        |path, answer| {
            if path.starts_with("/v1/events?") || path.starts_with("/v1/proofs/events") {
                leave_out(answer, |event| event["seq"] == 3);
            }
        },
        0,
        &["missing"],
    ),
    (
        "a key is gone",
        |path, answer| {
            if path.starts_with("/v1/proofs/rows") {
                answer["items"].as_array_mut().unwrap().remove(0);
            }
        },
        0,
        &["missing"],
    ),
    (
        "an event says something else",
        |path, answer| {
            if path.starts_with("/v1/events?") {
                answer["items"][1]["actor"]["subject"] = json!("owner-of-test");
                answer["items"][0]["reason"] = json!("another");
            } else if path == "/v1/events/1" {
                answer["reason"] = json!("another");
            }
        },
        10,
        &["altered"],
    ),
    (
        "there is an event that never was",
        |path, answer| {
            if path.starts_with("/v1/events?") && answer["items"][1].is_object() {
                let mut event = answer["items"][1].clone();
                event["seq"] = json!(0);
                answer["items"].as_array_mut().unwrap().insert(0, event);
            }
        },
        10,
        &["altered"],
    ),
    (
        "a record is another one",
        |path, answer| {
            if path.starts_with("/v1/proofs/events") && answer["items"][1].is_object() {
                answer["items"][1]["entry"] = answer["items"][0]["entry"].clone();
            }
        },
        10,
        &["altered"],
    ),
    (
        "the proofs are of a smaller tree",
        |path, answer| {
            if path.starts_with("/v1/proofs/events") {
                answer["size"] = json!(1);
                leave_out(answer, |_| true);
            }
        },
        10,
        &["altered"],
    ),
    (
        "the row of a key is another one's",
        |path, answer| {
            if path.starts_with("/v1/proofs/rows") {
                answer["items"][0]["row"] = answer["items"][1]["row"].clone();
            }
        },
        10,
        &["altered"],
    ),
];

#[test]
fn a_lie_has_its_verdict() {
    for (name, lie, code, found) in LIES {
        let Scene { service, watch, key, .. } = scene();
        let owner = service.client("owner");
        for change in ["disable", "enable"] {
            owner.send(&format!("POST /v1/keys/{key}/{change}"));
        }
        owner.create(r#"{"name":"another"}"#);
        // So that the table of keys is made anew at once.
        let service = service.restart();
        let liar = Liar::before(service.address());
        liar.changes_json(lie);
        let ended = watch.once(&liar.url(), &OWN);
        assert_eq!(ended.code, Some(*code), "{name}: {ended:?}");
        assert_eq!(kinds(&alarms(&ended)), *found, "{name}: {ended:?}");
        // Told once, and when it was no lie after all there is nothing more to tell.
        let again = watch.once(&liar.url(), &OWN);
        assert_eq!((again.code, alarms(&again)), (Some(*code), vec![]), "{name}: {again:?}");
    }
}

/// Leaves a key and its event, which is number 1, out of every list.
fn withhold(path: &str, answer: &mut Value, id: &str) {
    if path.starts_with("/v1/") {
        leave_out(answer, |item| item["key_id"] == id || item["seq"] == 1);
    }
}

/// Of the newest key nothing is shown anywhere. The log signed how many there are; where it signs a false number
/// too, its maker was told of it, and the next key has its number.
#[test]
fn a_key_that_is_withheld_is_missed() {
    let Scene { service, watch, liar, .. } = scene();
    let owner = service.client("owner");
    let made = owner.send(r#"POST /v1/keys {"name":"withheld"}"#);
    let id = made.json()["key"]["id"].as_str().unwrap().to_owned();
    let log =
        Signing::parse(&std::fs::read_to_string(service.data().join("log.key")).unwrap()).unwrap();
    let withheld = id.clone();
    liar.changes_json(move |path, answer| {
        withhold(path, answer, &withheld);
        if path.starts_with("/v1/proofs/events") {
            let text = account_text(log.origin(), 2, 1, &"acme".parse().unwrap());
            answer["account"] = log.sign(&text).unwrap().into();
        }
    });
    assert_eq!(watch.alarms(&liar.url(), &OWN), Vec::<Value>::new());
    watch.acknowledge(&made.text);
    let own = watch.alarms(&liar.url(), &OWN);
    liar.changes_json(move |path, answer| withhold(path, answer, &id));
    let counted = watch.alarms(&liar.url(), &OWN);
    owner.create(r#"{"name":"the next"}"#);
    let numbered = watch.alarms(&liar.url(), &OWN);
    for (found, words) in [
        (own, "you acknowledged revision 1"),
        (counted, "the account has 2 keys, and 1 were shown"),
        (numbered, "its key number 3"),
    ] {
        assert_eq!(kinds(&found), ["missing"], "{words}");
        assert!(found[0]["detail"].as_str().unwrap().contains(words), "{words}: {found:?}");
    }
    assert_eq!(watch.alarms(&liar.url(), &OWN), Vec::<Value>::new());
}

/// A service that says what it said before.
fn repeat(liar: &Liar, paths: &'static [&'static str]) {
    let answers: Arc<Mutex<std::collections::BTreeMap<String, (u16, String)>>> = Arc::default();
    liar.changes(move |path, status, body| {
        let place = path.split('?').next().unwrap();
        if !paths.contains(&place) {
            return (status, body);
        }
        answers.lock().unwrap().entry(place.to_owned()).or_insert((status, body)).clone()
    });
}

#[test]
fn an_old_answer_is_a_rollback_or_stale() {
    let Scene { service, watch, liar, .. } = scene();
    repeat(&liar, &["/log/checkpoint", "/log/heartbeat", "/v1/proofs/rows"]);
    assert_eq!(watch.alarms(&liar.url(), &[]), Vec::<Value>::new());
    service.client("owner").create(r#"{"name":"hidden"}"#);
    // Of itself it cannot be told from a log in which nothing happened, but by its age.
    assert_eq!(watch.alarms(&liar.url(), &[]), Vec::<Value>::new());
    let stale = watch.once(&liar.url(), &["--max-age", "0s"]);
    assert_eq!((stale.code, kinds(&alarms(&stale))), (Some(13), vec!["stale"]), "{stale:?}");
    // Who saw the true one is shown the old one.
    assert_eq!(kinds(&watch.alarms(&service.url(), &[])), ["unacknowledged"]);
    let rollback = watch.once(&liar.url(), &[]);
    let found = alarms(&rollback);
    assert_eq!((rollback.code, kinds(&found)), (Some(12), vec!["rollback"]), "{rollback:?}");
    let evidence = found[0]["evidence"][0].as_str().unwrap();
    assert_eq!(evidence.lines().nth(1), Some("2"), "{found:?}");
}

#[test]
fn a_fork_and_a_rollback_by_the_logs_own_key_end_a_watch() {
    let Scene { service, watch, .. } = scene();
    let (stopped, _) = service.stop();
    let original = stopped.data().with_file_name("original");
    copy(&stopped.data(), &original);
    let service = stopped.start();
    service.client("owner").create(r#"{"name":"two"}"#);
    assert_eq!(watch.alarms(&service.url(), &OWN), Vec::<Value>::new());
    let service = put_back(service.stop().0, &original);
    let rollback = watch.once(&service.url(), &OWN);
    assert_eq!((rollback.code, kinds(&alarms(&rollback))), (Some(12), vec!["rollback"]));
    service.client("owner").create(r#"{"name":"another two"}"#);
    let fork = watch.once(&service.url(), &OWN);
    let found = alarms(&fork);
    assert_eq!((fork.code, kinds(&found)), (Some(11), vec!["fork"]), "{fork:?}");
    assert_eq!(found[0]["evidence"].as_array().unwrap().len(), 2);
}

#[test]
fn a_rollback_that_is_on_record_is_an_alarm_too() {
    let Scene { service, watch, .. } = scene();
    let (stopped, _) = service.stop();
    let original = stopped.data().with_file_name("original");
    copy(&stopped.data(), &original);
    let service = stopped.start();
    service.client("owner").create(r#"{"name":"two"}"#);
    assert_eq!(watch.alarms(&service.url(), &OWN), Vec::<Value>::new());
    let (stopped, _) = service.stop();
    let guard = std::fs::read(stopped.data().join("guard")).unwrap();
    std::fs::remove_dir_all(stopped.data()).unwrap();
    copy(&original, &stopped.data());
    std::fs::write(stopped.data().join("guard"), guard).unwrap();
    let service = stopped.with("--accept-rollback").start();
    let ended = watch.once(&service.url(), &OWN);
    assert_eq!((ended.code, kinds(&alarms(&ended))), (Some(14), vec!["rolled_back"]), "{ended:?}");
}

#[test]
fn a_service_that_is_gone_is_told_after_a_while() {
    let Scene { service, watch, .. } = scene();
    let url = service.url();
    let _stopped = service.stop();
    let soon = watch.once(&url, &[]);
    assert_eq!((soon.code, alarms(&soon)), (Some(3), vec![]), "{soon:?}");
    let late = watch.once(&url, &["--max-age", "0s"]);
    assert_eq!((late.code, kinds(&alarms(&late))), (Some(13), vec!["unreachable"]), "{late:?}");
    // Another log than the one that was watched.
    let other = Service::start();
    let token = other.token("acme", "owner");
    let ended = watch.with_token(&token).once(&other.url(), &[]);
    assert_eq!((ended.code, kinds(&alarms(&ended))), (Some(10), vec!["altered"]), "{ended:?}");
    let first = keyledger(&["audit", "watch", "--account", "acme", "--once", "--url", &url]);
    let first = first.argument("--state").argument(other.folder().join("new"));
    first.env("KEYLEDGER_TOKEN", &token).run().says(3, &["cannot be reached"]);
}
