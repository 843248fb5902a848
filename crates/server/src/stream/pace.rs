//! A limit on the processor time that the delivery of events may use: a token bucket.
//!
//! The credit grows with time and each delivery is charged to it. Streams that carry more than the
//! machine can deliver fall behind, and creates and verifies are not delayed. One event for a few
//! streams always finds credit, and is delivered immediately.

use std::time::Duration;

use tokio::time::Instant;

/// The capacity of the bucket.
const BURST: Duration = Duration::from_millis(4);
/// The cost of one delivery regardless of its size: waking a task and one write.
const BASE_COST: Duration = Duration::from_micros(12);
/// The time of a shorter write does not depend on its bytes.
const MEASURED: usize = 16 * 1024;
/// A longer measured time includes more than the write.
const LONGEST: Duration = Duration::from_millis(1);

/// The credit of delivery.
pub(super) struct Pace {
    /// In nanoseconds; negative after a charge that exceeded it.
    credit: i64,
    earned_until: Instant,
    /// The number of processors.
    processors: u32,
    /// Delivery may use one part in this many of their time.
    divisor: u32,
    /// The nanoseconds that writing 1 KiB takes; smoothed.
    per_kib: u64,
}

impl Pace {
    pub(super) fn new(processors: usize, divisor: u32, now: Instant) -> Pace {
        let processors = u32::try_from(processors.max(1)).unwrap_or(u32::MAX);
        Pace { credit: nanos(BURST), earned_until: now, processors, divisor, per_kib: 400 }
    }

    /// Whether something may be delivered.
    pub(super) fn has_credit(&mut self, now: Instant) -> bool {
        let earned =
            now.saturating_duration_since(self.earned_until) * self.processors / self.divisor;
        self.earned_until = self.earned_until.max(now);
        self.credit = self.credit.saturating_add(nanos(earned)).min(nanos(BURST));
        self.credit > 0
    }

    /// When the bucket is half full again, so that deliveries and wake-ups are grouped.
    pub(super) fn next_burst(&self, now: Instant) -> Instant {
        let missing = nanos(BURST / 2).saturating_sub(self.credit);
        let missing = Duration::from_nanos(u64::try_from(missing).unwrap_or(0));
        now + missing * self.divisor / self.processors
    }

    /// Charges the delivery of `bytes`.
    pub(super) fn deliver(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.spend(BASE_COST + Duration::from_nanos(bytes.saturating_mul(self.per_kib) / 1024));
    }

    /// Charges `time`, at most one burst: a measured time may include waiting for a processor.
    pub(super) fn spend(&mut self, time: Duration) {
        let time = time.min(BURST);
        self.credit = self.credit.saturating_sub(nanos(time));
    }

    /// Adjusts the cost of a byte by a measured write.
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

    /// The time spent on deliveries in one second of unlimited demand.
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
