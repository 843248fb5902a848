//! Two writers of one log: each reads what the other appended.

use eventlog::memory::MemoryLog;
use eventlog::{AppendError, Seq};

use super::{append, assert_proved, open, records};
use crate::ReplayError;

#[test]
fn two_writers_of_one_log_sign_the_same_tree() {
    let log = MemoryLog::new();
    let (one, two) = (open(&log), open(&log));
    for round in 0..6 {
        let (first, second) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        append(first, 130);
        // The other one decided on what was true before.
        let stale = Seq(first.length().0 - 130);
        let conflict = second.append(stale, &records(0, 1)).unwrap_err();
        let AppendError::Conflict { length } = conflict else { panic!("{conflict}") };
        let mut caught_up = 0;
        second
            .catch_up(
                length,
                |_| Ok::<_, ReplayError>(()),
                |chunk| caught_up += chunk.iter().count(),
            )
            .unwrap();
        assert_eq!(caught_up, 130);
        assert_eq!(
            one.head().checkpoint().unwrap(),
            two.head().checkpoint().unwrap(),
            "round {round}"
        );
    }
    assert_proved(&one);
}

/// It was signed once with the leaves missing that the failed attempt had read.
#[test]
fn a_replay_that_ended_halfway_goes_on_where_it_was() {
    // With a tile that is complete behind the failure, and without one.
    for (length, refused) in [(5_000, 4_321), (4_100, 4_098)] {
        let log = MemoryLog::new();
        let (one, other) = (open(&log), open(&log));
        append(&other, length);
        let mut failing = true;
        let mut seen = 0;
        let mut decode = |stored: &eventlog::Record| {
            if failing && stored.seq == Seq(refused) {
                failing = false;
                return Err(ReplayError::Ended { end: stored.seq, length: Seq(length) });
            }
            Ok(())
        };
        let first =
            one.catch_up(Seq(length), &mut decode, |chunk| seen += chunk.into_records().count());
        assert!(first.is_err(), "{length}");
        one.catch_up(Seq(length), &mut decode, |chunk| seen += chunk.into_records().count())
            .unwrap();
        assert_eq!(seen as u64, length, "each record once");
        assert_eq!(one.head().checkpoint().unwrap(), other.head().checkpoint().unwrap());
        append(&one, 1);
        assert_proved(&one);
    }
}
