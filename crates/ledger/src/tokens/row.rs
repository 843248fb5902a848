//! One token in memory: what everybody who remembers the token holds, so that its end is seen at
//! once wherever it is remembered.

use std::sync::atomic::{AtomicI64, Ordering};

use keys::Timestamp;

use crate::record::token::OwnToken;

/// How finely it is remembered when a token was last used.
const GRAIN_S: u64 = 60;
/// In `look_at`: it has ended.
const ENDED: i64 = i64::MIN;
/// In the others: not yet.
const NEVER: i64 = i64::MIN + 1;

/// A token, and what became of it.
#[derive(Debug)]
pub struct TokenRow {
    /// The token.
    pub(crate) token: OwnToken,
    /// The moment up to which a use needs no look at the rest, in microseconds.
    look_at: AtomicI64,
    last_used: AtomicI64,
    ended_at: AtomicI64,
}

impl TokenRow {
    pub(crate) fn new(token: OwnToken) -> TokenRow {
        TokenRow {
            token,
            look_at: AtomicI64::new(NEVER),
            last_used: AtomicI64::new(NEVER),
            ended_at: AtomicI64::new(NEVER),
        }
    }

    /// Counts a use at `now`; `false` if the token was ended. Whether its time is over is for its
    /// verifier. One relaxed load, but for the first use in a minute.
    #[must_use]
    pub fn admit(&self, now: Timestamp) -> bool {
        let look_at = self.look_at.load(Ordering::Relaxed);
        now.micros() < look_at || self.count_use(look_at, now)
    }

    #[cold]
    fn count_use(&self, look_at: i64, now: Timestamp) -> bool {
        if look_at == ENDED {
            return false;
        }
        self.saw(now);
        let next = now.plus_secs(GRAIN_S).micros();
        let (relaxed, seen) = (Ordering::Relaxed, &self.look_at);
        // An end that came in between stays.
        seen.compare_exchange(look_at, next, relaxed, relaxed) != Err(ENDED)
    }

    /// It was used at `now`, as the journal says.
    pub(crate) fn saw(&self, now: Timestamp) {
        self.last_used.fetch_max(now.micros(), Ordering::Relaxed);
    }

    /// Ends it. `false` if it had ended.
    pub(crate) fn end(&self, at: Timestamp) -> bool {
        let first = self
            .ended_at
            .compare_exchange(NEVER, at.micros(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        self.look_at.store(ENDED, Ordering::Relaxed);
        first
    }

    /// Whether it was ended before its time.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.look_at.load(Ordering::Relaxed) == ENDED
    }

    /// When it was ended before its time.
    pub(crate) fn ended_at(&self) -> Option<Timestamp> {
        moment(&self.ended_at)
    }

    /// When it was last used, to within a minute.
    pub(crate) fn last_used_at(&self) -> Option<Timestamp> {
        moment(&self.last_used)
    }
}

fn moment(cell: &AtomicI64) -> Option<Timestamp> {
    let micros = cell.load(Ordering::Relaxed);
    (micros != NEVER).then(|| Timestamp::from_micros(micros))
}
