//! What the ledger's own tests share: callers, drafts, a clock that tests move.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use eventlog::memory::MemoryLog;
use eventlog::{Log, Seq};
use keys::{
    Account, AllowedIps, Dialect, Edits, KeyName, KeyRole, Permission, Project, Quota, QuotaPeriod,
    RateLimit, Subject, Tag, Tags, Timestamp,
};

use crate::{
    Caller, Clock, Decoder, Expiry, Identity, KeyEdits, Keyring, Ledger, NewKeyRequest, OpenError,
    Options, Origin, RequestOptions, Role, Scope, Via,
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

/// One of many edits, most of which change something of most keys.
pub(crate) fn some_edits(pick: u32, now: Timestamp) -> KeyEdits {
    let text = |n: u32| format!("n{}", n % 3);
    let edits = Edits::default();
    let edits = match pick % 9 {
        0 => Edits { name: Some(KeyName::new(text(pick / 9)).unwrap()), ..edits },
        1 => Edits {
            owner: Some(Subject::new(if pick.is_multiple_of(2) { "ann" } else { "bob" }).unwrap()),
            ..edits
        },
        2 => Edits {
            expires_at: Some(pick.is_multiple_of(2).then(|| now.plus_secs(u64::from(pick % 40)))),
            ..edits
        },
        3 => Edits {
            role: Some(pick.is_multiple_of(2).then(|| KeyRole::new(text(pick)).unwrap())),
            ..edits
        },
        4 => {
            Edits { permissions: Some([Permission::new(&text(pick / 9)).unwrap()].into()), ..edits }
        }
        5 => Edits { tags: Some(Tags::new([Tag::new(text(pick / 9)).unwrap()]).unwrap()), ..edits },
        6 => Edits { quota: Some(Quota::new(1 + pick % 3, QuotaPeriod::Month).ok()), ..edits },
        7 => Edits { rate_limit: Some(RateLimit::new(5, 1 + pick % 5).ok()), ..edits },
        _ => Edits {
            name: Some(KeyName::new(text(pick)).unwrap()),
            project: Some(Some(Project::new(text(pick / 9)).unwrap())),
            allowed_ips: Some(AllowedIps::parse(&[format!("10.0.0.{}", pick % 4)]).unwrap()),
            ..edits
        },
    };
    let metadata = pick.is_multiple_of(4).then(|| {
        [(text(pick), pick.is_multiple_of(8).then(|| text(pick / 8)))].into_iter().collect()
    });
    let ttl_s = pick.is_multiple_of(11).then_some(u64::from(pick % 50 + 1));
    KeyEdits { edits, ttl_s, metadata, ..KeyEdits::default() }
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

/// The keys of all persons of all tests, so that a log can be opened again.
pub(crate) fn keyring() -> Arc<Keyring> {
    static ALL: LazyLock<Arc<Keyring>> = LazyLock::new(Arc::default);
    Arc::clone(&ALL)
}

/// What reads the records of these tests.
pub(crate) fn decoder() -> Decoder {
    Decoder::new(keyring())
}

pub(crate) fn open(log: &Arc<dyn Log>, clock: &Arc<ManualClock>) -> Ledger {
    open_with(Arc::clone(log), clock, Options::default()).unwrap()
}

/// One whose persons no other test knows, so that they can be forgotten.
pub(crate) fn open_keyed(
    log: &Arc<dyn Log>,
    clock: &Arc<ManualClock>,
    keyring: &Arc<Keyring>,
) -> Ledger {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let options = Options { clock, keyring: Arc::clone(keyring), ..Options::default() };
    Ledger::open(Arc::clone(log), options, &mut |_| {}).unwrap()
}

pub(crate) fn open_with(
    log: Arc<dyn Log>,
    clock: &Arc<ManualClock>,
    options: Options,
) -> Result<Ledger, OpenError> {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let options = Options { clock, keyring: keyring(), ..options };
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
