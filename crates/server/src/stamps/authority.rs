//! A time-stamping authority, over HTTP (RFC 3161 §3.4).

use std::io;

use bytes::Bytes;
use delivery::{Answer, Line, OutcomeKind, Poster, Target};
use keys::Timestamp;
use ledger::Ledger;
use sha2::{Digest as _, Sha256};
use timestamp::{Invalid, MAX_BYTES, Roots, Stamp};

use crate::stamps::stored::StoredStamp;

/// By how many seconds the clocks of authority and service may differ: a verifier allows for no more
/// (`schemas/bundle.md`).
const CLOCKS_DIFFER_S: u64 = 300;

/// A time-stamping authority.
pub struct Authority {
    target: Target,
    poster: Poster,
    roots: Option<Roots>,
}

/// Why a checkpoint was not stamped.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// There is no authority.
    #[error("there is no time-stamping authority")]
    NoAuthority,
    /// The log signs nothing.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// There is no answer.
    #[error("there was no answer: {}", .0.as_str())]
    None(OutcomeKind),
    /// More came than is read.
    #[error("the answer is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The answer has another status, or another type.
    #[error("the authority answered with {status} and the type `{content_type}`")]
    Answer {
        /// The status.
        status: u16,
        /// The type.
        content_type: String,
    },
    /// The answer is no time-stamp of this checkpoint.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Its time is far from this machine's: no verifier would take both.
    #[error(
        "the authority says that it is {0}, which is more than five minutes from this machine's clock; \
         set the clock"
    )]
    Clock(Timestamp),
    /// Its time lies before that of the last time-stamp.
    #[error("the authority's time went back behind the last time-stamp")]
    Backwards,
    /// The system has no random bytes.
    #[error("the system has no random bytes")]
    Random,
    /// The answer cannot be stored.
    #[error("the time-stamp cannot be stored")]
    Unwritable(#[source] io::Error),
}

impl Authority {
    /// The one at `target`. With `roots`, only answers that lead to one of them are taken.
    #[must_use]
    pub fn new(target: Target, poster: Poster, roots: Option<Roots>) -> Authority {
        Authority { target, poster, roots }
    }

    /// Has the checkpoint stamped.
    pub(super) async fn stamp(
        &self,
        checkpoint: String,
        ledger: &Ledger,
    ) -> Result<StoredStamp, StampError> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|_| StampError::Random)?;
        let nonce = u64::from_be_bytes(nonce);
        let request = timestamp::request(&Sha256::digest(&checkpoint).into(), nonce);
        let headers = [
            ("content-type", "application/timestamp-query"),
            ("accept", "application/timestamp-reply"),
        ];
        // One a day: a connection of its own.
        let mut line = Line::default();
        let sent = self.poster.request(&mut line, &self.target, &headers, Bytes::from(request));
        let Answer { status, media_type, body } = sent.await.map_err(StampError::None)?;
        let content_type = media_type.unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        if status != 200 || !content_type.eq_ignore_ascii_case("application/timestamp-reply") {
            let content_type = keys::without_keys(content_type).escape_debug().collect();
            return Err(StampError::Answer { status, content_type });
        }
        let body = body.filter(|body| body.len() <= MAX_BYTES).ok_or(StampError::TooLong)?;
        let stamp = Stamp::parse(&body)?;
        stamp.is_over(checkpoint.as_bytes())?;
        stamp.answers(nonce)?;
        match &self.roots {
            Some(roots) => stamp.is_trusted(roots)?,
            None => stamp.is_signed()?,
        }
        let (at, now) = (Timestamp::from_micros(stamp.at_us()), ledger.now());
        if at > now.plus_secs(CLOCKS_DIFFER_S) || now > at.plus_secs(CLOCKS_DIFFER_S) {
            return Err(StampError::Clock(at));
        }
        StoredStamp::new(checkpoint, body).ok_or(StampError::Invalid(Invalid::Imprint))
    }
}
