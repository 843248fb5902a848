//! How often an account may change and read, and how many keys it may have.
//!
//! The rates are counted with the generic cell rate algorithm, per account; callers of all
//! accounts are counted together. Nobody waits here for another account.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use keys::{Account, KeyId};

use crate::caller::{Caller, Identity, OWN_KEY, Scope, Via};
use crate::error::Error;

/// What one account may have and do. `None` is without bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quotas {
    /// Keys, whatever their status: all are in memory, and for ever in the log.
    pub keys: Option<u64>,
    /// Changes in a second. As many may come at once.
    pub changes_per_s: Option<NonZeroU32>,
    /// Requests in a second that read keys or the trail. As many may come at once.
    pub reads_per_s: Option<NonZeroU32>,
}

/// The rates of all accounts.
pub(crate) struct Rates {
    changes: Option<Rate>,
    reads: Option<Rate>,
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Payer {
    /// Callers of all accounts.
    All,
    /// The callers of an account, whatever they see of it.
    Account(Account),
    /// A key that calls with its own text: whoever found it takes nothing from its account.
    Key(KeyId),
}

impl Payer {
    fn of(caller: &Caller) -> Payer {
        let Identity { scope, roles, via, .. } = &*caller.identity;
        match (scope, via) {
            (_, Via::Key(id)) if roles.any(OWN_KEY) => Payer::Key(*id),
            (Scope::All, _) => Payer::All,
            (Scope::Account(account), _) => Payer::Account(account.clone()),
        }
    }
}

struct Rate {
    /// What is counted at once at most.
    most: NonZeroU32,
    limiter: RateLimiter<Payer, DashMapStateStore<Payer>, DefaultClock, NoOpMiddleware>,
    clock: DefaultClock,
}

impl Rates {
    pub(crate) fn new(quotas: &Quotas) -> Rates {
        Rates {
            changes: quotas.changes_per_s.map(Rate::new),
            reads: quotas.reads_per_s.map(Rate::new),
        }
    }

    /// Counts a change of so many keys. The ledger's own are not counted.
    pub(crate) fn change(&self, caller: &Caller, keys: usize) -> Result<(), Error> {
        match &self.changes {
            Some(rate) if caller.identity.via != Via::Worker => rate.count(caller, keys),
            Some(_) | None => Ok(()),
        }
    }

    /// The most keys that may be changed at once.
    pub(crate) fn most_changes(&self) -> usize {
        let most = self.changes.as_ref().map(|rate| rate.most.get());
        most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX)
    }

    /// Counts a request that reads.
    pub(crate) fn read(&self, caller: &Caller) -> Result<(), Error> {
        self.reads.as_ref().map_or(Ok(()), |rate| rate.count(caller, 1))
    }

    /// Forgets accounts that have done nothing lately: they may do everything again.
    pub(crate) fn forget(&self) {
        for rate in [&self.changes, &self.reads].into_iter().flatten() {
            rate.limiter.retain_recent();
            rate.limiter.shrink_to_fit();
        }
    }
}

impl Rate {
    fn new(per_s: NonZeroU32) -> Rate {
        Rate {
            most: per_s,
            limiter: RateLimiter::keyed(Quota::per_second(per_s)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts so many at once, or as many as ever may come at once.
    fn count(&self, caller: &Caller, times: usize) -> Result<(), Error> {
        let times = u32::try_from(times).ok().and_then(NonZeroU32::new).unwrap_or(self.most);
        let counted = self.limiter.check_key_n(&Payer::of(caller), times.min(self.most));
        // No more than may come at once: the outer error is none.
        counted.unwrap_or(Ok(())).map_err(|until| {
            let left = until.wait_time_from(self.clock.now());
            // Whole seconds, and never none: it would be refused again.
            Error::RateLimited { retry_after_s: left.as_secs().saturating_add(1) }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eventlog::memory::MemoryLog;
    use eventlog::{Log, Seq};
    use keys::{Refusal, Rotation};

    use super::*;
    use crate::testing::{ManualClock, caller, decoder, draft, open_with, owner};
    use crate::{Auditor, Change, Changes, Options, RequestOptions, Role};

    fn rates(per_s: u32) -> Rates {
        let per_s = NonZeroU32::new(per_s);
        Rates::new(&Quotas { keys: None, changes_per_s: per_s, reads_per_s: per_s })
    }

    #[test]
    fn one_account_that_does_too_much_is_told_and_no_other_one() {
        let rates = rates(3);
        let (greedy, other) = (caller(Some("acme"), Role::Owner), caller(Some("b"), Role::Owner));
        let all = caller(None, Role::Admin);
        let refused = (0..10).filter(|_| rates.change(&greedy, 1).is_err()).count();
        assert!(refused >= 6, "{refused}");
        let refused_again = rates.change(&greedy, 1);
        assert!(
            matches!(refused_again, Err(Error::RateLimited { retry_after_s: 1 })),
            "{refused_again:?}"
        );
        for caller in [&other, &all] {
            assert!(rates.change(caller, 1).is_ok());
        }
        // Reads are counted apart from changes.
        assert!(rates.read(&greedy).is_ok());
        // The expiry worker acts for everybody.
        for _ in 0..10 {
            assert!(rates.change(&crate::caller::worker(), 1).is_ok());
        }
    }

    /// Decided by the writer, with what waits beside it; and a log made under one limit is lawful
    /// under any other.
    #[tokio::test]
    async fn an_account_has_no_more_keys_than_it_may_have() {
        let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
        let quotas = Quotas { keys: Some(5), ..Quotas::default() };
        let options = Options { quotas, ..Options::default() };
        let ledger = open_with(Arc::clone(&log), &clock, options).unwrap();
        let owner = owner();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (ledger, owner) = (ledger.clone(), owner.clone());
            tasks.spawn(async move {
                ledger.create(&owner, draft(None), RequestOptions::default()).await
            });
        }
        let made: Vec<_> = tasks.join_all().await.into_iter().filter_map(Result::ok).collect();
        assert_eq!(made.len(), 5);
        let id = made[0].key.key.id;
        let full = |answer: Result<crate::Created, Error>| {
            assert!(matches!(answer, Err(Error::Refused(Refusal::KeyLimit(5)))), "{answer:?}");
        };
        let rehearsal = RequestOptions { dry_run: true, ..RequestOptions::default() };
        full(ledger.create(&owner, draft(None), rehearsal).await);
        let (changes, rotation) = (Changes::default(), Rotation::new(0).unwrap());
        full(ledger.rotate(&owner, id, changes, rotation, RequestOptions::default()).await);
        // A revoked key is there for ever; another account has its own count.
        let revoke = Change::Revoke(keys::Revocation::default());
        ledger.change(&owner, id, revoke, RequestOptions::default()).await.unwrap();
        full(ledger.create(&owner, draft(None), RequestOptions::default()).await);
        let other = caller(Some("b"), Role::Owner);
        ledger.create(&other, draft(None), RequestOptions::default()).await.unwrap();

        // An operator who lowers the limit takes nothing back.
        let quotas = Quotas { keys: Some(2), ..Quotas::default() };
        let ledger =
            open_with(Arc::clone(&log), &clock, Options { quotas, ..Options::default() }).unwrap();
        let refused = ledger.create(&owner, draft(None), RequestOptions::default()).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::KeyLimit(2)))), "{refused:?}");
        let mut auditor = Auditor::whole();
        for stored in log.read(Seq(0), usize::MAX).unwrap() {
            let read = decoder().read(stored.seq, &stored.bytes).unwrap();
            auditor.push(&read).unwrap();
        }
        assert_eq!(auditor.keys(), 6);
    }

    /// A change of many keys counts as many changes, but never more than may come at once.
    #[test]
    fn many_keys_at_once_are_many_changes() {
        let rates = rates(100);
        assert_eq!(rates.most_changes(), 100);
        let (a, b) = (caller(Some("a"), Role::Owner), caller(Some("b"), Role::Owner));
        assert!(rates.change(&a, 60).is_ok());
        assert!(matches!(rates.change(&a, 60), Err(Error::RateLimited { retry_after_s: 1 })));
        assert!(rates.change(&b, 5_000).is_ok());
        assert!(rates.change(&b, 90).is_err());
    }

    #[test]
    fn without_quotas_everything_goes() {
        let rates = Rates::new(&Quotas::default());
        let owner = caller(Some("acme"), Role::Owner);
        assert!((0..1000).all(|_| rates.change(&owner, 1).is_ok() && rates.read(&owner).is_ok()));
    }
}
