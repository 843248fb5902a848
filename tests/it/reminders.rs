//! Webhooks: reminders of keys that fall due, 30, 7 and 1 days before.

use serde_json::{Value, json};

use crate::support::{Received, Receiver};
use crate::webhooks::{service, webhook};

const DAY: u64 = 86_400;
/// The row's moment comes so long after the key was made: after the webhook, which is made next.
const SOON: u64 = 10;

/// The name of each key, and how many days before it was reminded of.
fn reminders(messages: &[Received]) -> Vec<(String, Value)> {
    let name = |body: &Value| body["key"]["name"].as_str().unwrap().to_owned();
    let bodies = messages.iter().map(Received::json);
    let mut all: Vec<_> = bodies.map(|body| (name(&body), body["days"].clone())).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

#[test]
fn a_key_is_reminded_of_once_at_each_distance() {
    let (service, receiver) = (service(), Receiver::start());
    let owner = service.client("owner");
    let key =
        |name: &str, ttl_s: u64| owner.create(&json!({"name": name, "ttl_s": ttl_s}).to_string()).0;
    key("month", 30 * DAY + SOON);
    key("week", 7 * DAY + SOON);
    let of_day = key("day", DAY + SOON);
    let ended = key("ended", DAY + SOON);
    key("between", 3 * DAY);
    owner.create(r#"{"name":"eternal"}"#);
    service
        .client_of("other", "owner")
        .create(&json!({"name": "o", "ttl_s": DAY + SOON}).to_string());
    webhook(&owner, &receiver.url(), &["expiring"]);
    owner.send(&format!("POST /v1/keys/{ended}/revoke"));
    let messages = receiver.wait_for(3);
    let expected = [("day", 1), ("month", 30), ("week", 7)];
    let expected = expected.map(|(name, days)| (name.to_owned(), json!(days)));
    assert_eq!(reminders(&messages), expected);
    let of_day = messages.iter().find(|one| one.json()["key"]["id"] == of_day.as_str()).unwrap();
    let body = of_day.json();
    assert_eq!((&body["type"], &body["key"]["status"]), (&json!("expiring"), &json!("enabled")));
    assert_eq!(body["expires_at"], body["key"]["expires_at"]);
    assert!(body["key"].get("digest").is_none() && body.get("receipt").is_none());
    assert!(of_day.id().contains("_expiring_"), "{}", of_day.id());

    // What was sent does not come again, what fell due meanwhile is sent.
    key("later", DAY + SOON);
    let service = service.kill().start();
    let messages = receiver.wait_for(4);
    assert_eq!(messages[3].json()["key"]["name"], "later");
    let (stopped, log) = service.stop();
    assert_eq!(log, "");
    drop(stopped);
    let ids: std::collections::BTreeSet<_> =
        receiver.received().iter().map(|one| one.id().to_owned()).collect();
    assert_eq!((ids.len(), receiver.received().len()), (4, 4));
}
