//! The key of the ledger itself: what it alone can make of a text.
//!
//! The end of a token must hold when nobody can read any more whose token it was. So the journal
//! names tokens and subjects by a MAC too, which tells nothing to who does not have this key.

use std::fmt;

use ring::hmac;

use super::{Keyring, PersonKey};

/// What only this ledger makes of a text: HMAC-SHA256 (RFC 2104), the first 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 16]);

/// In hex.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Keyring {
    /// The MAC of `text`, which is of a kind. A keyring in memory alone has no key for it: there it
    /// is a hash.
    pub(crate) fn mac(&self, kind: &str, text: &str) -> Mac {
        let key = self.own.as_ref().map_or(&[0; 32], PersonKey::as_bytes);
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(text.as_bytes());
        let mut mac = [0; 16];
        mac.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        Mac(mac)
    }
}
