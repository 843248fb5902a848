//! The codes of problems: the one table of names, statuses and titles.

use axum::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:ident, $title:literal;)+) => {
        /// What went wrong, by a name that never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $variant),+ }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$variant),+];

            /// The code as it is written.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text),+ }
            }

            /// The status sent along. The only such table in the service.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status),+ }
            }

            /// The same for every occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title),+ }
            }
        }
    };
}

codes!(
    /// A body, path or query that is not as it must be.
    InvalidRequest = "invalid_request", BAD_REQUEST, "Invalid request";
    /// A caller of all accounts has to name one.
    AccountRequired = "account_required", BAD_REQUEST, "Account required";
    /// The record would be longer than a record may be.
    TooLong = "too_long", BAD_REQUEST, "Too long to be recorded";
    /// No token, or none that is accepted.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Not authenticated";
    /// Forward auth: the client sent no key.
    KeyMissing = "key_missing", UNAUTHORIZED, "No API key";
    /// Forward auth: the client sent two different keys.
    KeysDiffer = "keys_differ", UNAUTHORIZED, "Two different API keys";
    /// Forward auth: the key is not, or no longer, good for anything.
    KeyRejected = "key_rejected", UNAUTHORIZED, "API key rejected";
    /// Forward auth: the key is good, but not for this.
    KeyNotAllowed = "key_not_allowed", FORBIDDEN, "API key not allowed";
    /// Forward auth: the key is used more often than its rate limit allows.
    KeyRateLimited = "key_rate_limited", TOO_MANY_REQUESTS, "API key used too often";
    /// Forward auth: the key was used as often as its quota allows.
    UsageExceeded = "usage_exceeded", TOO_MANY_REQUESTS, "Quota used up";
    /// The token's roles do not allow it.
    Forbidden = "forbidden", FORBIDDEN, "Not allowed";
    /// An API key was sent where a token is wanted.
    KeysCannotManageKeys = "keys_cannot_manage_keys", FORBIDDEN, "Keys cannot manage keys";
    /// No such key, as far as the caller may know.
    KeyNotFound = "key_not_found", NOT_FOUND, "Key not found";
    /// No such token, as far as the caller may know.
    TokenNotFound = "token_not_found", NOT_FOUND, "Token not found";
    /// The ledger has nothing about such a person.
    SubjectNotFound = "subject_not_found", NOT_FOUND, "Subject not found";
    /// The person has no such hold.
    HoldNotFound = "hold_not_found", NOT_FOUND, "Hold not found";
    /// A hold forbids that the person is forgotten.
    OnHold = "on_hold", CONFLICT, "On hold";
    /// No such event, as far as the caller may know.
    EventNotFound = "event_not_found", NOT_FOUND, "Event not found";
    /// Nothing is recorded in that account and span of time.
    NothingRecorded = "nothing_recorded", NOT_FOUND, "Nothing recorded";
    /// No such webhook, as far as the caller may know.
    WebhookNotFound = "webhook_not_found", NOT_FOUND, "Webhook not found";
    /// No such route.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// The route has other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The key has that status already.
    Already = "already", CONFLICT, "Already so";
    /// The key is enabled.
    NotWhileEnabled = "not_while_enabled", CONFLICT, "Not while the key is enabled";
    /// The key is disabled.
    NotWhileDisabled = "not_while_disabled", CONFLICT, "Not while the key is disabled";
    /// The key is expired.
    NotWhileExpired = "not_while_expired", CONFLICT, "Not while the key is expired";
    /// The key is revoked.
    NotWhileRevoked = "not_while_revoked", CONFLICT, "Not while the key is revoked";
    /// Another key took its place already.
    AlreadyReplaced = "already_replaced", CONFLICT, "Already replaced";
    /// The owner of the key was erased, of whom nothing is said any more.
    OwnerErased = "owner_erased", CONFLICT, "The owner was erased";
    /// There are as many active keys as there may be.
    ActiveKeyLimit = "active_key_limit", CONFLICT, "Too many active keys";
    /// The rules of the account want keys with an end.
    ExpiryRequired = "expiry_required", CONFLICT, "An end is required";
    /// The rules of the account want keys that end sooner.
    MaxTtlExceeded = "max_ttl_exceeded", CONFLICT, "Too long a life";
    /// The rules of the account do not have that permission.
    PermissionNotAllowed = "permission_not_allowed", CONFLICT, "Permission not allowed";
    /// The rules of the account do not have that role.
    RoleNotAllowed = "role_not_allowed", CONFLICT, "Role not allowed";
    /// There are as many webhooks as there may be.
    WebhookLimit = "webhook_limit", CONFLICT, "Too many webhooks";
    /// The key is there already.
    KeyExists = "key_exists", CONFLICT, "Key exists";
    /// The key's time has not come.
    NotDue = "not_due", CONFLICT, "Not due";
    /// The key is at another revision than `If-Match` says.
    RevisionMismatch = "revision_mismatch", PRECONDITION_FAILED, "Another revision";
    /// The answer has no form that the client takes.
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "Not acceptable";
    /// The body is packed in a way that is not understood.
    UnsupportedEncoding = "unsupported_encoding", UNSUPPORTED_MEDIA_TYPE, "Unsupported encoding";
    /// The body is too large.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "Payload too large";
    /// The idempotency key was used with another request.
    IdempotencyMismatch = "idempotency_mismatch", UNPROCESSABLE_ENTITY, "Another request";
    /// Too many header fields.
    TooManyHeaders = "too_many_headers", REQUEST_HEADER_FIELDS_TOO_LARGE, "Too many headers";
    /// The account asks too often, or has as many keys as it may have.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many";
    /// Too much is waiting.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Overloaded";
    /// The log takes no writes.
    LogBroken = "log_broken", SERVICE_UNAVAILABLE, "The log is broken";
    /// The disk is full; nothing was written.
    DiskFull = "disk_full", SERVICE_UNAVAILABLE, "The disk is full";
    /// Not ready to serve.
    NotReady = "not_ready", SERVICE_UNAVAILABLE, "Not ready";
    /// The time-stamping authority gave no time-stamp.
    StampFailed = "stamp_failed", BAD_GATEWAY, "No time-stamp";
    /// No answer in time; whether a change was made is not known.
    Timeout = "timeout", GATEWAY_TIMEOUT, "No answer in time";
    /// The machine failed.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_and_each_stands_once() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(Code::ALL[..at].iter().all(|other| other.as_str() != code.as_str()));
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }
}
