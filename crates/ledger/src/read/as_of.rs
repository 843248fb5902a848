//! A moment in the past: as a request names it, and as the log has it.

use std::fmt;
use std::str::FromStr;

use eventlog::{Log, Seq};
use keys::{Invalid, Timestamp};

use crate::caller::{Caller, READ};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::table::Key;
use crate::record::codec::recorded_at;

/// A moment in the log's past, as a request names it: `seq:7` or an RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Right after this record.
    Seq(Seq),
    /// At this time.
    Time(Timestamp),
}

impl FromStr for AsOf {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<AsOf, Invalid> {
        let malformed = Invalid::Malformed {
            expected: "seq:N or an RFC 3339 time such as 2026-01-02T03:04:05Z",
        };
        match text.strip_prefix("seq:") {
            // One spelling each: no sign, no zeros in front.
            Some(digits) => {
                let seq = digits.parse().map(Seq).map_err(|_| malformed)?;
                if seq.to_string() == digits { Ok(AsOf::Seq(seq)) } else { Err(malformed) }
            }
            None => text.parse().map(AsOf::Time).map_err(|_| malformed),
        }
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AsOf::Seq(seq) => write!(f, "seq:{seq}"),
            AsOf::Time(time) => time.fmt(f),
        }
    }
}

/// A moment of a log: how many of its records count, and the time at which a status is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub(crate) length: Seq,
    pub(crate) at: Timestamp,
}

impl Moment {
    /// The moment of `log` that `as_of` names, among its first `size` records.
    ///
    /// Right after a record it is that record's own time.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`], or a fault of the storage.
    pub fn find(log: &dyn Log, size: Seq, as_of: AsOf) -> Result<Moment, Error> {
        match as_of {
            AsOf::Seq(seq) if seq < size => {
                Ok(Moment { length: seq.next(), at: time_of(log, seq)? })
            }
            AsOf::Seq(_) => Err(Error::BeyondTheLog { length: size }),
            AsOf::Time(at) => Ok(Moment { length: first(log, size, |time| time > at)?, at }),
        }
    }

    /// Now, with whatever is there when it is looked at: nothing has to be read back.
    pub(crate) fn present(now: Timestamp) -> Moment {
        Moment { length: Seq(u64::MAX), at: now }
    }

    pub(crate) fn is_present(&self) -> bool {
        self.length == Seq(u64::MAX)
    }

    /// Whether `key` was made later, as its time alone tells: recorded times never go backwards.
    /// If not, it may still be one of a later record of the same time.
    pub(crate) fn precedes(&self, key: &Key) -> bool {
        !self.is_present() && key.created_at > self.at
    }

    /// How many records there were.
    #[must_use]
    pub fn length(&self) -> Seq {
        self.length
    }

    /// The last record that counts; `None` if there was none yet.
    #[must_use]
    pub fn seq(&self) -> Option<Seq> {
        self.length.get().checked_sub(1).map(Seq)
    }

    /// The time at which a status is judged.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

impl Ledger {
    /// The moment that `as_of` names; all that is recorded so far, and now, if it is `None`.
    /// Reads the log.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`], [`Error::InTheFuture`], [`Error::Forbidden`], or a fault of the
    /// storage.
    pub fn moment(&self, caller: &Caller, as_of: Option<AsOf>) -> Result<Moment, Error> {
        caller.require_role(READ)?;
        let state = self.state();
        let size = state.size();
        // A clock that was set back does not make what is recorded the future.
        let now = self.now().max(state.last_at());
        match as_of {
            None => Ok(Moment { length: size, at: now }),
            Some(AsOf::Time(time)) if time > now => Err(Error::InTheFuture),
            Some(as_of) => Moment::find(state.log.stored(), size, as_of),
        }
    }
}

/// The time of the record at `seq`.
pub(crate) fn time_of(log: &dyn Log, seq: Seq) -> Result<Timestamp, Error> {
    let found = log.read(seq, 1).map_err(Error::fault)?.pop();
    let stored = found.ok_or(Error::BeyondTheLog { length: seq })?;
    recorded_at(&stored.bytes).map_err(Error::fault)
}

/// The first of `size` places whose time is `late`: recorded times never go backwards.
pub(crate) fn first(
    log: &dyn Log,
    size: Seq,
    late: impl Fn(Timestamp) -> bool,
) -> Result<Seq, Error> {
    let (mut low, mut high) = (0, size.0);
    while low < high {
        let middle = u64::midpoint(low, high);
        if late(time_of(log, Seq(middle))?) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(Seq(low))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_is_a_place_or_a_time() {
        assert_eq!("seq:7".parse(), Ok(AsOf::Seq(Seq(7))));
        assert!(matches!("2026-01-02T03:04:05Z".parse(), Ok(AsOf::Time(_))));
        for bad in ["", "7", "seq:", "seq:-1", "seq:+1", "seq:07", "seq: 7", "SEQ:7", "yesterday"] {
            assert!(bad.parse::<AsOf>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_comes_back_from_its_text(seq: u64, micros: i64) {
            for as_of in [AsOf::Seq(Seq(seq)), AsOf::Time(Timestamp::from_micros(micros))] {
                prop_assert_eq!(as_of.to_string().parse::<AsOf>(), Ok(as_of));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "seq:[0-9+ -]{0,22}|[0-9TZ:.+-]{0,30}|\\PC{0,40}") {
            if let Ok(as_of) = text.parse::<AsOf>() {
                prop_assert_eq!(as_of.to_string().parse::<AsOf>(), Ok(as_of));
                if let AsOf::Seq(_) = as_of {
                    prop_assert_eq!(as_of.to_string(), text);
                }
            }
        }
    }
}
