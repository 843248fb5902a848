//! The limit on the size of a batch.
//!
//! A large batch costs less for each command, but every command in it and after it waits for the
//! whole batch. With one active account the limit is [`MOST`]. With several, the limit is the number
//! of commands for which a batch takes about three times as long as a single command, and at least
//! [`FEWEST`]: a smaller one would cost more throughput than it saves time.
//!
//! What it buys: beside an account that fills the queue, the commands of another account wait less than
//! a third as long, for an eighth less throughput of the first one (`benches/tricks.rs`, which runs the
//! queue with and without it on a simulated disk). The plain way is [`MOST`] always; the replies do
//! not depend on it, as the ledger's tests show.

use std::time::Duration;

use keys::Account;

/// The most commands of one batch: more would make the first ones wait for the last.
const MOST: usize = 1024;
/// The lowest limit while several accounts are active.
const FEWEST: usize = 256;
/// A batch of at least this many commands measures the time of each command.
const LARGE: usize = 32;
/// How long several accounts count as active after commands of several were seen.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// The measurements that the limit is computed from.
pub(crate) struct BatchSize {
    /// The time of a batch of one or two commands, in ns; smoothed.
    quiet_ns: u64,
    /// The additional time of a batch for each command, in ns; smoothed.
    each_ns: u64,
    last: Option<Account>,
    /// Until when several accounts count as active.
    shared_until: Duration,
}

impl BatchSize {
    pub(crate) fn new() -> BatchSize {
        BatchSize { quiet_ns: 1_000_000, each_ns: 20_000, last: None, shared_until: Duration::ZERO }
    }

    /// The limit for a batch that begins at `now`.
    pub(crate) fn most(&self, now: Duration) -> usize {
        if now >= self.shared_until {
            return MOST;
        }
        let alike = 2 * self.quiet_ns / self.each_ns.max(1);
        usize::try_from(alike).unwrap_or(MOST).clamp(FEWEST, MOST)
    }

    /// Records the accounts of a batch. The queue serves accounts in turn, so with several of them
    /// the first two commands are of different ones.
    pub(crate) fn seen<'a>(
        &mut self,
        mut accounts: impl Iterator<Item = Option<&'a Account>>,
        now: Duration,
    ) {
        let first = accounts.next().flatten();
        let second = accounts.next().flatten();
        let other = |one: Option<&Account>| one.is_some() && one != self.last.as_ref();
        if self.last.is_some() && (other(first) || other(second)) {
            self.shared_until = now.saturating_add(SHARED_FOR);
        }
        if first.is_some() && first != self.last.as_ref() {
            self.last = first.cloned();
        }
    }

    /// Records the time of a batch.
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
            assert_eq!(pace.most(now + SHARED_FOR), MOST);
            see(&mut pace, &["b"], now + 3 * SHARED_FOR);
            assert!(pace.most(now + 3 * SHARED_FOR) <= most);
            see(&mut pace, &["a"], now);
        }
    }
}
