//! What the ledger's own tests share: callers, drafts, a clock that tests move.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use eventlog::Log;
use keys::{
    Account, AllowedIps, Dialect, Environment, KeyName, Kind, Metadata, Subject, Timestamp,
};

use crate::{
    Ask, Caller, Clock, Draft, Duty, Expiry, Identity, Ledger, OpenError, Options, Origin, Rules,
    Scope, Via,
};

/// Stands still until it is moved.
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn new() -> Arc<ManualClock> {
        Arc::new(ManualClock(AtomicI64::new(1_700_000_000_000_000)))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    fn wait(&self, _: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

pub(crate) fn caller(account: Option<&str>, duty: Duty) -> Caller {
    Caller {
        identity: Arc::new(Identity {
            subject: Subject::new("ann").unwrap(),
            scope: account.map_or(Scope::All, |name| Scope::Account(Account::new(name).unwrap())),
            duties: [duty].into_iter().collect(),
            via: Via::Token { issuer: "test".into(), jti: None },
        }),
        dialect: Dialect::Native,
        origin: Origin::default(),
    }
}

pub(crate) fn owner() -> Caller {
    caller(Some("acme"), Duty::Owner)
}

pub(crate) fn draft(ttl_s: Option<u64>) -> Draft {
    Draft {
        account: None,
        owner: None,
        name: Some(KeyName::new("ci").unwrap()),
        description: None,
        kind: Kind::Secret,
        environment: Environment::Live,
        role: None,
        permissions: Box::default(),
        project: None,
        allowed_ips: AllowedIps::default(),
        expires: ttl_s.map(Expiry::After),
        daily_limit: None,
        metadata: Metadata::default(),
        rules: Rules::default(),
    }
}

pub(crate) fn idempotent(key: u8, request: u8) -> Ask {
    let idempotency = Some(crate::Idempotency { key: [key; 32], request: [request; 32] });
    Ask { idempotency, ..Ask::default() }
}

pub(crate) fn open(log: &Arc<dyn Log>, clock: &Arc<ManualClock>) -> Ledger {
    open_with(Arc::clone(log), clock, Options::default()).unwrap()
}

pub(crate) fn open_with(
    log: Arc<dyn Log>,
    clock: &Arc<ManualClock>,
    options: Options,
) -> Result<Ledger, OpenError> {
    let options = Options { clock: Arc::clone(clock) as Arc<dyn Clock>, ..options };
    Ledger::open(log, options, &mut |_| {})
}
