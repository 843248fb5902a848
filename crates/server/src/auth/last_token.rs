//! The token that a connection showed last.
//!
//! A gateway keeps its connections and sends the same token with each request. To find it the same
//! is a comparison; to digest it and look it up costs ten times that, and a place in memory that all
//! cores write to.

use std::sync::Arc;

use keys::Timestamp;
use ledger::Identity;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::checked::Token;
use crate::error::ApiError;

/// Empty at first. Its text is erased from memory when another takes its place.
#[derive(Default)]
pub(crate) struct LastToken(Mutex<Option<Shown>>);

struct Shown {
    /// The whole of `Authorization`, as it came.
    text: Zeroizing<Vec<u8>>,
    token: Arc<Token>,
}

impl LastToken {
    /// The token of the header `text`: the one before, if that is the same, of the same `epoch` of
    /// keys and not expired, else what `check` finds.
    pub(crate) fn again(
        &self,
        epoch: u64,
        text: &[u8],
        now: Timestamp,
        check: impl FnOnce() -> Result<Arc<Token>, ApiError>,
    ) -> Result<Arc<Token>, ApiError> {
        let mut last = self.0.lock();
        if let Some(shown) = &*last
            && *shown.text == *text
            && shown.token.epoch == epoch
            && now < shown.token.expires_at
        {
            return Ok(Arc::clone(&shown.token));
        }
        *last = None;
        let checked = check()?;
        // A copy, so that the connections of one gateway do not count references in one place.
        let identity = Arc::new(Identity::clone(&checked.identity));
        let token = Arc::new(Token { identity, ..*checked });
        let text = Zeroizing::new(text.to_vec());
        *last = Some(Shown { text, token: Arc::clone(&token) });
        Ok(token)
    }
}
