//! How much of the processor the delivery of events may take.
//!
//! It is paid for from a credit that grows with time, so that streams that carry more than the
//! machine can fall behind, and neither creates nor verifies wait for them. One event for a few
//! followers finds credit always, and is delivered at once.

use std::time::Duration;

use tokio::time::Instant;

/// The most credit there can be.
const BURST: Duration = Duration::from_millis(4);
/// To wake a follower and to write something, however little.
const EACH: Duration = Duration::from_micros(12);
/// Below that, the time of a write says nothing about its bytes.
const MEASURED: usize = 16 * 1024;
/// Above that, a measured time is not that of a write alone.
const LONGEST: Duration = Duration::from_millis(1);

/// The credit of delivery.
pub(super) struct Pace {
    /// In nanoseconds; below 0 after something cost more than there was.
    credit: i64,
    earned_until: Instant,
    /// How many processors there are.
    processors: u32,
    /// What delivery gets of them: one part in so many.
    share: u32,
    /// Nanoseconds that a KiB takes to be written.
    per_kib: u64,
}

impl Pace {
    pub(super) fn new(processors: usize, share: u32, now: Instant) -> Pace {
        let processors = u32::try_from(processors.max(1)).unwrap_or(u32::MAX);
        Pace { credit: nanos(BURST), earned_until: now, processors, share, per_kib: 400 }
    }

    /// Whether something may be delivered.
    pub(super) fn has_credit(&mut self, now: Instant) -> bool {
        let earned =
            now.saturating_duration_since(self.earned_until) * self.processors / self.share;
        self.earned_until = self.earned_until.max(now);
        self.credit = self.credit.saturating_add(nanos(earned)).min(nanos(BURST));
        self.credit > 0
    }

    /// When half of the burst is there: deliveries come in groups, and so do wake-ups.
    pub(super) fn next_burst(&self, now: Instant) -> Instant {
        let missing = nanos(BURST / 2).saturating_sub(self.credit);
        let missing = Duration::from_nanos(u64::try_from(missing).unwrap_or(0));
        now + missing * self.share / self.processors
    }

    /// Something of so many bytes is delivered.
    pub(super) fn deliver(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.spend(EACH + Duration::from_nanos(bytes.saturating_mul(self.per_kib) / 1024));
    }

    /// Something took that long, or a part of it: it may have had to wait for a processor.
    pub(super) fn spend(&mut self, time: Duration) {
        let time = time.min(BURST);
        self.credit = self.credit.saturating_sub(nanos(time));
    }

    /// A write of so many bytes took that long.
    pub(super) fn measured(&mut self, bytes: usize, took: Duration) {
        if bytes < MEASURED || took > LONGEST {
            return;
        }
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let per_kib = (took / (bytes as u64 / 1024)).clamp(100, 5_000);
        self.per_kib = (self.per_kib * 31 + per_kib) / 32;
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much is delivered in a second to those who always want more.
    fn delivered(processors: usize, bytes: usize, took: Duration) -> Duration {
        let begin = Instant::now();
        let (mut now, mut pace, mut count) = (begin, Pace::new(processors, 8, begin), 0);
        while now < begin + Duration::from_secs(1) {
            while pace.has_credit(now) {
                pace.deliver(bytes);
                pace.measured(bytes, took);
                count += 1;
            }
            now = pace.next_burst(now) + Duration::from_micros(1);
        }
        took * count
    }

    #[test]
    fn delivery_takes_its_share_and_no_more() {
        for (processors, took) in [(1, 30), (2, 30), (2, 200), (8, 200)] {
            let share = Duration::from_millis(125 * processors as u64);
            let took = delivered(processors, 64 * 1024, Duration::from_micros(took));
            assert!(took > share / 2 && took < share * 11 / 10, "{processors}: {took:?}");
        }
    }

    #[test]
    fn after_a_rest_there_is_credit_for_a_few_at_once() {
        let begin = Instant::now();
        let mut pace = Pace::new(2, 8, begin);
        for _ in 0..100 {
            pace.spend(Duration::from_secs(1));
        }
        assert!(!pace.has_credit(begin));
        assert!(pace.next_burst(begin) > begin + Duration::from_secs(1));
        let rested = begin + Duration::from_secs(100);
        assert!(pace.has_credit(rested));
        let mut count = 0;
        while pace.has_credit(rested) {
            pace.deliver(700);
            count += 1;
        }
        assert!((100..1_000).contains(&count), "{count}");
    }
}
