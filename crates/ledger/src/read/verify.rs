//! Judging a presented key, as it is and as it was.

use std::sync::Arc;

use eventlog::Seq;
use keys::{Digest, NewKey, Question, Timestamp, Verdict, judge};

use crate::caller::{AUDIT, Caller, VERIFY};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::projection::table::Key;
use crate::read::as_of::Moment;

/// The answer to a verify.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The first verdict that holds.
    pub verdict: Verdict,
    /// The key; `None` if it is malformed or not found.
    pub key: Option<Arc<NewKey>>,
    /// Its due time now, which a rotation may have brought forward.
    pub expires_at: Option<Timestamp>,
    /// What its limits have left; nothing of a key that is not good anyway.
    pub limits: Limits,
    /// The length of the log that the answer has seen.
    pub log_size: Seq,
}

impl Verified {
    fn without_key(verdict: Verdict, log_size: Seq) -> Verified {
        Verified { verdict, key: None, expires_at: None, limits: Limits::default(), log_size }
    }
}

impl Ledger {
    /// Judges a presented key, and counts the verdict, and the use if it is valid. Memory only.
    ///
    /// A question of no cost ([`keys::Cost`]) is answered as one use would be, and counts nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn verify(
        &self,
        caller: &Caller,
        presented: &str,
        question: &Question,
    ) -> Result<Verified, Error> {
        let grant = caller.require(VERIFY)?;
        // Before the lookup: the answer has seen at least this much.
        let log_size = self.state().size();
        let nothing = |verdict| {
            self.usage().count(verdict, None);
            Ok(Verified::without_key(verdict, log_size))
        };
        let key = match self.bearing(presented) {
            Ok(key) => key,
            Err(verdict) => return nothing(verdict),
        };
        let now = self.judged_at();
        let (state, attributes) = key.present();
        if !grant.covers(&attributes) {
            return nothing(Verdict::NotFound);
        }
        if let Some(due) = state.expires_at.filter(|due| *due <= now) {
            self.state().monotone.met_due(due);
        }
        let mut verdict = judge(&attributes, &state, question, now);
        let mut limits = Limits::default();
        if verdict == Verdict::Valid {
            // That clock is read only where something is measured by it.
            let monotonic = attributes.rate_limit.map(|_| self.state().clock.monotonic());
            let monotonic = monotonic.unwrap_or_default();
            let collected;
            (verdict, limits, collected) =
                key.uses.spend(&attributes, question.cost, now, monotonic);
            if let Some(earlier) = collected {
                self.usage().collect_later(key.made.id, earlier);
            }
        }
        // A use is counted in the key.
        let is_refusal = verdict != Verdict::Valid && question.cost.get() > 0;
        self.usage().count(verdict, is_refusal.then_some((key.made.id, now)));
        Ok(Verified {
            verdict,
            key: Some(attributes.shared()),
            expires_at: state.expires_at,
            limits,
            log_size,
        })
    }

    /// Judges a presented key as it was at `moment`. Counts no use, and knows of none: counts are
    /// not in the log, so that no answer is [`Verdict::RateLimited`] or [`Verdict::UsageExceeded`].
    /// Reads the log if the key has changed since.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins; a fault of the storage.
    pub fn verify_as_of(
        &self,
        caller: &Caller,
        presented: &str,
        question: &Question,
        moment: &Moment,
    ) -> Result<Verified, Error> {
        let grant = caller.require(AUDIT)?;
        let nothing = |verdict| Ok(Verified::without_key(verdict, moment.length));
        let key = match self.bearing(presented) {
            Ok(key) => key,
            Err(verdict) => return nothing(verdict),
        };
        if !grant.covers(&key.attributes()) {
            return nothing(Verdict::NotFound);
        }
        let (Some((state, attributes)), _) = self.key_at(&key, moment)? else {
            return nothing(Verdict::NotFound);
        };
        Ok(Verified {
            verdict: judge(&attributes, &state, question, moment.at),
            key: Some(attributes.shared()),
            expires_at: state.expires_at,
            limits: Limits::default(),
            log_size: moment.length,
        })
    }

    /// The key of that text, whoever may know of it.
    fn bearing(&self, presented: &str) -> Result<Arc<Key>, Verdict> {
        let digest = Digest::of_presented(presented).ok_or(Verdict::Malformed)?;
        self.state().table.by_digest(&digest).ok_or(Verdict::NotFound)
    }
}
