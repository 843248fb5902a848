//! Which codes each operation can answer with, and the headers of its good answers.
//!
//! A test holds the list against the routes, and the tests of the whole program hold every answer
//! that they receive against the document.

use crate::error::Code;
use crate::error::Code::{
    AccountRequired, ActiveKeyLimit, Already, AlreadyReplaced, DiskFull, EventNotFound,
    ExpiryRequired, Forbidden, HoldNotFound, IdempotencyMismatch, Internal, InvalidRequest,
    KeyExists, KeyMissing, KeyNotAllowed, KeyNotFound, KeyRateLimited, KeyRejected,
    KeysCannotManageKeys, KeysDiffer, LogBroken, MaxTtlExceeded, NotAcceptable, NotFound, NotReady,
    NotWhileDisabled, NotWhileExpired, NotWhileRevoked, NothingRecorded, OnHold, Overloaded,
    OwnerErased, PayloadTooLarge, PermissionNotAllowed, RateLimited, RevisionMismatch,
    RoleNotAllowed, StampFailed, SubjectNotFound, Timeout, TokenNotFound, TooLong, TooManyHeaders,
    Unauthenticated, UnsupportedEncoding, UsageExceeded, WebhookLimit, WebhookNotFound,
};

/// What the document says of an operation beyond its annotation.
pub(super) struct Operation {
    /// Its `operationId`.
    pub(super) id: &'static str,
    /// The codes of its problems.
    pub(super) codes: &'static [&'static [Code]],
    /// The headers of its good answers, beside those that every answer has.
    pub(super) headers: &'static [&'static str],
}

impl Operation {
    /// Whether it answers with `code`.
    pub(super) fn answers(&self, code: Code) -> bool {
        self.codes.iter().any(|codes| codes.contains(&code))
    }
}

/// What any request can be answered with.
const ANY: &[Code] = &[TooManyHeaders, Internal, Timeout];
/// What can be wrong with a query.
const QUERY: &[Code] = &[InvalidRequest];
/// Of what needs a token, and is read or worked out in turn with others.
const CALLER: &[Code] =
    &[Unauthenticated, Forbidden, KeysCannotManageKeys, RateLimited, Overloaded];
/// Of what has a body.
const BODY: &[Code] = &[PayloadTooLarge, UnsupportedEncoding];
/// Of what is recorded.
const WRITE: &[Code] = &[TooLong, IdempotencyMismatch, LogBroken, DiskFull];
/// Of a token's end.
const TOKEN_WRITE: &[Code] = &[TooLong, LogBroken, DiskFull];
/// Of a change of one key.
const OF_A_KEY: &[Code] = &[KeyNotFound, RevisionMismatch];
/// Of a key's end, which a revoked key has behind it.
const NOT_REVOKED: &[Code] = &[Already, NotWhileRevoked];
/// Of what only a living key can be.
const ALIVE: &[Code] = &[Already, NotWhileExpired, NotWhileRevoked];
/// Of an edit, which needs a living key.
const ENDED_FOR_GOOD: &[Code] = &[NotWhileExpired, NotWhileRevoked];
/// Of a new key.
const NEW: &[Code] = &[KeyExists, ActiveKeyLimit];
/// Of what the rules of an account do not have.
const RULES: &[Code] = &[ExpiryRequired, MaxTtlExceeded, PermissionNotAllowed, RoleNotAllowed];
/// Of a rotation.
const ROTATED: &[Code] =
    &[NotWhileDisabled, NotWhileExpired, NotWhileRevoked, AlreadyReplaced, OwnerErased];
/// Of forward auth: what is wrong with the client's key.
const PRESENTED: &[Code] =
    &[KeyMissing, KeysDiffer, KeyRejected, KeyNotAllowed, KeyRateLimited, UsageExceeded];
/// Of what takes a key as the caller.
const OWN_KEY_CODES: &[Code] = &[Unauthenticated, RateLimited, Overloaded];
/// Of a key's end by itself.
const ENDED: &[Code] = &[Already, NotWhileExpired];
/// Of what anybody may read of the log.
const PUBLIC: &[Code] = &[NotFound, Overloaded];

/// Of one person.
const OF_A_SUBJECT: &[&[Code]] = &[ANY, QUERY, CALLER, &[SubjectNotFound]];
/// Of one webhook.
const OF_A_WEBHOOK: &[&[Code]] = &[ANY, QUERY, CALLER, &[WebhookNotFound]];
/// Of what becomes of one.
const WEBHOOK_CHANGE: &[&[Code]] = &[ANY, QUERY, CALLER, &[WebhookNotFound, IdempotencyMismatch]];

const READ: &[&[Code]] = &[ANY, QUERY, CALLER];
const OWN_KEY: &[&[Code]] = &[ANY, QUERY, OWN_KEY_CODES];
const READ_KEY: &[&[Code]] = &[ANY, QUERY, CALLER, &[KeyNotFound]];
const READ_EVENT: &[&[Code]] = &[ANY, QUERY, CALLER, &[EventNotFound]];
const READ_LOG: &[&[Code]] = &[ANY, QUERY, CALLER, &[NotFound]];
const EVIDENCE: &[&[Code]] = &[ANY, QUERY, PUBLIC];

const MADE: &[&str] = &["ETag", "Location", "Idempotency-Replayed"];
const TRAIL: &[&str] = &["X-Reading-Recorded"];
const CHANGED: &[&str] = &["ETag", "Idempotency-Replayed"];
const FORWARDED: &[&str] = &[
    "X-Key-Code",
    "X-Key-Id",
    "X-Key-Account",
    "X-Key-Owner",
    "X-Key-Role",
    "X-Key-Permissions",
    "X-Key-Expires-At",
    "RateLimit-Policy",
    "RateLimit",
];

macro_rules! operations {
    ($($id:literal: $codes:expr, $headers:expr;)+) => {
        /// Every operation of the native API.
        pub(super) const OPERATIONS: &[Operation] =
            &[$(Operation { id: $id, codes: $codes, headers: $headers }),+];
    };
}

operations!(
    "createKey": &[ANY, QUERY, CALLER, BODY, WRITE, NEW, RULES, &[AccountRequired]], MADE;
    "listKeys": READ, &[];
    "getKey": READ_KEY, &["ETag"];
    "keyHistory": READ_KEY, TRAIL;
    "changeKeys": &[ANY, QUERY, CALLER, BODY, WRITE], &["Idempotency-Replayed"];
    "importKeys": &[ANY, QUERY, CALLER, &[UnsupportedEncoding]], &[];
    "enableKey": &[ANY, QUERY, CALLER, BODY, WRITE, OF_A_KEY, ALIVE], CHANGED;
    "disableKey": &[ANY, QUERY, CALLER, BODY, WRITE, OF_A_KEY, ALIVE], CHANGED;
    "expireKey": &[ANY, QUERY, CALLER, BODY, WRITE, OF_A_KEY, NOT_REVOKED], CHANGED;
    "revokeKey": &[ANY, QUERY, CALLER, BODY, WRITE, OF_A_KEY, &[Already]], CHANGED;
    "deleteKey": &[ANY, QUERY, CALLER, BODY, WRITE, OF_A_KEY, &[Already]], CHANGED;
    "updateKey": &[ANY, QUERY, CALLER, BODY, WRITE, OF_A_KEY, ENDED_FOR_GOOD, RULES, &[ActiveKeyLimit, OwnerErased]], CHANGED;
    "rotateKey": &[ANY, QUERY, CALLER, BODY, WRITE, OF_A_KEY, NEW, RULES, ROTATED], MADE;
    "keyUsage": READ_KEY, &[];
    "accountUsage": READ, &[];
    "verifyKey": &[ANY, QUERY, CALLER, BODY], &[];
    "verifyKeys": &[ANY, QUERY, CALLER, BODY], &[];
    "getSelf": OWN_KEY, &["ETag"];
    "revokeSelf": &[OWN_KEY_CODES, ANY, QUERY, BODY, WRITE, ENDED, &[RevisionMismatch]], CHANGED;
    "authorize": &[ANY, QUERY, CALLER, PRESENTED], FORWARDED;
    "authorizeBelow": &[ANY, QUERY, CALLER, PRESENTED], FORWARDED;
    "listEvents": &[ANY, QUERY, CALLER, &[NotAcceptable]], TRAIL;
    "getEvent": READ_EVENT, TRAIL;
    "streamEvents": READ, TRAIL;
    "recordExpirations": &[ANY, QUERY, CALLER, BODY, WRITE], &["Idempotency-Replayed"];
    "listExpiring": READ, &[];
    "accessReport": READ, TRAIL;
    "tableDigest": READ, &[];
    "logCheckpoint": EVIDENCE, &[];
    "logCheckpointCosigned": EVIDENCE, &[];
    "logHeartbeat": EVIDENCE, &[];
    "logKeys": EVIDENCE, &[];
    "listStamps": &[ANY, QUERY, &[Overloaded]], &[];
    "createStamp": &[ANY, QUERY, CALLER, &[NotFound, StampFailed]], &[];
    "logTile": EVIDENCE, &[];
    "logEntries": READ_LOG, TRAIL;
    "logPersons": READ_LOG, TRAIL;
    "logTable": READ, &[];
    "proveInclusion": READ_LOG, &[];
    "proveConsistency": READ_LOG, &[];
    "proveEvents": &[ANY, QUERY, CALLER, &[AccountRequired, NotFound]], TRAIL;
    "proveRows": &[ANY, QUERY, CALLER, &[AccountRequired]], &[];
    "eventReceipt": READ_EVENT, &[];
    "proveKey": READ_KEY, TRAIL;
    "listAccess": READ, &[];
    "accessLogCheckpoint": EVIDENCE, &[];
    "accessLogKeys": EVIDENCE, &[];
    "accessLogTile": EVIDENCE, &[];
    "accessLogEntries": READ_LOG, &[];
    "auditBundle": &[ANY, QUERY, CALLER, &[NothingRecorded]], &["Content-Disposition", "X-Reading-Recorded"];
    "listTokens": READ, &[];
    "createToken": &[ANY, QUERY, CALLER, BODY, WRITE, &[AccountRequired]], &["Idempotency-Replayed"];
    "endToken": &[ANY, QUERY, CALLER, BODY, TOKEN_WRITE, &[TokenNotFound, Already]], &[];
    "revokeTokens": &[ANY, QUERY, CALLER, BODY, WRITE], &["Idempotency-Replayed"];
    "getSubject": OF_A_SUBJECT, TRAIL;
    "eraseSubject": &[ANY, QUERY, CALLER, BODY, WRITE, &[SubjectNotFound, OnHold]], &["Idempotency-Replayed"];
    "holdSubject": &[ANY, QUERY, CALLER, BODY, WRITE, &[SubjectNotFound]], &["Idempotency-Replayed"];
    "releaseSubject": &[
        ANY, QUERY, CALLER, BODY, WRITE, &[SubjectNotFound, HoldNotFound],
    ],
        &["Idempotency-Replayed"];
    "createWebhook": &[
        ANY, QUERY, CALLER, BODY, &[IdempotencyMismatch, WebhookLimit, LogBroken, DiskFull],
    ],
        &["Location", "Idempotency-Replayed"];
    "listWebhooks": READ, &[];
    "getWebhook": OF_A_WEBHOOK, &[];
    "deleteWebhook": WEBHOOK_CHANGE, &["Idempotency-Replayed"];
    "listWebhookDeliveries": OF_A_WEBHOOK, &[];
    "replayWebhook": WEBHOOK_CHANGE, &["X-Reading-Recorded", "Idempotency-Replayed"];
    "webhookKeys": &[ANY, QUERY], &[];
    "home": &[ANY], &[];
    "healthz": &[ANY], &[];
    "readyz": &[ANY, &[NotReady]], &[];
    "metrics": &[ANY], &[];
);

/// Problems that many operations share, by the name they have in the document. One code alone is
/// named after itself.
pub(super) const SHARED: &[(&str, &[Code])] = &[
    ("NotAllowed", &[Forbidden, KeysCannotManageKeys]),
    ("NotRecordable", &[InvalidRequest, TooLong]),
    ("NotWritable", &[Overloaded, LogBroken, DiskFull]),
];
