//! How large a batch may be.
//!
//! A large one is cheap for each of its commands, and everybody in it and behind it waits for all
//! of it. While one account is alone that is its own affair. While others are about, a batch takes
//! about three times as long as a single command, or as a quarter of the largest one: less would
//! cost more than it gives.

use std::time::Duration;

use keys::Account;

/// The most commands of one batch: more would make the first ones wait for the last.
const MOST: usize = 1024;
/// The fewest that a batch may have while several accounts are about.
const FEWEST: usize = 256;
/// From how many commands on a batch tells how much longer it takes for each.
const LARGE: usize = 32;
/// For how long several accounts are about, after commands of several were seen.
const ABOUT: Duration = Duration::from_secs(1);

/// What the writer has seen of its batches.
pub(crate) struct BatchSize {
    /// How long a batch of one or two commands takes, in ns; smoothed.
    quiet_ns: u64,
    /// How much longer a batch takes for each of its commands, in ns; smoothed.
    each_ns: u64,
    last: Option<Account>,
    /// Until when several accounts are about.
    shared_until: Duration,
}

impl BatchSize {
    pub(crate) fn new() -> BatchSize {
        BatchSize { quiet_ns: 1_000_000, each_ns: 20_000, last: None, shared_until: Duration::ZERO }
    }

    /// The most commands of a batch that begins at `now`.
    pub(crate) fn most(&self, now: Duration) -> usize {
        if now >= self.shared_until {
            return MOST;
        }
        let alike = 2 * self.quiet_ns / self.each_ns.max(1);
        usize::try_from(alike).unwrap_or(MOST).clamp(FEWEST, MOST)
    }

    /// Remembers whose commands are in a batch. Accounts take turns: where there are several, the
    /// first two commands tell.
    pub(crate) fn seen<'a>(
        &mut self,
        mut accounts: impl Iterator<Item = Option<&'a Account>>,
        now: Duration,
    ) {
        let first = accounts.next().flatten();
        let second = accounts.next().flatten();
        let other = |one: Option<&Account>| one.is_some() && one != self.last.as_ref();
        if self.last.is_some() && (other(first) || other(second)) {
            self.shared_until = now.saturating_add(ABOUT);
        }
        if first.is_some() && first != self.last.as_ref() {
            self.last = first.cloned();
        }
    }

    /// Remembers how long a batch took.
    pub(crate) fn took(&mut self, commands: usize, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).min(1 << 40);
        let smooth = |before: u64, now: u64| (before * 15 + now) / 16;
        match commands {
            1 | 2 => self.quiet_ns = smooth(self.quiet_ns, took),
            0 | 3..LARGE => {}
            _ => {
                let each = took.saturating_sub(self.quiet_ns) / commands as u64;
                self.each_ns = smooth(self.each_ns, each.max(1_000));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Account {
        Account::new(name).unwrap()
    }

    fn see(pace: &mut BatchSize, names: &[&str], now: Duration) {
        let accounts: Vec<_> = names.iter().map(|name| Account::new(*name).ok()).collect();
        pace.seen(accounts.iter().map(Option::as_ref), now);
    }

    #[test]
    fn one_account_alone_has_batches_as_large_as_it_likes() {
        let (mut pace, now) = (BatchSize::new(), Duration::from_secs(5));
        for names in [&["a", "a", "a"][..], &["a"], &["*"], &["a", "*"]] {
            see(&mut pace, names, now);
            assert_eq!(pace.most(now), MOST, "{names:?}");
        }
        assert_eq!(pace.last, Some(account("a")));
    }

    #[test]
    fn beside_another_account_a_batch_takes_about_as_long_as_three() {
        let mut pace = BatchSize::new();
        let now = Duration::from_secs(5);
        see(&mut pace, &["a", "a"], now);
        for (quiet_us, each_us, expected) in
            [(5_000, 20, 500), (100, 20, FEWEST), (60_000, 10, MOST), (5_000, 0, MOST)]
        {
            for _ in 0..200 {
                pace.took(1, Duration::from_micros(quiet_us));
                pace.took(100, Duration::from_micros(quiet_us + 100 * each_us));
            }
            see(&mut pace, &["a", "b"], now);
            let most = pace.most(now);
            assert!(most.abs_diff(expected) <= expected / 20, "{quiet_us} {each_us}: {most}");
            assert_eq!(pace.most(now + ABOUT), MOST);
            see(&mut pace, &["b"], now + 3 * ABOUT);
            assert!(pace.most(now + 3 * ABOUT) <= most);
            see(&mut pace, &["a"], now);
        }
    }
}
