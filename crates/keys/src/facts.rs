//! What a decision depends on.

use crate::id::KeyId;
use crate::state::Status;
use crate::time::Timestamp;

/// All that an answer depends on, gathered by the writer.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The moment the decision is made at, and recorded with.
    pub now: Timestamp,
    /// The key's status, `None` if it was never created. A due key is expired here, because its
    /// `Expired` goes before.
    pub status: Option<Status>,
    /// The key's due time.
    pub due: Option<Timestamp>,
    /// When the key was made; `None` if it never was.
    pub created_at: Option<Timestamp>,
    /// The key's revision, 0 if it was never created.
    pub revision: u32,
    /// The revision that the caller insists on.
    pub wanted_revision: Option<u32>,
    /// The key that already took this one's place.
    pub replaced_by: Option<KeyId>,
    /// Active keys of the account, owner and dialect; after an edit of the owner those of the new
    /// one.
    pub owner_active: u32,
    /// Keys of the account that are enabled or disabled, as recorded.
    pub account_alive: u64,
    /// Keys of the account, whatever their status.
    pub keys: u64,
    /// Whether another key has the wanted prefix.
    pub prefix_taken: bool,
    /// Whether another key has the wanted digest.
    pub digest_taken: bool,
    /// The public key that would do as well as a new one.
    pub found: Option<KeyId>,
    /// Whether the key's owner was erased.
    pub owner_erased: bool,
}
