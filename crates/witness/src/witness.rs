//! A witness: its key, its logs, and what it answers.

use std::sync::Arc;

use tlog::add_checkpoint::{SIZE_TYPE, size_text};
use tlog::cosignature::Cosigner;
use tlog::note::{Note, VerifierKey};
use tlog::{AddCheckpoint, Checkpoint};

use crate::judge::{Refusal, judge, signed};
use crate::store::{Cosigned, Store};

/// An answer: status, media type and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`.
    pub media_type: &'static str,
    /// The body.
    pub body: String,
}

const TEXT: &str = "text/plain; charset=utf-8";

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Reply {
        Reply { status, media_type: TEXT, body: body.into() }
    }
}

/// A witness.
pub struct Witness {
    cosigner: Cosigner,
    store: Store,
    now: Now,
}

/// The present moment in seconds since 1970. The caller's clock: this crate has none.
pub type Now = Box<dyn Fn() -> u64 + Send + Sync>;

impl Witness {
    /// One with this key, these logs and this clock.
    #[must_use]
    pub fn new(cosigner: Cosigner, store: Store, now: Now) -> Witness {
        Witness { cosigner, store, now }
    }

    /// The key that verifies its cosignatures.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        self.cosigner.verifier_key()
    }

    /// Answers a request to cosign. A cosignature is on stable storage before it is returned.
    /// Waits for the disk.
    #[must_use]
    pub fn add_checkpoint(&self, body: &[u8]) -> Reply {
        match self.cosign(body) {
            Ok(line) => Reply::new(200, format!("{line}\n")),
            Err(Failure::Refused(Refusal::OtherSize(size))) => {
                Reply { media_type: SIZE_TYPE, ..Reply::new(409, size_text(size)) }
            }
            Err(Failure::Refused(refusal)) => Reply::new(refusal.status(), format!("{refusal}\n")),
            Err(Failure::Unavailable(why)) => Reply::new(503, format!("{why}\n")),
        }
    }

    /// The checkpoint that was cosigned last of the log whose origin has this SHA-256, in hex.
    pub(crate) fn checkpoint(&self, origin_hash: &str) -> Option<Arc<str>> {
        self.store.by_hash(origin_hash)
    }

    fn cosign(&self, body: &[u8]) -> Result<String, Failure> {
        let malformed = |error: &dyn std::fmt::Display| Refusal::Malformed(error.to_string());
        let request = AddCheckpoint::parse(body).map_err(|error| malformed(&error))?;
        let checkpoint = signed(&request, |origin| self.store.keys(origin))?;
        let mut last = self.store.last(checkpoint.origin()).ok_or(Refusal::UnknownLog)?;
        let judged = judge(&request, &checkpoint, last.get().map(|last| &last.checkpoint));
        if let Err(refusal @ (Refusal::OtherRoot | Refusal::Unproved)) = &judged {
            // Signed by the log: whoever runs it may have made a fork, or sent a wrong proof.
            report(&checkpoint, last.get().map(|last| &last.checkpoint), refusal);
        }
        judged?;
        let time_s = (self.now)();
        if last.get().is_some_and(|last| last.time_s > time_s) {
            return Err(Failure::Unavailable("the clock of this witness went back"));
        }
        let line = self.cosigner.cosign(&checkpoint, time_s);
        let line = line.ok_or(Failure::Unavailable("the clock of this witness is wrong"))?;
        // What others signed is of no use to anybody who asks this witness.
        let keys = self.store.keys(checkpoint.origin()).unwrap_or_default();
        let note = only(request.checkpoint(), keys, &line.to_string());
        let text = line.to_string();
        let cosigned = Cosigned { checkpoint, time_s, note: Arc::from(note) };
        last.replace(cosigned).map_err(|error| {
            tracing::error!(%error, "what was cosigned cannot be written: it is not given to anybody");
            Failure::Unavailable("the disk of this witness fails")
        })?;
        Ok(text)
    }
}

/// The note with the signatures of these keys, and one line more.
fn only(note: &Note, keys: &[VerifierKey], line: &str) -> String {
    let of_log = note.signatures().iter().filter(|signature| {
        keys.iter().any(|key| key.name() == signature.name() && key.id() == signature.id())
    });
    let lines: String = of_log.map(|signature| format!("{signature}\n")).collect();
    format!("{}\n{lines}{line}\n", note.text())
}

fn report(found: &Checkpoint, last: Option<&Checkpoint>, refusal: &Refusal) {
    let (origin, size, root) = (found.origin(), found.size(), found.root());
    let (last_size, last_root) =
        last.map_or((0, None), |last| (last.size(), Some(last.root().to_string())));
    tracing::warn!(origin, size, %root, last_size, last_root, "signed by the log, not cosigned: {refusal}");
}

enum Failure {
    Refused(Refusal),
    Unavailable(&'static str),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}
