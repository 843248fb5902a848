//! What is stored of a request, so that it can be told when it comes again.

use serde::{Deserialize, Serialize};

/// A request with an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    /// The digest of the key and of what scopes it.
    pub key: [u8; 32],
    /// The digest of the request.
    pub request: [u8; 32],
}
