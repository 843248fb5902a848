//! A row of the key table, as the table note commits to it.
//!
//! The layout is described in `schemas/table.md`. Rows are sorted by their first half, which is a
//! hash, and their second half is salted, so that the neighbours shown in a proof of absence tell
//! nothing about other tenants.

use keys::{KeyId, KeyState, Status, Timestamp};
use sha2::{Digest as _, Sha256};
use signedlog::Leaf;

use crate::record::Salt;

/// What the table says of one key. Its bytes are an entry of the table's Merkle tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// SHA-256 of the key's id: the order of the rows.
    pub key: [u8; 32],
    /// SHA-256 of salt, revision, last leaf, status and due time.
    pub state: [u8; 32],
}

impl Row {
    /// The length of a row in bytes.
    pub const LEN: usize = 64;

    /// The row of `key`. `salt` is that of its first record, `last` the leaf of its last one.
    #[must_use]
    pub fn of(key: KeyId, salt: &Salt, state: &KeyState, last: Leaf) -> Row {
        let due = state.expires_at.map_or(i64::MAX, Timestamp::micros);
        let state = Sha256::new()
            .chain_update(salt)
            .chain_update(state.revision.to_be_bytes())
            .chain_update(last.0)
            .chain_update([status_byte(state.status)])
            .chain_update(due.to_be_bytes())
            .finalize();
        Row { key: Row::place(key), state: state.into() }
    }

    /// Where among the rows `key` is, or would be.
    #[must_use]
    pub fn place(key: KeyId) -> [u8; 32] {
        Sha256::digest(key.to_bytes()).into()
    }

    /// The bytes: first half, then second.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Row::LEN] {
        let mut bytes = [0; Row::LEN];
        let (key, state) = bytes.split_at_mut(32);
        key.copy_from_slice(&self.key);
        state.copy_from_slice(&self.state);
        bytes
    }
}

/// The status as the record's layout numbers it.
fn status_byte(status: Status) -> u8 {
    match status {
        Status::Enabled => 0,
        Status::Disabled => 1,
        Status::Expired => 2,
        Status::Revoked => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_never_changes_its_bytes() {
        let key = KeyId::from_bytes([1; 16]);
        let state = KeyState {
            status: Status::Revoked,
            revision: 3,
            expires_at: Some(Timestamp::from_micros(1_700_000_000_000_000)),
            updated_at: Timestamp::MIN,
            replaced_by: None,
        };
        let row = Row::of(key, &[2; 12], &state, Leaf([4; 32]));
        let expected = concat!(
            "cc8cd41cef907c4d216069122c4b89936211361f9050a717a1e37ad1862e952f",
            "da26e3e849f9d4f768bc64694b9c0255c01f31e4eaae52ebf094e5c172cc9871",
        );
        assert_eq!(hex::encode(row.to_bytes()), expected);
        let endless = KeyState { expires_at: None, ..state };
        assert_ne!(Row::of(key, &[2; 12], &endless, Leaf([4; 32])).state, row.state);
    }
}
