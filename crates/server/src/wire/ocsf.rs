//! Events in the words of the Open Cybersecurity Schema Framework, version 1.3.0: class 3004,
//! Entity Management. Collectors of security events read these as they are.
//!
//! Written out and not derived: most of a line is the same for every event, and an export has
//! millions of them.

use keys::{EventKind, Timestamp};
use serde::Serialize;

use super::event::Event;
use super::json::put_json;
use super::reminder::Reminder;
use super::text::{Id, Time};
use crate::wire::plain::{address, number, put};

/// An activity that the class has no number for.
const OTHER: u64 = 99;

/// The activity of an event.
fn activity(kind: EventKind) -> (u64, &'static str) {
    match kind {
        EventKind::Created => (1, "Create"),
        EventKind::Enabled => (8, "Enable"),
        EventKind::Disabled => (9, "Disable"),
        EventKind::Expired => (OTHER, "Expire"),
        EventKind::Revoked => (4, "Delete"),
        EventKind::Updated => (3, "Update"),
    }
}

/// Appends the event as a line. What has no place in the class is in `unmapped`.
pub(crate) fn ocsf(text: &mut Vec<u8>, kind: EventKind, event: &Event<'_>) {
    let (activity, name) = activity(kind);
    let Event { seq, actor, origin, .. } = event;
    begin(text, activity, name, event.recorded_at.0);
    number(text, *seq);
    put(text, ["\",\"sequence\":"]);
    number(text, *seq);
    put(text, [",\"tenant_uid\":"]);
    value(text, event.account);
    optional(text, ",\"correlation_uid\":", origin.request_id);
    text.extend_from_slice(b"},\"actor\":{\"user\":{\"uid\":");
    value(text, actor.subject);
    text.extend_from_slice(b"}},\"src_endpoint\":{");
    if let Some(ip) = &origin.ip {
        put(text, ["\"ip\":\""]);
        address(text, ip.0);
        put(text, ["\","]);
    }
    put(text, ["\"svc_name\":\"", origin.dialect, "\"},\"entity\":{\"type\":\"API key\",\"uid\":"]);
    value(text, &event.key_id);
    put(text, [",\"version\":\""]);
    number(text, event.revision.into());
    put(text, ["\"}"]);
    optional(text, ",\"comment\":", event.reason);
    text.extend_from_slice(b",\"unmapped\":{\"account\":");
    value(text, actor.account);
    text.extend_from_slice(b",\"roles\":");
    value(text, &actor.roles);
    text.extend_from_slice(b",\"via\":");
    value(text, &actor.via);
    text.extend_from_slice(b",\"node\":");
    value(text, origin.node);
    text.extend_from_slice(b",\"rules\":");
    value(text, &event.rules);
    text.extend_from_slice(b",\"reason_code\":");
    value(text, &event.reason_code);
    text.extend_from_slice(b",\"before\":");
    value(text, &event.before);
    put(text, [",\"after\":\"", event.after, "\"}}\n"]);
}

/// Appends a reminder, without the end of a line: nothing was done yet, and nobody did it.
pub(crate) fn ocsf_reminder(text: &mut Vec<u8>, reminder: &Reminder<'_>) {
    let Reminder { id, view, days, ends_at, now } = reminder;
    begin(text, OTHER, "Expiring", *now);
    put(text, [id, "\",\"tenant_uid\":"]);
    value(text, view.key.account.as_str());
    put(text, ["},\"entity\":{\"type\":\"API key\",\"uid\":"]);
    value(text, &Id(view.key.id));
    put(text, [",\"version\":\""]);
    number(text, view.state.revision.into());
    put(text, ["\"},\"unmapped\":{\"owner\":"]);
    value(text, view.key.owner.as_str());
    put(text, [",\"days\":"]);
    number(text, u64::from(*days));
    put(text, [",\"expires_at\":"]);
    value(text, &Time(*ends_at));
    put(text, ["}}"]);
}

/// Appends what every line begins with, up to what names it.
fn begin(text: &mut Vec<u8>, activity: u64, name: &str, at: Timestamp) {
    put(text, ["{\"activity_id\":"]);
    number(text, activity);
    put(
        text,
        [",\"activity_name\":\"", name, "\",\"category_uid\":3,\"class_uid\":3004,\"type_uid\":"],
    );
    number(text, 300_400 + activity);
    put(text, [",\"severity_id\":1,\"status_id\":1,\"time\":"]);
    value(text, &at.micros().div_euclid(1000));
    put(
        text,
        [",\"metadata\":{\"version\":\"1.3.0\",\"product\":{\"name\":\"keyledger\",\
             \"vendor_name\":\"keyledger\"},\"uid\":\""],
    );
}

/// A value as JSON.
fn value<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    put_json(text, value);
}

/// A field that is left out if there is nothing in it.
fn optional(text: &mut Vec<u8>, name: &str, field: Option<&str>) {
    if let Some(field) = field {
        text.extend_from_slice(name.as_bytes());
        value(text, field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_an_activity_of_its_own() {
        let ids: Vec<_> = EventKind::ALL.iter().map(|kind| activity(*kind).0).collect();
        assert_eq!(ids, [1, 8, 9, 99, 4, 3]);
    }
}
