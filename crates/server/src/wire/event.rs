//! Events in answers.

use keys::{KeyId, Reason, Revocation, Timestamp};
use ledger::{Entry, Link, Via};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::edits::Changes;
use super::key::Made;
use super::rules::Rules;
use super::text::{Id, Text, Time};
use super::words;

/// An event of a key.
#[derive(Serialize, ToSchema)]
pub(crate) struct Event<'a> {
    /// Its place in the log, from 0.
    pub(crate) seq: u64,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) recorded_at: Time,
    /// What happened.
    #[schema(value_type = words::EventType)]
    pub(crate) r#type: &'static str,
    /// The key it is shown for: in the history of a key that was replaced, that key.
    #[schema(value_type = String, format = "uuid")]
    pub(crate) key_id: Id,
    /// The key's account.
    pub(crate) account: &'a str,
    /// The key's revision after it.
    #[schema(minimum = 1)]
    pub(crate) revision: u32,
    /// Who did it.
    pub(crate) actor: Actor<'a>,
    /// From where.
    pub(crate) origin: Origin<'a>,
    /// Why, in the actor's words.
    #[schema(required)]
    pub(crate) reason: Option<&'a str>,
    /// Why, as a code; only of a revocation.
    #[schema(value_type = Option<words::ReasonCode>, required)]
    pub(crate) reason_code: Option<&'static str>,
    /// What it was judged by beside the moves that are always the same: caps and what they counted, a
    /// longest life, a revision that was insisted on. Each has its name in `rule`.
    #[schema(value_type = Vec<Object>)]
    pub(crate) rules: Rules<'a>,
    /// The key's status before; null if it did not exist.
    #[schema(value_type = Option<words::KeyStatus>, required)]
    pub(crate) before: Option<&'static str>,
    /// The key's status after.
    #[schema(value_type = words::KeyStatus)]
    pub(crate) after: &'static str,
    /// What the type says more.
    #[schema(value_type = Object)]
    pub(crate) data: Data<'a>,
}

/// Who did something.
#[derive(Serialize, ToSchema)]
pub(crate) struct Actor<'a> {
    /// The subject.
    pub(crate) subject: &'a str,
    /// The account it acted for; `*` is all.
    pub(crate) account: &'a str,
    /// What it might do there.
    #[schema(value_type = Vec<words::RoleHeld>)]
    pub(crate) roles: RoleNames,
    /// How it proved that: `token:<issuer>:<jti>`, `key:<id>` or `worker`.
    pub(crate) via: String,
}

/// From where something was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct Origin<'a> {
    /// The client's address.
    #[schema(value_type = Option<String>, required)]
    pub(crate) ip: Option<Text<std::net::IpAddr>>,
    /// The request's id.
    #[schema(required)]
    pub(crate) request_id: Option<&'a str>,
    /// The API that it was asked for through.
    #[schema(value_type = words::Dialect)]
    pub(crate) dialect: &'static str,
    /// The node of the service that recorded it.
    pub(crate) node: &'a str,
}

/// What the type of an event says more.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Data<'a> {
    /// Of `created`: the key's attributes, and the key it took the place of.
    Created(Box<CreatedData<'a>>),
    /// Of `expired`.
    Expired(ExpiredData),
    /// Of `revoked`.
    Revoked(RevokedData),
    /// Of `updated`.
    Updated(UpdatedData<'a>),
    /// Of `enabled` and `disabled`: nothing.
    Nothing(NoData),
}

/// When a key's time ran out, and how late that was recorded.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExpiredData {
    /// When the key's time ran out; null if it was ended early.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    due_at: Option<Time>,
    /// Milliseconds from the due time to the record; null if it was ended early.
    #[schema(required)]
    late_ms: Option<u64>,
}

/// What is known of a leak.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevokedData {
    /// Since when the key may have been in wrong hands.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    compromised_since: Option<Time>,
}

/// What an edit changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct UpdatedData<'a> {
    /// By the name of each attribute, its value `before` and `after`.
    #[schema(value_type = Object)]
    changes: Changes<'a>,
}

/// Nothing more.
#[derive(Serialize, ToSchema)]
pub(crate) struct NoData {}

/// A key as it was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedData<'a> {
    #[serde(flatten)]
    made: Made<'a>,
    /// The due time as first set.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Time>,
    /// The key it took the place of, as that stands since.
    #[schema(required)]
    replaced: Option<Replaced>,
}

/// What a rotation did to the old key.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replaced {
    /// The old key.
    #[schema(value_type = String, format = "uuid")]
    key_id: Id,
    /// Its revision after it.
    revision: u32,
    /// Its status since.
    #[schema(value_type = words::KeyStatus)]
    status: &'static str,
    /// Until when it stays valid.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    valid_until: Option<Time>,
}

impl<'a> Event<'a> {
    /// The event as its own key's.
    pub(crate) fn new(entry: &'a Entry) -> Event<'a> {
        Event::of(entry, &entry.record.links.own)
    }

    /// The event as `key` sees it: a rotation is an event of the old key too.
    pub(crate) fn for_key(entry: &'a Entry, key: Option<KeyId>) -> Event<'a> {
        let links = &entry.record.links;
        Event::of(entry, key.and_then(|key| links.of(key)).unwrap_or(&links.own))
    }

    fn of(entry: &'a Entry, link: &Link) -> Event<'a> {
        let record = &entry.record;
        Event {
            seq: entry.seq.0,
            recorded_at: Time(record.at),
            r#type: record.event.kind().as_str(),
            key_id: Id(link.key),
            account: entry.account.as_str(),
            revision: link.revision,
            actor: Actor::new(&record.actor),
            origin: Origin {
                ip: record.origin.ip.map(Text),
                request_id: record.origin.request_id.as_deref(),
                dialect: record.dialect.as_str(),
                node: record.node.as_str(),
            },
            reason: record.reason.as_ref().map(Reason::as_str),
            reason_code: match &record.event {
                keys::Event::Revoked(revocation) => revocation.code.map(keys::ReasonCode::as_str),
                keys::Event::Created(_)
                | keys::Event::Enabled
                | keys::Event::Disabled
                | keys::Event::Expired { .. }
                | keys::Event::Updated(_) => None,
            },
            rules: Rules(&record.rules),
            before: link.before.map(keys::Status::as_str),
            after: link.after.as_str(),
            data: Data::of(entry),
        }
    }
}

impl<'a> Actor<'a> {
    /// The same form wherever an actor is shown.
    pub(crate) fn new(actor: &'a ledger::Actor) -> Actor<'a> {
        Actor {
            subject: actor.subject.as_str(),
            account: actor.account.as_ref().map_or("*", keys::Account::as_str),
            roles: RoleNames(actor.roles),
            via: via_text(&actor.via),
        }
    }
}

impl<'a> Data<'a> {
    fn of(entry: &'a Entry) -> Data<'a> {
        let record = &entry.record;
        match &record.event {
            keys::Event::Created(key) => Data::Created(Box::new(CreatedData {
                made: Made::new(key),
                expires_at: key.expires_at.map(Time),
                replaced: record.links.others.first().map(|link| Replaced {
                    key_id: Id(link.key),
                    revision: link.revision,
                    status: link.after.as_str(),
                    valid_until: key.replaces.as_ref().map(|replaces| Time(replaces.valid_until)),
                }),
            })),
            keys::Event::Expired { due } => Data::Expired(ExpiredData {
                due_at: due.map(Time),
                late_ms: due.map(|due| late_ms(record.at, due)),
            }),
            keys::Event::Revoked(Revocation { compromised_since, .. }) => {
                Data::Revoked(RevokedData { compromised_since: compromised_since.map(Time) })
            }
            keys::Event::Updated(update) => Data::Updated(UpdatedData { changes: Changes(update) }),
            keys::Event::Enabled | keys::Event::Disabled => Data::Nothing(NoData {}),
        }
    }
}

/// The roles of an actor, by their names.
pub(crate) struct RoleNames(pub(crate) ledger::Roles);

impl Serialize for RoleNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ledger::Role::as_str))
    }
}

fn late_ms(at: Timestamp, due: Timestamp) -> u64 {
    at.micros_since(due) / 1000
}

/// How an actor proved who it is.
fn via_text(via: &Via) -> String {
    match via {
        Via::Token { issuer, jti } => {
            ["token:", issuer, ":", jti.as_deref().unwrap_or_default()].concat()
        }
        Via::Key(id) => ["key:", id.text(&mut [0; 36])].concat(),
        Via::Worker => "worker".to_owned(),
    }
}
