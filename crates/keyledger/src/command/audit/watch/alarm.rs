//! What a watch tells its owner.

use bundle::Refused;
use keys::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Something happened to a key, and the owner does not say that it did it.
    Unacknowledged,
    /// Something happened, or must have, and is not shown.
    Missing,
    /// What is shown is not what was proved, or follows no rule.
    Altered,
    /// The log signed two trees of which neither extends the other.
    Fork,
    /// The log is shorter than it was signed for.
    Rollback,
    /// An older log took its place, and that is on record.
    RolledBack,
    /// The log says nothing of now.
    Stale,
    /// Nothing was heard from the service for too long.
    Unreachable,
    /// The service does not take the token.
    Refused,
}

impl Kind {
    /// The word in messages.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Unacknowledged => "unacknowledged",
            Kind::Missing => "missing",
            Kind::Altered => "altered",
            Kind::Fork => "fork",
            Kind::Rollback => "rollback",
            Kind::RolledBack => "rolled_back",
            Kind::Stale => "stale",
            Kind::Unreachable => "unreachable",
            Kind::Refused => "refused",
        }
    }

    /// What a check that failed is.
    pub(super) fn of(refused: &Refused) -> Kind {
        match refused {
            Refused::Invalid(_) => Kind::Altered,
            Refused::Fork { .. } => Kind::Fork,
            Refused::Rollback { .. } => Kind::Rollback,
            Refused::RolledBack { .. } => Kind::RolledBack,
            Refused::Stale { .. } => Kind::Stale,
        }
    }
}

/// An alarm, as a hook and a webhook get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alarm {
    /// The same for the same finding, however often it is handed over.
    pub(super) id: String,
    /// What is wrong.
    #[serde(rename = "alarm")]
    pub(super) kind: Kind,
    /// The account that is watched.
    pub(super) account: String,
    /// The log's name, as far as it is known.
    pub(super) log: Option<String>,
    /// When it was found, by the clock of the watch.
    pub(super) found_at: String,
    /// A sentence.
    pub(super) detail: String,
    /// The key that it is about.
    pub(super) key_id: Option<String>,
    /// The event that it is about, as `/v1/events/{seq}` shows it; it was proved.
    pub(super) event: Option<Value>,
    /// Signed notes that prove it to third parties.
    pub(super) evidence: Vec<String>,
}

/// An alarm that is made.
pub(super) struct Finding {
    kind: Kind,
    what: String,
    detail: String,
    key_id: Option<String>,
    event: Option<Value>,
    evidence: Vec<String>,
}

impl Finding {
    /// `what` tells findings of one kind apart: the same is raised once.
    pub(super) fn new(kind: Kind, what: impl Into<String>, detail: impl Into<String>) -> Finding {
        let (what, detail) = (what.into(), detail.into());
        Finding { kind, what, detail, key_id: None, event: None, evidence: Vec::new() }
    }

    /// About that key.
    pub(super) fn key(self, key: keys::KeyId) -> Finding {
        Finding { key_id: Some(key.to_string()), ..self }
    }

    /// An event that nobody acknowledged.
    pub(super) fn unacknowledged(event: Value) -> Finding {
        let text = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
        let number = |pointer| event.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        let seq = number("/seq");
        let detail = format!(
            "event {seq}: the key {} was {} (revision {}) by `{}` of account `{}` at {}, and nobody \
             acknowledged it",
            text("/key_id"),
            text("/type"),
            number("/revision"),
            text("/actor/subject"),
            text("/actor/account"),
            text("/recorded_at"),
        );
        let key_id = Some(text("/key_id").to_owned());
        let finding = Finding::new(Kind::Unacknowledged, seq.to_string(), detail);
        Finding { key_id, event: Some(event), ..finding }
    }

    /// An event that is in the log, and that the lists of events leave out.
    pub(super) fn hidden(event: Value) -> Finding {
        let text = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
        let seq = event.pointer("/seq").and_then(Value::as_u64).unwrap_or(0);
        let detail = format!(
            "event {seq} is in the log, and the service leaves it out of its lists: the key {} was {} by `{}` \
             of account `{}` at {}",
            text("/key_id"),
            text("/type"),
            text("/actor/subject"),
            text("/actor/account"),
            text("/recorded_at"),
        );
        let key_id = Some(text("/key_id").to_owned());
        let finding = Finding::new(Kind::Missing, format!("event-{seq}"), detail);
        Finding { key_id, event: Some(event), ..finding }
    }

    /// A check that failed. What a later look would find again is raised once.
    pub(super) fn refused(refused: &Refused) -> Finding {
        let detail = refused.to_string();
        let (what, evidence) = match refused {
            Refused::Fork { one, other } => (hash(other), vec![one.clone(), other.clone()]),
            Refused::Rollback { size, once, checkpoint } => {
                (format!("{once}-{size}"), vec![checkpoint.clone()])
            }
            Refused::RolledBack { note, .. } => (hash(note), vec![note.clone()]),
            Refused::Stale { since } => (since.clone(), Vec::new()),
            Refused::Invalid(_) => (hash(&detail), Vec::new()),
        };
        Finding { evidence, ..Finding::new(Kind::of(refused), what, detail) }
    }

    /// The alarm of a watch on `account` of the log of that name.
    pub(super) fn alarm(self, account: &str, log: Option<&str>, now: Timestamp) -> Alarm {
        let Finding { kind, what, detail, key_id, event, evidence } = self;
        let whose = hash(&format!("{}\n{account}", log.unwrap_or_default()));
        Alarm {
            id: format!("{whose}_{}_{what}", kind.as_str()),
            kind,
            account: account.to_owned(),
            log: log.map(str::to_owned),
            found_at: now.to_string(),
            detail,
            key_id,
            event,
            evidence,
        }
    }
}

/// 16 digits that tell one text from another.
fn hash(text: &str) -> String {
    let digits = hex::encode(tlog::leaf_hash(text.as_bytes()).0);
    digits.get(..16).unwrap_or_default().to_owned()
}
