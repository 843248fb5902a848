//! The private parsers, for the fuzz targets. No part of the crate's interface.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::http::header::{ACCEPT, FORWARDED, IF_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use keys::Timestamp;
use ledger::Walk;

use crate::auth::token::TokenKey;
use crate::auth::{Auth, AuthError, MaxRole, Outside};
use crate::request::extract::json;
use crate::request::{cursor, entity_tag, forwarded, key_cursor, negotiate};
use crate::wire::ImportLine;

/// The cursors that `text` is, one for each list that takes it, each written again.
#[must_use]
pub fn cursors(text: &str) -> Vec<String> {
    let cursors = [
        key_cursor::parse(text).map(|(list, place)| key_cursor::write(list, &place)),
        cursor::events(text).ok().map(cursor::of_events),
        cursor::history(Some(text)).ok().map(|seq| cursor::of_history(Walk::Up(seq))),
        cursor::due(text).ok().map(cursor::of_due),
        cursor::accesses(Some(text)).ok().map(cursor::of_accesses),
        cursor::usage(text).ok().map(cursor::of_usage),
    ];
    cursors.into_iter().flatten().collect()
}

/// The client's address for the proxy 127.0.0.1, which is trusted, as is 10.0.0.0/8. The lines are
/// those of `Forwarded`, or of `X-Forwarded-For`.
#[must_use]
pub fn client<'a>(standard: bool, lines: impl Iterator<Item = &'a [u8]>) -> Option<IpAddr> {
    let name = if standard { FORWARDED } else { HeaderName::from_static("x-forwarded-for") };
    let trusted: Vec<ipnet::IpNet> =
        ["127.0.0.0/8", "10.0.0.0/8"].iter().flat_map(|net| net.parse()).collect();
    forwarded::client(Some(Ipv4Addr::LOCALHOST.into()), &headers(&name, lines), &trusted, None)
}

/// Reads the lines as `Accept` and as `If-Match`; whether each could be read.
pub fn negotiation<'a>(lines: impl Iterator<Item = &'a [u8]> + Clone) -> [bool; 2] {
    let offered = ["application/json", "text/csv"];
    let accepted = negotiate::choose(&headers(&ACCEPT, lines.clone()), &offered);
    // One of those that are offered, or none.
    debug_assert!(accepted.as_ref().is_ok_and(|place| *place < offered.len()) || accepted.is_err());
    [accepted.is_ok(), entity_tag::Revisions::of(&headers(&IF_MATCH, lines)).is_ok()]
}

/// All that a line of an import says, as text that is the same for what means the same; `None` if it
/// is refused.
#[must_use]
pub fn import_line(line: &[u8]) -> Option<String> {
    let ImportLine { key, idempotency_key } = json(line).ok()?;
    let reason = key.reason.clone();
    let request = key.draft(Timestamp::from_secs(1_700_000_000)).ok()?;
    // A digest shows nothing of itself.
    let digest = request.import.as_ref().map(|import| import.digest.0);
    Some(format!("{request:?} {digest:?} {reason:?} {idempotency_key:?}"))
}

fn headers<'a>(name: &HeaderName, lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let values = lines.filter_map(|line| HeaderValue::from_bytes(line).ok());
    values.take(100).map(|value| (name.clone(), value)).collect()
}

/// A service's check of tokens: its own, and HS256 ones of an issuer outside.
pub struct Tokens {
    auth: Auth,
    key: SigningKey,
}

impl Tokens {
    /// With keys that are the same in every run.
    ///
    /// # Errors
    ///
    /// None: the issuer is in order.
    pub fn new() -> Result<Tokens, AuthError> {
        let outside = Outside {
            issuer: "https://issuer.example".into(),
            audience: "keys".into(),
            secret: Some(vec![9; 32].into()),
            jwks: None,
            jwks_grace: Duration::ZERO,
            max_role: MaxRole::Owner,
            all_accounts: false,
        };
        let (seed, key) = ([7; 32], SigningKey::from_bytes(&[7; 32]));
        Ok(Tokens { auth: Auth::new(TokenKey::from_seed(&seed), Some(outside))?, key })
    }

    /// Whether `token` is accepted, in November 2023.
    #[must_use]
    pub fn accepts(&self, token: &str) -> bool {
        self.auth.check(token, Timestamp::from_secs(1_700_000_000)).is_ok()
    }

    /// A token with that header and those claims, whatever they are, signed by the service's own
    /// key: what is behind the signature is read too.
    #[must_use]
    pub fn signed(&self, header: &[u8], claims: &[u8]) -> String {
        let encode = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = self.key.sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}
