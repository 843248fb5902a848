//! Events in the words of the Open Cybersecurity Schema Framework, version 1.3.0: class 3004,
//! Entity Management. Collectors of security events read these as they are.

use keys::EventKind;
use serde::Serialize;

use super::event::ViaText;
use super::{Event, Text};

/// An event as OCSF has it. What has no place in the class is in `unmapped`.
#[derive(Serialize)]
pub(crate) struct Ocsf<'a> {
    activity_id: u32,
    activity_name: &'static str,
    category_uid: u32,
    class_uid: u32,
    type_uid: u32,
    severity_id: u32,
    status_id: u32,
    /// Milliseconds since 1970.
    time: i64,
    metadata: Metadata<'a>,
    actor: Actor<'a>,
    src_endpoint: Endpoint,
    entity: Entity,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    unmapped: Unmapped<'a>,
}

const CATEGORY: u32 = 3;
const CLASS: u32 = 3004;

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    product: Product,
    uid: Text<u64>,
    sequence: u64,
    tenant_uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_uid: Option<&'a str>,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
}

#[derive(Serialize)]
struct Actor<'a> {
    user: User<'a>,
}

#[derive(Serialize)]
struct User<'a> {
    uid: &'a str,
}

#[derive(Serialize)]
struct Endpoint {
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<Text<std::net::IpAddr>>,
    svc_name: &'static str,
}

#[derive(Serialize)]
struct Entity {
    r#type: &'static str,
    uid: Text<keys::KeyId>,
    version: Text<u32>,
}

#[derive(Serialize)]
struct Unmapped<'a> {
    account: &'a str,
    via: ViaText<'a>,
    reason_code: Option<&'static str>,
    before: Option<&'static str>,
    after: &'static str,
}

/// The activity of an event: 99 is one that the class has no number for.
fn activity(kind: EventKind) -> (u32, &'static str) {
    match kind {
        EventKind::Created => (1, "Create"),
        EventKind::Enabled => (8, "Enable"),
        EventKind::Disabled => (9, "Disable"),
        EventKind::Expired => (99, "Expire"),
        EventKind::Revoked => (4, "Delete"),
    }
}

impl<'a> Ocsf<'a> {
    pub(crate) fn new(kind: EventKind, event: Event<'a>) -> Ocsf<'a> {
        let (activity_id, activity_name) = activity(kind);
        Ocsf {
            activity_id,
            activity_name,
            category_uid: CATEGORY,
            class_uid: CLASS,
            type_uid: CLASS * 100 + activity_id,
            severity_id: 1,
            status_id: 1,
            time: event.recorded_at.0.micros().div_euclid(1000),
            metadata: Metadata {
                version: "1.3.0",
                product: Product { name: "keyledger", vendor_name: "keyledger" },
                uid: Text(event.seq),
                sequence: event.seq,
                tenant_uid: event.account,
                correlation_uid: event.origin.request_id,
            },
            actor: Actor { user: User { uid: event.actor.subject } },
            src_endpoint: Endpoint { ip: event.origin.ip, svc_name: event.origin.dialect },
            entity: Entity { r#type: "API key", uid: event.key_id, version: Text(event.revision) },
            comment: event.reason,
            unmapped: Unmapped {
                account: event.actor.account,
                via: event.actor.via,
                reason_code: event.reason_code,
                before: event.before,
                after: event.after,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_its_class_and_its_activity() {
        let ids: Vec<_> = EventKind::ALL.iter().map(|kind| activity(*kind).0).collect();
        assert_eq!(ids, [1, 8, 9, 99, 4]);
    }
}
