//! What an auditor remembers of keys, and which records it can expect.

use eventlog::Seq;
use hashbrown::HashMap;
use keys::{Account, Dialect, Environment, KeyId, KeyState, Kind, Subject};

use crate::projection::row::Row;
use signedlog::Leaf;

/// What an auditor remembers of a key.
#[derive(Clone)]
pub(super) struct TrackedKey {
    pub(super) account: Account,
    /// What a rotation copies; `None` if the key's creation was not handed in.
    pub(super) made: Option<Made>,
    pub(super) state: KeyState,
    pub(super) head: (Seq, Leaf),
}

impl TrackedKey {
    pub(super) fn row(&self, id: KeyId) -> Option<Row> {
        let made = self.made.as_ref()?;
        Some(Row::of(id, &made.salt, &self.state, self.head.1))
    }
}

/// The part of a key that a rotation copies and a row holds.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) owner: Subject,
    pub(super) kind: Kind,
    pub(super) environment: Environment,
    pub(super) dialect: Dialect,
    pub(super) salt: [u8; 16],
}

/// Which of a log's records are handed in.
pub(super) enum Extent {
    /// All.
    Whole,
    /// Those of an account, or of a span of time; with the accounts of keys made before.
    Part(HashMap<KeyId, Account>),
    /// Those of one key.
    Key,
}

/// Whose keys a cap counts.
pub(super) type Holder = (Account, Subject, Dialect);
