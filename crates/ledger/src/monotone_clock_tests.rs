//! Clocks that are set back, and clocks that run away.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keys::{Question, Verdict};

use super::*;
use crate::testing::{ManualClock, draft, owner};
use crate::{Ledger, Options, RequestOptions};

/// A clock whose time of day can be set without time passing.
struct SetClock {
    passing: Arc<ManualClock>,
    set_by: AtomicI64,
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let set_by = self.set_by.load(Ordering::SeqCst);
        Timestamp::from_micros(self.passing.now().micros() + set_by * 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        self.passing.monotonic()
    }

    fn wait(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.passing.wait(until)
    }
}

/// What came of a key with an hour to live, at each of these (seconds passed, seconds set by).
async fn verdicts(moments: &[(i64, i64)]) -> Vec<Verdict> {
    let passing = ManualClock::new();
    let clock = Arc::new(SetClock { passing: Arc::clone(&passing), set_by: AtomicI64::new(0) });
    let log = Arc::new(eventlog::memory::MemoryLog::new());
    let options = Options { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Options::default() };
    let ledger = Ledger::open(log, options, &mut |_| {}).unwrap();
    let made = ledger.create(&owner(), draft(Some(3600)), RequestOptions::default()).await.unwrap();
    let secret = made.secret.unwrap();
    let judged = moments.iter().map(|&(passed, set_by)| {
        passing.advance(passed);
        clock.set_by.store(set_by, Ordering::SeqCst);
        ledger.verify(&owner(), secret.reveal(), &Question::default()).unwrap().verdict
    });
    judged.collect()
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_key_good_again() {
    use Verdict::{Expired, Valid};
    for (what, moments, want) in [
        (
            "an hour",
            &[(0, 0), (3600, 0), (1, -3600), (1, -10)][..],
            vec![Valid, Expired, Expired, Expired],
        ),
        ("a second, just after", &[(3600, 0), (0, -1)], vec![Expired, Expired]),
        ("while it is good", &[(10, 0), (0, -3600), (3589, -3600)], vec![Valid, Valid, Valid]),
        // A clock that ran away to the next century does not end the key for ever.
        ("from far ahead", &[(1, 3_000_000_000), (1, 0), (3600, 0)], vec![Expired, Valid, Expired]),
    ] {
        assert_eq!(verdicts(moments).await, want, "{what}");
    }
}

#[test]
fn time_is_what_was_seen_last() {
    let passing = ManualClock::new();
    let clock = SetClock { passing: Arc::clone(&passing), set_by: AtomicI64::new(0) };
    let reached = MonotoneClock::new(60);
    let start = reached.now(&clock);
    // What is not remembered of a second is remembered of a key that was past its due time.
    let due = Timestamp::from_micros(start.micros() + 500_000);
    reached.met_due(due);
    assert_eq!(reached.now(&clock), due);
    clock.set_by.store(-3600, Ordering::SeqCst);
    assert_eq!(reached.now(&clock), due);
    passing.advance(3601);
    assert_eq!(reached.now(&clock), start.plus_secs(1));
}
