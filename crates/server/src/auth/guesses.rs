//! How often keys may be guessed where a key alone proves who calls.
//!
//! Each address has a burst of wrong guesses, and then one in a second; right ones cost nothing. The
//! addresses share a fixed number of cells, so that many addresses take no memory: two that fall
//! into one cell share its guesses. By which cell is not known outside.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::ApiError;
use crate::http::admission::counted_as;

/// Wrong guesses that an address has at once.
const BURST: u32 = 20;
/// In which time it gets another one.
const INTERVAL: Duration = Duration::from_secs(1);
/// Cells that all addresses share.
const CELLS: usize = 4_096;

/// The wrong guesses of all addresses, counted with the generic cell rate algorithm. A library has
/// it too (`governor`), but counts what is asked for, not what turned out wrong.
pub(crate) struct Guesses {
    started: Instant,
    hasher: RandomState,
    /// When all guesses of a cell are given back, in nanoseconds since the start.
    cells: Box<[AtomicU64]>,
    wrong: AtomicU64,
}

impl Guesses {
    pub(crate) fn new() -> Guesses {
        Guesses {
            started: Instant::now(),
            hasher: RandomState::new(),
            cells: (0..CELLS).map(|_| AtomicU64::new(0)).collect(),
            wrong: AtomicU64::new(0),
        }
    }

    /// Wrong guesses since the start.
    pub(crate) fn wrong(&self) -> u64 {
        self.wrong.load(Ordering::Relaxed)
    }

    /// What `guess` finds for the client at `address`, unless it has guessed wrong too often.
    pub(crate) fn check<T>(
        &self,
        address: Option<IpAddr>,
        guess: impl FnOnce() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.check_at(address, self.started.elapsed(), guess)
    }

    fn check_at<T>(
        &self,
        address: Option<IpAddr>,
        now: Duration,
        guess: impl FnOnce() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let place = self.hasher.hash_one(address.map(counted_as));
        let place = usize::try_from(place % CELLS as u64).unwrap_or_default();
        let Some(cell) = self.cells.get(place) else { return guess() };
        let (now, interval) = (nanos(now), nanos(INTERVAL));
        let most = now + interval * u64::from(BURST - 1);
        let wait = cell.load(Ordering::Relaxed).saturating_sub(most);
        if wait > 0 {
            let seconds = Duration::from_nanos(wait).as_secs() + 1;
            return Err(ApiError::rate_limited("too many texts that are no key", seconds));
        }
        guess().inspect_err(|_| {
            self.wrong.fetch_add(1, Ordering::Relaxed);
            let after = |free: u64| Some(free.max(now) + interval);
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after);
        })
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn wrong() -> Result<(), ApiError> {
        Err(ApiError::no_key())
    }

    #[test]
    fn one_address_guesses_a_few_times_and_then_slowly() {
        let guesses = Guesses::new();
        let greedy = "192.0.2.1".parse().ok();
        let code = |address, at, guess: fn() -> Result<(), ApiError>| {
            let answer = guesses.check_at(address, Duration::from_secs(at), guess);
            answer.err().map(|error| error.code)
        };
        for _ in 0..BURST {
            assert_eq!(code(greedy, 5, wrong), Some(Code::Unauthenticated));
        }
        // A right one is not looked at either: it would be a guess that costs nothing.
        for guess in [wrong, || Ok(())] {
            assert_eq!(code(greedy, 5, guess), Some(Code::RateLimited));
        }
        assert_eq!(guesses.wrong(), u64::from(BURST));
        assert_eq!(code(greedy, 6, wrong), Some(Code::Unauthenticated));
        assert_eq!(code(greedy, 6, wrong), Some(Code::RateLimited));
        assert_eq!(code(greedy, 7, || Ok(())), None);
        for _ in 0..100 {
            assert_eq!(code(greedy, 7, || Ok(())), None, "right ones cost nothing");
        }
        // Others are not in its way, but for the few that share its cell.
        let others = (0..=255).filter(|last| {
            code(Some(IpAddr::from([198, 51, 100, *last])), 6, wrong)
                .is_some_and(|code| code == Code::RateLimited)
        });
        assert!(others.count() < 10);
    }
}
