//! The words of the ledger's methods: what is asked and what is answered.

use std::error::Error as StdError;
use std::sync::Arc;

use eventlog::Seq;
use keys::{
    Account, AllowedIps, Description, Dialect, Environment, EventKind, KeyId, KeyName, KeyRole,
    KeyState, Kind, Metadata, NewKey, Permission, Project, Reason, Refusal, Revocation, Secret,
    Status, Subject, Timestamp, Verdict,
};

use crate::record::{Idempotency, Record};

/// Why the ledger did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The rules said no; nothing happened.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The caller may not do that.
    #[error("not allowed")]
    Forbidden,
    /// A caller of all accounts must say which one.
    #[error("name the account")]
    AccountRequired,
    /// The log has no such place yet.
    #[error("the log ends at {length}")]
    BeyondTheLog {
        /// The log's length.
        length: Seq,
    },
    /// This ledger only looks at a log, and signs nothing.
    #[error("this log is not signed here")]
    NotSigned,
    /// A moment to look back to has not come yet.
    #[error("that moment lies in the future")]
    InTheFuture,
    /// A key has more records than one proof holds; as of an earlier moment it had fewer.
    #[error("the key has {records} records up to then, and a proof holds at most {most}")]
    TooManyRecords {
        /// How many it has.
        records: u32,
        /// How many there may be.
        most: u32,
    },
    /// The record would be longer than a record may be.
    #[error("the request is too long to be recorded")]
    TooLong,
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    IdempotencyMismatch,
    /// The account asks more often than it may.
    #[error("this account asks more often than it may; try again in {retry_after_s} s")]
    RateLimited {
        /// When it may ask again, in whole seconds.
        retry_after_s: u64,
    },
    /// Too much is waiting; try again in a second.
    #[error("too many requests are waiting")]
    Overloaded,
    /// As many requests with an idempotency key are remembered as may be, for this caller or for
    /// all; each is for 24 hours.
    #[error("too many requests with an idempotency key in 24 hours; send it without one, or later")]
    OutcomesFull,
    /// Nobody waits for the answer any more; see [`Cancellation`](crate::Cancellation).
    #[error("nobody waits for the answer any more")]
    Cancelled,
    /// The log is broken and takes no writes until the process is restarted. Whether this change
    /// was recorded is not known.
    #[error("the log is broken")]
    Broken,
    /// The disk is full; nothing was written.
    #[error("the disk is full")]
    Full,
    /// The machine failed.
    #[error("{0}")]
    Fault(Arc<dyn StdError + Send + Sync>),
}

impl Error {
    pub(crate) fn fault(error: impl StdError + Send + Sync + 'static) -> Error {
        Error::Fault(Arc::new(error))
    }
}

/// A key that is wanted. What is missing is made by the ledger.
#[derive(Clone, Debug)]
pub struct NewKeyRequest {
    /// The tenant; the caller's own if missing.
    pub account: Option<Account>,
    /// The subject it belongs to; the caller if missing.
    pub owner: Option<Subject>,
    /// Its display name. `None`: the ledger names it `API key <prefix>`.
    pub name: Option<KeyName>,
    /// What it is for.
    pub description: Option<Description>,
    /// Secret or public.
    pub kind: Kind,
    /// Live or sandbox.
    pub environment: Environment,
    /// A role that the services behind the gateway understand.
    pub role: Option<KeyRole>,
    /// What it may do.
    pub permissions: Box<[Permission]>,
    /// The only project it works on.
    pub project: Option<Project>,
    /// From where it may be used.
    pub allowed_ips: AllowedIps,
    /// When it ends.
    pub expires: Option<Expiry>,
    /// How often it may be used on one UTC day.
    pub daily_limit: Option<u32>,
    /// The caller's own pairs.
    pub metadata: Metadata,
    /// What the new key must keep to.
    pub rules: Rules,
}

impl NewKeyRequest {
    /// Its rules, with what its expiry adds to them.
    pub(crate) fn rules(&self) -> Rules {
        let ttl_s = match self.expires {
            Some(Expiry::After(seconds)) => Some(seconds),
            Some(Expiry::At(_)) | None => self.rules.ttl_s,
        };
        Rules { ttl_s, ..self.rules }
    }
}

/// When a key ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At that moment.
    At(Timestamp),
    /// So many seconds after it is made.
    After(u64),
}

/// What a new key must keep to, decided where its event is decided.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// The most active keys of this account, owner and dialect, the new one included.
    pub most_active: Option<u32>,
    /// Whether no other key of the ledger may have the same prefix; another secret is made then.
    pub unique_prefix: bool,
    /// How many seconds the key lives, from the moment it is recorded as made.
    pub ttl_s: Option<u64>,
    /// Find before making: a public key of this account, dialect, project and name that lives
    /// at least so many milliseconds more is answered instead ([`Refusal::Found`]).
    pub reuse_if_ttl_ms: Option<u64>,
}

/// What a rotation changes; the rest is copied from the old key.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each means what it means in `NewKeyRequest`; `None` copies")]
pub struct Changes {
    pub name: Option<KeyName>,
    pub description: Option<Description>,
    pub role: Option<KeyRole>,
    pub permissions: Option<Box<[Permission]>>,
    pub project: Option<Project>,
    pub allowed_ips: Option<AllowedIps>,
    pub expires: Option<Expiry>,
    pub daily_limit: Option<u32>,
    pub metadata: Option<Metadata>,
    /// The most active keys of this account, owner and dialect, the new one included.
    pub most_active: Option<u32>,
}

/// A change of a key's status.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Switch it back on.
    Enable,
    /// Switch it off.
    Disable,
    /// End it before its time.
    Expire,
    /// Withdraw it for good.
    Revoke(Revocation),
}

/// How a change is asked for.
#[derive(Clone, Debug, Default)]
pub struct RequestOptions {
    /// Why.
    pub reason: Option<Reason>,
    /// The revision the key must be at.
    pub if_revision: Option<u32>,
    /// Digests of the idempotency key, with what scopes it, and of the request.
    pub idempotency: Option<Idempotency>,
    /// Decide and answer, but record nothing.
    pub dry_run: bool,
    /// The dialect whose keys alone may be touched; others are unknown.
    pub only: Option<Dialect>,
}

/// A key as it is.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// What never changes.
    pub key: Arc<NewKey>,
    /// What does, as recorded.
    pub standing: KeyState,
    /// The status as it is at the moment of the answer.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Subject,
    /// When it was last used, as far as counted.
    pub last_used_at: Option<Timestamp>,
}

/// An event as the log holds it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place.
    pub seq: Seq,
    /// The record.
    pub record: Record,
    /// The account of the key it touches.
    pub account: Account,
}

/// The outcome of a create or a rotation.
#[derive(Debug)]
pub struct Created {
    /// The new key, as it was right after.
    pub key: KeyView,
    /// Its text. `None` for a dry run, and for a replay that came too late.
    pub secret: Option<Secret>,
    /// Its event; `None` for a dry run.
    pub entry: Option<Entry>,
    /// Whether this is the recorded outcome of an earlier request.
    pub replayed: bool,
}

/// The outcome of a change.
#[derive(Debug)]
pub struct Changed {
    /// The key, as it was right after.
    pub key: KeyView,
    /// The event. For a dry run the one that would be recorded, at the place it would have.
    pub entry: Entry,
    /// Whether it was recorded: `false` for a dry run.
    pub recorded: bool,
    /// Whether this is the recorded outcome of an earlier request.
    pub replayed: bool,
}

/// The outcome of expiring what is due.
#[derive(Debug, Default)]
pub struct Expirations {
    /// The keys, soonest due first.
    pub expired: Vec<KeyId>,
    /// Whether more is due.
    pub more: bool,
    /// When the next key is due.
    pub next_due: Option<Timestamp>,
    /// Whether this is the recorded outcome of an earlier request.
    pub replayed: bool,
}

/// Which keys to list. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each is the attribute of the same name, equal to what is asked")]
pub struct KeyFilter {
    pub account: Option<Account>,
    pub status: Option<Status>,
    pub environment: Option<Environment>,
    pub kind: Option<Kind>,
    pub owner: Option<Subject>,
    pub project: Option<Project>,
    pub role: Option<KeyRole>,
    pub dialect: Option<Dialect>,
    /// The shown prefix begins with this.
    pub prefix: Option<Box<str>>,
    /// Name or description contain this, whatever the case.
    pub q: Option<Box<str>>,
    /// The due time lies before this.
    pub expires_before: Option<Timestamp>,
}

/// Which events to list. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// The account of the key.
    pub account: Option<Account>,
    /// The key.
    pub key: Option<KeyId>,
    /// The event's type.
    pub kind: Option<EventKind>,
    /// The subject that acted.
    pub actor: Option<Subject>,
    /// Recorded at this moment or later.
    pub from: Option<Timestamp>,
    /// Recorded before this moment.
    pub to: Option<Timestamp>,
}

/// Where a page of events begins and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Oldest first, from this place on.
    Up(Seq),
    /// Newest first, from the place before this one down.
    Down(Seq),
}

/// One page, and where the next one begins. A page may be short, even empty, and not the last.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<C>,
}

/// A key's place among those that fall due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Which one; among those of one moment, their order.
    pub key: KeyId,
}

/// The answer to a verify.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The first verdict that holds.
    pub verdict: Verdict,
    /// The key; `None` if it is malformed or not found.
    pub key: Option<Arc<NewKey>>,
    /// Its due time now, which a rotation may have brought forward.
    pub expires_at: Option<Timestamp>,
    /// How often it may still be used today; `None` without a limit.
    pub remaining_today: Option<u32>,
    /// The length of the log that the answer has seen.
    pub log_size: Seq,
}

/// Who held which active key between two moments.
#[derive(Clone, Debug)]
pub struct Held {
    /// The key.
    pub key: Arc<NewKey>,
    /// From when it was usable, at the earliest the report's `from`.
    pub from: Timestamp,
    /// Until when, at the latest the report's `to`.
    pub until: Timestamp,
    /// Its status at the report's end.
    pub status: Status,
}
