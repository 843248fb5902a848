//! How a key stands after the events that were seen of it.

use keys::{Event, KeyId, KeyState, Status, Timestamp};
use ledger::{AuditRecord, Finding, Leaf, Link, Row, Salt, Seq, Violation};

/// A key, as far as a watch has followed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FollowedKey {
    /// How it stands; when it changed and what replaced it is not remembered.
    pub(super) state: KeyState,
    /// Place and leaf of its last record.
    pub(super) head: (Seq, Leaf),
    /// The salt of its first record; `None` if a record of it was not seen, so that its row in the table
    /// cannot be made.
    pub(super) salt: Option<Salt>,
}

/// Revisions of a key that were not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) key: KeyId,
    pub(super) from: u32,
    pub(super) to: u32,
}

impl FollowedKey {
    /// The key after a record that has this link to it, and the revisions that are missing before that.
    ///
    /// # Errors
    ///
    /// The record cannot follow what was seen of the key.
    pub(super) fn after(
        before: Option<FollowedKey>,
        audited: &AuditRecord,
        link: &Link,
    ) -> Result<(FollowedKey, Option<Gap>), Finding> {
        let wrong = |field| Finding {
            seq: audited.seq,
            violation: Violation::Link { key: link.key, field },
        };
        let seen = before.map_or(0, |before| before.state.revision);
        let gap = match seen.checked_add(1).map(|next| next.cmp(&link.revision)) {
            Some(std::cmp::Ordering::Equal) if link.previous == before.map(|key| key.head) => None,
            Some(std::cmp::Ordering::Less) if link.previous.is_some() => {
                Some(Gap { key: link.key, from: seen + 1, to: link.revision - 1 })
            }
            Some(_) | None => return Err(wrong("previous record")),
        };
        let record = &audited.record;
        let is_own = link.key == record.links.own.key;
        let state = match (&record.event, before) {
            (Event::Created(made), None) if is_own && gap.is_none() => {
                Some(KeyState::created(made, record.at))
            }
            (Event::Created(made), Some(old)) if !is_own => made
                .replaces
                .as_ref()
                .map(|replaces| old.state.replaced(made.id, replaces.valid_until, record.at)),
            (_, Some(old)) if is_own => Some(old.state.after(&record.event, record.at)),
            (_, _) => None,
        };
        let as_linked = KeyState {
            status: link.after,
            revision: link.revision,
            expires_at: state.and_then(|state| state.expires_at),
            updated_at: Timestamp::MIN,
            replaced_by: None,
        };
        // Where nothing is missing, the link must say what the event makes.
        let is_so = state
            .is_some_and(|state| (state.status, state.revision) == (link.after, link.revision));
        if gap.is_none() && !is_so {
            return Err(wrong("status after"));
        }
        let salt = match before {
            _ if gap.is_some() => None,
            None => Some(record.salt),
            Some(before) => before.salt,
        };
        Ok((FollowedKey { state: as_linked, head: (audited.seq, audited.leaf), salt }, gap))
    }

    /// Its row in the table of keys; `None` if it cannot be made.
    pub(super) fn row(&self, key: KeyId) -> Option<[u8; Row::LEN]> {
        Some(Row::of(key, &self.salt?, &self.state, self.head.1).to_bytes())
    }
}

/// The keys as the state's file has them.
pub(super) mod stored {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tlog::Hash;

    use super::{FollowedKey, KeyId, KeyState, Leaf, Seq, Status, Timestamp};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Key {
        revision: u32,
        status: String,
        /// In microseconds since 1970.
        due_at: Option<i64>,
        /// Of its last record.
        seq: u64,
        leaf: String,
        salt: Option<String>,
    }

    impl From<&FollowedKey> for Key {
        fn from(FollowedKey { state, head, salt }: &FollowedKey) -> Key {
            Key {
                revision: state.revision,
                status: state.status.as_str().to_owned(),
                due_at: state.expires_at.map(Timestamp::micros),
                seq: head.0.0,
                leaf: Hash::from(head.1).to_string(),
                salt: salt.map(hex::encode),
            }
        }
    }

    impl Key {
        fn read(self) -> Option<FollowedKey> {
            let salt = self.salt.map(|salt| {
                let mut bytes = [0; 12];
                hex::decode_to_slice(salt, &mut bytes).ok().map(|()| bytes)
            });
            let salt = match salt {
                Some(salt) => Some(salt?),
                None => None,
            };
            let status: Status = self.status.parse().ok()?;
            let leaf: Hash = self.leaf.parse().ok()?;
            let state = KeyState {
                status,
                revision: self.revision,
                expires_at: self.due_at.map(Timestamp::from_micros),
                updated_at: Timestamp::MIN,
                replaced_by: None,
            };
            Some(FollowedKey { state, head: (Seq(self.seq), Leaf(leaf.0)), salt })
        }
    }

    pub(in super::super) fn serialize<S: Serializer>(
        keys: &BTreeMap<KeyId, FollowedKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(keys.iter().map(|(id, key)| (id.to_string(), Key::from(key))))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<KeyId, FollowedKey>, D::Error> {
        let stored = BTreeMap::<String, Key>::deserialize(deserializer)?;
        let keys = stored.into_iter().map(|(id, key)| Some((id.parse().ok()?, key.read()?)));
        keys.collect::<Option<_>>().ok_or_else(|| D::Error::custom("a key is malformed"))
    }
}
