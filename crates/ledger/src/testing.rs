//! What the ledger's own tests share: callers, drafts, a clock that tests move.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use eventlog::memory::MemoryLog;
use eventlog::{Log, Seq};
use keys::{Account, Dialect, KeyName, Subject, Timestamp};

use crate::{
    Caller, Clock, Expiry, Identity, Ledger, NewKeyRequest, OpenError, Options, Origin,
    RequestOptions, Role, Scope, Via,
};

/// Stands still until it is moved.
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn new() -> Arc<ManualClock> {
        Arc::new(ManualClock(AtomicI64::new(1_700_000_000_000_000)))
    }

    pub(crate) fn at(now: Timestamp) -> Arc<ManualClock> {
        Arc::new(ManualClock(AtomicI64::new(now.micros())))
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

pub(crate) fn caller(account: Option<&str>, role: Role) -> Caller {
    Caller {
        identity: Arc::new(Identity {
            subject: Subject::new("ann").unwrap(),
            scope: account.map_or(Scope::All, |name| Scope::Account(Account::new(name).unwrap())),
            roles: [role].into_iter().collect(),
            via: Via::Token { issuer: "test".into(), jti: None },
        }),
        dialect: Dialect::Native,
        origin: Origin::default(),
    }
}

pub(crate) fn owner() -> Caller {
    caller(Some("acme"), Role::Owner)
}

pub(crate) fn draft(ttl_s: Option<u64>) -> NewKeyRequest {
    NewKeyRequest {
        name: Some(KeyName::new("ci").unwrap()),
        expires: ttl_s.map(Expiry::After),
        ..NewKeyRequest::default()
    }
}

pub(crate) fn idempotent(key: u8, request: u8) -> RequestOptions {
    let idempotency = Some(crate::Idempotency { key: [key; 32], request: [request; 32] });
    RequestOptions { idempotency, ..RequestOptions::default() }
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

/// A log of its own with the first `length` records of `log`.
pub(crate) fn prefix(log: &Arc<dyn Log>, length: Seq) -> Arc<dyn Log> {
    let records = log.read(Seq(0), usize::try_from(length.0).unwrap()).unwrap();
    let records: Vec<_> = records.into_iter().map(|record| record.bytes.to_vec()).collect();
    let short = MemoryLog::new();
    if !records.is_empty() {
        short.append(Seq(0), &records, &[]).unwrap();
    }
    Arc::new(short)
}

/// A generator of plain numbers, so that a seed is a story that can be told again.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}
