//! How somebody proved who it is, as records and entries of the journal store it.

use keys::KeyId;
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::interner::Interner;
use crate::caller::Via;
use crate::record::token::OwnToken;

#[derive(Serialize, Deserialize)]
pub(super) enum ViaV1<'a> {
    /// By a token of the ledger's own, which most have.
    OwnToken,
    Token {
        issuer: &'a str,
    },
    Key([u8; 16]),
    Worker,
}

impl<'a> From<&'a Via> for ViaV1<'a> {
    fn from(via: &'a Via) -> ViaV1<'a> {
        match via {
            Via::Token { issuer, .. } if **issuer == *OwnToken::ISSUER => ViaV1::OwnToken,
            Via::Token { issuer, .. } => ViaV1::Token { issuer },
            Via::Key(id) => ViaV1::Key(id.to_bytes()),
            Via::Worker => ViaV1::Worker,
        }
    }
}

impl ViaV1<'_> {
    /// The same, with the id of the token: everybody but the worker is somebody.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotCanonical`] for a worker who is somebody, and for nobody else.
    pub(super) fn into_via(
        self,
        jti: Option<&str>,
        is_somebody: bool,
        interner: &mut Interner,
    ) -> Result<Via, DecodeError> {
        let mut token = |issuer| Via::Token {
            issuer: interner.share(issuer),
            jti: jti.map(|jti| interner.share(jti)),
        };
        let via = match self {
            ViaV1::OwnToken => token(OwnToken::ISSUER),
            ViaV1::Token { issuer } => token(issuer),
            ViaV1::Key(id) => Via::Key(KeyId::from_bytes(id)),
            ViaV1::Worker => Via::Worker,
        };
        let fits = is_somebody != matches!(via, Via::Worker);
        if fits { Ok(via) } else { Err(DecodeError::NotCanonical) }
    }
}
