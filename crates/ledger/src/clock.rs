//! Time, as something that is handed in.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keys::Timestamp;

/// Tells the time. The service uses [`SystemClock`]; tests use one that they move.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Time that only goes forward, from any start: what the time of day is held against.
    fn monotonic(&self) -> Duration;

    /// Waits until it is `until`, or a little while if that is long: the caller looks again.
    fn wait(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock { start: Instant::now() }
    }
}

/// The time of day lies before 1970, which no record can have been made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock of this machine says a time before 1970; set it, and start again")]
pub struct BeforeEpoch;

impl SystemClock {
    /// Whether the time of day can be used at all.
    ///
    /// The storage engine gives up when it cannot count from 1970, which then looks like damage of
    /// the log: whoever opens one checks this first.
    ///
    /// # Errors
    ///
    /// [`BeforeEpoch`]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time of day")]
    pub fn check() -> Result<(), BeforeEpoch> {
        since_epoch(SystemTime::now()).map(|_| ())
    }
}

fn since_epoch(time: SystemTime) -> Result<Duration, BeforeEpoch> {
    time.duration_since(UNIX_EPOCH).map_err(|_| BeforeEpoch)
}

/// The longest wait: the time of day may be set meanwhile, and nobody tells.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time of day")]
    fn now(&self) -> Timestamp {
        let since = since_epoch(SystemTime::now()).unwrap_or(Duration::ZERO);
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wait(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let left = Duration::from_micros(until.micros_since(self.now()));
        Box::pin(tokio::time::sleep(left.min(LONGEST_WAIT)))
    }
}

/// Notices when the time of day runs away from the monotonic clock, or lies behind the log.
#[derive(Debug)]
pub(crate) struct StepGuard {
    most: i64,
    /// Time of day less monotonic time, in µs, when they were last seen to agree.
    agreed: Option<i64>,
}

impl StepGuard {
    pub(crate) fn new(most_s: u64) -> StepGuard {
        let most = i64::try_from(most_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        StepGuard { most, agreed: None }
    }

    /// Whether the clocks agree. `last` is the time of the log's last record.
    pub(crate) fn agrees(&mut self, clock: &dyn Clock, last: Timestamp) -> bool {
        let now = clock.now();
        let monotonic = i64::try_from(clock.monotonic().as_micros()).unwrap_or(i64::MAX);
        let offset = now.micros().saturating_sub(monotonic);
        let behind = last.micros().saturating_sub(now.micros());
        let stepped =
            self.agreed.is_some_and(|agreed| offset.saturating_sub(agreed).abs() > self.most);
        if stepped || behind > self.most {
            return false;
        }
        self.agreed = Some(offset);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_is_no_time() {
        let second = Duration::from_secs(1);
        assert_eq!(since_epoch(UNIX_EPOCH + second), Ok(second));
        assert_eq!(since_epoch(UNIX_EPOCH - second), Err(BeforeEpoch));
        assert_eq!(SystemClock::check(), Ok(()));
    }
}
