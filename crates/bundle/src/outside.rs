//! Outside times: what a log had at a moment, by the word of somebody else than its operator.
//!
//! A log that had `size` records at the time `at` recorded those before it earlier, and those from
//! it on later: so each record lies between two moments that its operator did not choose.

use keys::Timestamp;

use crate::freshness::CLOCKS_DIFFER_S;
use crate::refused::Invalid;

/// An outside time. The log itself signed for that size; that it had done so by then is what somebody else
/// vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideTime {
    /// How many records the log had.
    pub size: u64,
    /// When.
    pub at: Timestamp,
    /// Who says so.
    pub by: String,
}

/// What outside times say about the records of a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// How many times there are.
    pub times: usize,
    /// The first and the last of them.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many records lie between two of them.
    pub between: u64,
    /// The two that are furthest apart with a record between them: by how many microseconds.
    pub widest_us: u64,
    /// How many records lie before the first.
    pub before: u64,
    /// How many lie after the last.
    pub after: u64,
}

/// Between which sizes the records are that one of these is the bound of.
struct Step {
    size: u64,
    /// The latest time of this size and all smaller ones.
    latest: Timestamp,
    /// The earliest time of this size and all larger ones.
    earliest: Timestamp,
}

/// The bounds that outside times are for records, which come in order.
pub(crate) struct Bounds {
    steps: Vec<Step>,
    /// How many of the steps are of no more records than came.
    passed: usize,
    placed: Placed,
}

impl Bounds {
    /// Of these times, in any order.
    ///
    /// # Errors
    ///
    /// [`Invalid::OutsideTimes`] if a larger log is older than a smaller one, by more than clocks differ.
    pub(crate) fn new(mut times: Vec<OutsideTime>) -> Result<Bounds, Invalid> {
        times.sort_by_key(|time| (time.size, time.at));
        let (first, last) =
            (times.iter().map(|time| time.at).min(), times.iter().map(|time| time.at).max());
        let placed = Placed { times: times.len(), span: first.zip(last), ..Placed::default() };
        let mut steps: Vec<Step> = Vec::new();
        for OutsideTime { size, at, .. } in &times {
            let before = steps.last_mut().filter(|step| step.size == *size);
            if let Some(same) = before {
                same.latest = same.latest.max(*at);
                continue;
            }
            let latest = steps.last().map_or(*at, |step| step.latest.max(*at));
            steps.push(Step { size: *size, latest, earliest: *at });
        }
        let mut earliest = Timestamp::MAX;
        for step in steps.iter_mut().rev() {
            step.earliest = step.earliest.min(earliest);
            earliest = step.earliest;
        }
        for pair in steps.windows(2) {
            if let [smaller, larger] = pair
                && smaller.latest > larger.earliest.plus_secs(CLOCKS_DIFFER_S)
            {
                let (size, at) = (smaller.size, smaller.latest.to_string());
                let (larger, later) = (larger.size, larger.earliest.to_string());
                return Err(Invalid::OutsideTimes { size, at, larger, later });
            }
        }
        Ok(Bounds { steps, passed: 0, placed })
    }

    /// Takes the next record, which says that it was recorded at `at`.
    ///
    /// # Errors
    ///
    /// [`Invalid::Backdated`], [`Invalid::Postdated`].
    pub(crate) fn take(&mut self, seq: u64, at: Timestamp) -> Result<(), Invalid> {
        if self.steps.is_empty() {
            return Ok(());
        }
        while self.steps.get(self.passed).is_some_and(|step| step.size <= seq) {
            self.passed += 1;
        }
        let before = self.passed.checked_sub(1).and_then(|place| self.steps.get(place));
        let after = self.steps.get(self.passed);
        if let Some(before) = before
            && before.latest > at.plus_secs(CLOCKS_DIFFER_S)
        {
            let (at, outside) = (at.to_string(), before.latest.to_string());
            return Err(Invalid::Backdated { seq, at, outside });
        }
        if let Some(after) = after
            && at > after.earliest.plus_secs(CLOCKS_DIFFER_S)
        {
            let (at, outside) = (at.to_string(), after.earliest.to_string());
            return Err(Invalid::Postdated { seq, at, outside });
        }
        match (before, after) {
            (Some(before), Some(after)) => {
                self.placed.between += 1;
                let width = after.earliest.micros_since(before.latest);
                self.placed.widest_us = self.placed.widest_us.max(width);
            }
            (None, _) => self.placed.before += 1,
            (Some(_), None) => self.placed.after += 1,
        }
        Ok(())
    }

    /// What the records that came were placed between.
    pub(crate) fn placed(&self) -> Placed {
        self.placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + seconds)
    }

    fn bounds(times: &[(u64, i64)]) -> Result<Bounds, Invalid> {
        let time = |&(size, seconds)| OutsideTime { size, at: at(seconds), by: String::new() };
        Bounds::new(times.iter().map(time).collect())
    }

    #[test]
    fn records_lie_between_the_times_of_their_neighbours() {
        // In no order, two of one size, and one that is of nothing yet.
        let times = [(5, 2_000), (2, 1_000), (0, 0), (5, 2_600), (7, 90_000)];
        let mut bounds = bounds(&times).unwrap();
        for (seq, seconds) in [(0, 1), (1, 1_300), (2, 700), (4, 2_300), (5, 2_300), (6, 2_601)] {
            bounds.take(seq, at(seconds)).unwrap();
        }
        bounds.take(7, at(89_700)).unwrap();
        let placed = bounds.placed();
        assert_eq!((placed.between, placed.before, placed.after), (6, 0, 1));
        assert_eq!((placed.times, placed.span), (5, Some((at(0), at(90_000)))));
        // From the last time of 5 records to that of 7.
        assert_eq!(placed.widest_us, (90_000 - 2_600) * 1_000_000);
    }

    #[test]
    fn what_lies_beyond_is_found() {
        for (seq, seconds, found) in [
            (0, 1_300, None),
            (0, 1_301, Some("postdated")),
            (1, -90_000, None),
            (2, 700, None),
            (2, 699, Some("backdated")),
            (2, 2_301, Some("postdated")),
            (9, 1_699, Some("backdated")),
            (9, 900_000, None),
        ] {
            let taken = bounds(&[(2, 1_000), (5, 2_000)]).unwrap().take(seq, at(seconds));
            let sentence = taken.err().map(|error| error.to_string());
            let fits = match (&sentence, found) {
                (Some(sentence), Some(word)) => sentence.contains(word),
                (sentence, word) => sentence.is_none() && word.is_none(),
            };
            assert!(fits, "{seq} {seconds}: {sentence:?}");
        }
    }

    #[test]
    fn times_do_not_go_back_as_the_log_grows() {
        for (times, good) in [
            (&[(1, 1_000), (2, 700)][..], true),
            (&[(1, 1_000), (2, 699)], false),
            (&[(1, 1_000), (1, 0)], true),
            (&[(1, 1_000), (2, 5_000), (3, 600)], false),
            (&[(3, 0), (1, 1_000)], false),
            (&[], true),
        ] {
            assert_eq!(bounds(times).is_ok(), good, "{times:?}");
        }
    }
}
