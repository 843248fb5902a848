//! When a message that could not be delivered is tried again.

/// The pause after the first failure, in milliseconds.
const FIRST_MS: i64 = 1_000;
/// The pause after `failures` failures of a message, in microseconds: twice the one before, at most
/// `longest_us`, of which `random` (any number) takes off up to a half, so that many messages that
/// failed together do not come back together.
pub(crate) fn pause_us(failures: u32, random: u32, longest_us: i64) -> i64 {
    let doublings = failures.saturating_sub(1).min(32);
    let most_ms = longest_us / 1_000;
    let pause = FIRST_MS.checked_shl(doublings).unwrap_or(most_ms).min(most_ms);
    (pause - pause / 2 * i64::from(random) / i64::from(u32::MAX)) * 1_000
}

/// A random number for [`pause_us`]; without one, no spread.
pub(crate) fn spread() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_or(0, |()| u32::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIX_HOURS: i64 = 6 * 3_600_000_000;

    #[test]
    fn pauses_double_up_to_six_hours() {
        let pauses =
            [1, 2, 3, 4, 14, 15, 16, 40, u32::MAX].map(|failures| pause_us(failures, 0, SIX_HOURS));
        let seconds = pauses.map(|pause| pause / 1_000_000);
        assert_eq!(seconds, [1, 2, 4, 8, 8192, 16384, 21600, 21600, 21600]);
    }

    #[test]
    fn a_spread_takes_off_at_most_a_half() {
        for failures in [1, 7, 30] {
            let whole = pause_us(failures, 0, SIX_HOURS);
            assert_eq!(pause_us(failures, u32::MAX, SIX_HOURS), whole - whole / 2);
            let some = pause_us(failures, spread(), SIX_HOURS);
            assert!((whole - whole / 2..=whole).contains(&some), "{some}");
        }
    }

    /// Three days are enough for a receiver that is down over a long weekend's night, and not so
    /// many attempts that it is overrun.
    #[test]
    fn three_days_are_some_thirty_attempts() {
        let (mut spent, mut attempts) = (0, 0);
        while spent < 3 * 86_400 * 1_000_000_i64 {
            attempts += 1;
            spent += pause_us(attempts, 0, SIX_HOURS);
        }
        assert!((20..40).contains(&attempts), "{attempts}");
    }
}
