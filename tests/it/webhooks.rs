//! Webhooks: what is recorded arrives, in order, signed, at least once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::auth::hmac_sha256;
use crate::support::{Answers, Client, Received, Receiver, Service, until};

/// A service whose webhooks may go to this machine.
pub(crate) fn service() -> Service {
    Service::with(&["--webhook-allow", "127.0.0.0/8"])
}

/// Makes a webhook. Its id and its secret.
pub(crate) fn webhook(client: &Client, url: &str, events: &[&str]) -> (String, String) {
    let body = json!({"url": url, "events": events});
    let answer = client.send(&format!("POST /v1/webhooks {body}"));
    assert_eq!(answer.status, 201, "{answer:?}");
    let json = answer.json();
    let id = json["webhook"]["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), Some(&*format!("/v1/webhooks/{id}")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    (id, json["secret"].as_str().unwrap().to_owned())
}

pub(crate) fn shown(client: &Client, id: &str) -> Value {
    let answer = client.send(&format!("GET /v1/webhooks/{id}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn deliveries(client: &Client, id: &str) -> Vec<Value> {
    let answer = client.send(&format!("GET /v1/webhooks/{id}/deliveries"));
    answer.json()["items"].as_array().unwrap().clone()
}

pub(crate) fn is_idle(client: &Client, id: &str) -> bool {
    shown(client, id)["is_idle"] == true
}

fn seqs(messages: &[Received]) -> Vec<u64> {
    messages.iter().map(|one| one.json()["seq"].as_u64().unwrap()).collect()
}

const ALL: &[&str] = &["created", "enabled", "disabled", "expired", "revoked"];

#[test]
fn events_arrive_in_order_with_their_receipts() {
    let (service, receiver) = (service(), Receiver::start());
    let owner = service.client("owner");
    owner.create(r#"{"name":"before"}"#);
    let (id, secret) = webhook(&owner, &receiver.url(), &["created", "revoked"]);
    let (key, _) = owner.create(r#"{"name":"k"}"#);
    service.client_of("other", "owner").create(r#"{"name":"of another account"}"#);
    owner.send(&format!("POST /v1/keys/{key}/disable"));
    owner.send(&format!(r#"POST /v1/keys/{key}/revoke {{"reason":"line\u2028break"}}"#));
    owner.create(r#"{"name":"k"}"#);
    let messages = receiver.wait_for(3);
    assert_eq!(seqs(&messages), [1, 4, 5]);
    let public = owner.send("GET /log/keys/webhooks").text;
    for (one, seq) in messages.iter().zip([1, 4, 5]) {
        let mut body = one.json();
        let receipt = body.as_object_mut().unwrap().remove("receipt").unwrap();
        let receipt = receipt.as_str().unwrap();
        assert!(
            receipt.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {seq}\n")),
            "{receipt}"
        );
        let event = owner.send(&format!("GET /v1/events/{seq}"));
        assert_eq!(body, event.json());
        // The same bytes, and then the receipt.
        let event = event.text.trim_end().strip_suffix('}').unwrap().to_owned();
        assert!(one.body.starts_with(&(event + ",\"receipt\":\"")), "{}", one.body);
        assert_eq!(one.body.lines().count(), 1);
        is_signed(one, &secret, &public);
        let (origin, place) = one.id().split_once('_').unwrap();
        assert_eq!((origin.len(), place), (16, &*seq.to_string()));
        assert_eq!(one.headers["content-type"], "application/json");
    }
    until("everything was delivered", || is_idle(&owner, &id));
    let status = shown(&owner, &id);
    assert_eq!((&status["status"], &status["next_seq"]), (&json!("active"), &json!(6)));
    let attempts = deliveries(&owner, &id);
    let attempts: Vec<_> = attempts.iter().map(|one| [&one["seq"], &one["outcome"]]).collect();
    let expected = [5, 4, 1].map(|seq| [json!(seq), json!("delivered")]);
    assert_eq!(attempts, expected.each_ref().map(<[Value; 2]>::each_ref));
    let metrics = owner.send("GET /metrics").text;
    for line in [
        "keyledger_webhooks 1\n",
        "keyledger_webhooks_failing 0\n",
        "keyledger_webhook_lag_records 0\n",
        "keyledger_webhook_deliveries_total{outcome=\"delivered\"} 3\n",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

/// Both signatures are over id, time and body (Standard Webhooks).
fn is_signed(one: &Received, secret: &str, public: &str) {
    let signed = format!("{}.{}.{}", one.id(), one.headers["webhook-timestamp"], one.body);
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mac = STANDARD.encode(hmac_sha256(&key, signed.as_bytes()));
    let (first, second) = one.headers["webhook-signature"].split_once(' ').unwrap();
    assert_eq!(first, format!("v1,{mac}"));
    let public = public.lines().next().unwrap().strip_prefix("whpk_").unwrap();
    let public = STANDARD.decode(public).unwrap();
    let public = ed25519_dalek::VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
    let signature = STANDARD.decode(second.strip_prefix("v1a,").unwrap()).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    public.verify_strict(signed.as_bytes(), &signature).unwrap();
}

/// Whatever the receiver does wrong, the message comes again, the same, until it is taken; and the
/// next one not before it.
#[test]
fn what_is_not_taken_comes_again() {
    let service = service();
    let owner = service.client("owner");
    let elsewhere = Receiver::start();
    let table = [
        (Answers::With(500), "rejected", json!(500)),
        (Answers::With(404), "rejected", json!(404)),
        (Answers::Redirect(elsewhere.url()), "rejected", json!(307)),
        (Answers::HalfOfIt, "cut_off", json!(null)),
        (Answers::Closed, "cut_off", json!(null)),
        (Answers::Never, "timed_out", json!(null)),
        (Answers::Drops, "timed_out", json!(null)),
    ];
    let table = table.map(|(answers, outcome, status)| {
        let receiver = Receiver::that(answers);
        let (id, _) = webhook(&owner, &receiver.url(), ALL);
        (receiver, id, outcome, status)
    });
    let (key, _) = owner.create(r#"{"name":"k"}"#);
    owner.send(&format!("POST /v1/keys/{key}/disable"));
    for (receiver, id, outcome, status) in &table {
        until("an attempt failed", || !deliveries(&owner, id).is_empty());
        let shown = shown(&owner, id);
        assert_eq!(shown["status"], "retrying", "{outcome}: {shown}");
        assert_eq!(shown["next_seq"], 0);
        assert!(shown["failing_since"].is_string() && shown["retry_at"].is_string());
        let attempts = deliveries(&owner, id);
        let attempt = attempts.last().unwrap();
        assert_eq!((&attempt["outcome"], &attempt["status"]), (&json!(outcome), status));
        assert_eq!((&attempt["attempt"], &attempt["seq"]), (&json!(1), &json!(0)));
        receiver.answers(Answers::With(200));
        let messages = receiver
            .wait("the second event", |all| all.last().is_some_and(|last| last.json()["seq"] == 1));
        let mut seqs = seqs(&messages);
        assert!(seqs.is_sorted(), "{outcome}: {seqs:?}");
        seqs.dedup();
        assert_eq!(seqs, [0, 1], "{outcome}");
        let again: Vec<_> = messages.iter().filter(|one| one.id().ends_with("_0")).collect();
        assert!(again.len() >= 2, "{outcome}");
        // All but the checkpoint of the receipt, which may be a later one.
        let id = again[0].id();
        assert!(again.iter().all(|one| one.id() == id && one.json()["seq"] == 0));
    }
    for (_, id, _, _) in &table {
        until("it is active again", || shown(&owner, id)["status"] == "active");
    }
    assert!(elsewhere.received().is_empty(), "a redirect was followed");
}

/// What waits for its receiver is in the log alone: each attempt sends what that says then.
#[test]
fn who_was_erased_between_two_attempts_is_not_sent() {
    let (service, receiver) = (service(), Receiver::that(Answers::With(500)));
    let admin = service.client("admin");
    let (id, _) = webhook(&admin, &receiver.url(), ALL);
    admin.create(r#"{"name":"Annabel's laptop","account":"acme","owner":"annabel"}"#);
    until("an attempt failed", || !deliveries(&admin, &id).is_empty());
    assert!(receiver.wait_for(1)[0].body.contains("Annabel"));
    assert_eq!(admin.send("POST /v1/subjects/annabel/erase {}").status, 200);
    let before = receiver.received().len();
    receiver.answers(Answers::With(200));
    let messages = receiver.wait("an attempt after that", |all| all.len() > before);
    let last = messages.last().unwrap();
    assert_eq!((last.id(), &last.json()["seq"]), (messages[0].id(), &json!(0)));
    assert!(!last.body.to_lowercase().contains("annabel"), "{}", last.body);
}

/// More than is read of an answer is no failure.
#[test]
fn an_endless_answer_is_an_answer() {
    let (service, receiver) = (service(), Receiver::that(Answers::Flood));
    let owner = service.client("owner");
    let (id, _) = webhook(&owner, &receiver.url(), ALL);
    owner.create(r#"{"name":"k"}"#);
    owner.create(r#"{"name":"k"}"#);
    assert_eq!(seqs(&receiver.wait_for(2)), [0, 1]);
    until("it is idle", || is_idle(&owner, &id));
    assert_eq!(shown(&owner, &id)["status"], "active");
}

/// The receiver is not there, and then it is; another one is there all the time.
#[test]
fn a_receiver_that_is_down_delays_no_other_and_no_change() {
    let (service, receiver) = (service(), Receiver::start());
    let owner = service.client("owner");
    let nobody = crate::support::gateway::free_address();
    let (down, _) = webhook(&owner, &format!("http://{nobody}/hook"), ALL);
    let hanging = Receiver::that(Answers::Never);
    webhook(&owner, &hanging.url(), ALL);
    webhook(&owner, &receiver.url(), ALL);
    for _ in 0..50 {
        owner.create(r#"{"name":"k"}"#);
    }
    assert_eq!(seqs(&receiver.wait_for(50)), (0..50).collect::<Vec<_>>());
    until("an attempt failed", || !deliveries(&owner, &down).is_empty());
    assert_eq!(deliveries(&owner, &down).last().unwrap()["outcome"], "unreachable");
    assert!(owner.send("GET /metrics").text.contains("keyledger_webhook_lag_records 50\n"));
    let late = Receiver::on(nobody, Answers::With(204));
    assert_eq!(seqs(&late.wait_for(50)), (0..50).collect::<Vec<_>>());
}

/// The place survives a kill: what was delivered before does not come again, and nothing is left out.
#[test]
fn a_killed_service_goes_on_where_it_was() {
    let (service, receiver) = (service(), Receiver::start());
    let owner = service.client("owner");
    let (id, secret) = webhook(&owner, &receiver.url(), ALL);
    for _ in 0..3 {
        owner.create(r#"{"name":"k"}"#);
    }
    receiver.wait_for(3);
    receiver.answers(Answers::With(503));
    owner.create(r#"{"name":"k"}"#);
    until("it was refused", || shown(&owner, &id)["failures"] != 0);
    let service = service.kill().start();
    let owner = service.client("owner");
    let again = shown(&owner, &id);
    assert_eq!((&again["status"], &again["next_seq"]), (&json!("retrying"), &json!(3)));
    assert!(deliveries(&owner, &id).len() >= 4);
    owner.create(r#"{"name":"k"}"#);
    receiver.answers(Answers::With(204));
    let messages = receiver
        .wait("the last event", |all| all.last().is_some_and(|last| last.json()["seq"] == 4));
    let mut seqs = seqs(&messages);
    assert_eq!(seqs.iter().filter(|seq| **seq < 3).count(), 3, "{seqs:?}");
    seqs.dedup();
    assert_eq!(seqs, [0, 1, 2, 3, 4]);
    let public = owner.send("GET /log/keys/webhooks").text;
    is_signed(messages.last().unwrap(), &secret, &public);
    let (stopped, _) = service.stop();
    stopped.is_in_order();
}

#[test]
fn a_replay_goes_back_and_starts_again() {
    let (service, receiver) = (service(), Receiver::that(Answers::With(410)));
    let owner = service.client("owner");
    let (id, _) = webhook(&owner, &receiver.url(), ALL);
    for _ in 0..3 {
        owner.create(r#"{"name":"k"}"#);
    }
    until("it was given up", || shown(&owner, &id)["status"] == "failing");
    let status = shown(&owner, &id);
    assert_eq!((&status["failures"], &status["retry_at"]), (&json!(1), &Value::Null));
    assert_eq!(status["last_delivery"]["outcome"], "gone");
    assert!(owner.send("GET /metrics").text.contains("keyledger_webhooks_failing 1\n"));
    // It stays so over a restart, and nothing is sent.
    let (stopped, log) = service.stop();
    assert!(log.contains("a receiver is failing") && log.contains(&id), "{log}");
    assert!(!log.contains("whsec_") && !log.contains("/hook"), "{log}");
    let service = stopped.start();
    let owner = service.client("owner");
    assert_eq!(shown(&owner, &id)["status"], "failing");
    assert_eq!(receiver.received().len(), 1);
    receiver.answers(Answers::With(204));
    let replay = |after: &str| owner.send(&format!("POST /v1/webhooks/{id}/replay{after}"));
    // Where it is shown to be is where it was then: it goes on at once.
    assert_eq!(replay("?after=0").status, 200);
    assert_eq!(seqs(&receiver.wait_for(3)), [0, 1, 2]);
    assert_eq!(replay("").status, 200);
    assert_eq!(seqs(&receiver.wait_for(6)), [0, 1, 2, 0, 1, 2]);
    until("it is idle", || is_idle(&owner, &id));
    assert_eq!(replay("?after=2").status, 200);
    assert_eq!(replay("?after=3").refusal(), (400, "invalid_request".into()));
    assert_eq!(shown(&owner, &id)["next_seq"], 3);
}

#[test]
fn a_receiver_is_given_up_after_the_time_for_it() {
    let receiver = Receiver::that(Answers::With(500));
    let options = ["--webhook-allow", "127.0.0.0/8", "--webhook-give-up", "2s"];
    let service = Service::with(&options);
    let owner = service.client("owner");
    let (id, _) = webhook(&owner, &receiver.url(), ALL);
    owner.create(r#"{"name":"k"}"#);
    until("it was given up", || shown(&owner, &id)["status"] == "failing");
    assert!(shown(&owner, &id)["failures"].as_u64().unwrap() >= 2);
}

/// A name is judged by the addresses it has, when it is connected to.
#[test]
fn a_name_of_this_machine_is_not_connected_to() {
    let receiver = Receiver::start();
    let service = Service::start();
    let owner = service.client("owner");
    let url = format!("https://localhost:{}/hook", receiver.port());
    let (id, _) = webhook(&owner, &url, ALL);
    let (unknown, _) = webhook(&owner, "https://hooks.invalid/", ALL);
    owner.create(r#"{"name":"k"}"#);
    for (id, outcome) in [(&id, "not_allowed"), (&unknown, "unresolved")] {
        until("an attempt failed", || !deliveries(&owner, id).is_empty());
        assert_eq!(deliveries(&owner, id)[0]["outcome"], outcome);
    }
    for address in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[fe80::1]",
        "[fd00::1]",
        "100.64.0.1",
        "224.0.0.1",
    ] {
        let body = json!({"url": format!("https://{address}/"), "events": ["created"]});
        let refused = owner.send(&format!("POST /v1/webhooks {body}"));
        assert_eq!(refused.refusal(), (400, "invalid_request".into()), "{address}");
        assert_eq!(refused.field().as_deref(), Some("url"), "{address}");
    }
    assert!(receiver.received().is_empty());
}
