//! What goes wrong, as a client is told: `application/problem+json` (RFC 9457) with a stable code.
//!
//! An [`ApiError`] answers with its parts; the request layer writes the body, because it alone
//! knows the request's id. What a fault was is told to the operator, never to the client.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keys::{Refusal, Status};
use ledger::Role;
use serde::Serialize;

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
    /// Forward auth: the key was used as often as its day allows.
    UsageExceeded = "usage_exceeded", TOO_MANY_REQUESTS, "Daily limit reached";
    /// The token's roles do not allow it.
    Forbidden = "forbidden", FORBIDDEN, "Not allowed";
    /// An API key was sent where a token is wanted.
    KeysCannotManageKeys = "keys_cannot_manage_keys", FORBIDDEN, "Keys cannot manage keys";
    /// No such key, as far as the caller may know.
    KeyNotFound = "key_not_found", NOT_FOUND, "Key not found";
    /// No such event, as far as the caller may know.
    EventNotFound = "event_not_found", NOT_FOUND, "Event not found";
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
    /// There are as many active keys as there may be.
    ActiveKeyLimit = "active_key_limit", CONFLICT, "Too many active keys";
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
    /// No answer in time; whether a change was made is not known.
    Timeout = "timeout", GATEWAY_TIMEOUT, "No answer in time";
    /// The machine failed.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
);

/// An error answer: a code, a sentence, and what the status needs in headers.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// What went wrong.
    pub code: Code,
    /// A sentence for whoever reads it.
    pub detail: Cow<'static, str>,
    challenge: Option<&'static str>,
    retry_after_s: Option<u64>,
}

/// An account that has too many keys gets room only when the operator gives it some.
const RETRY_KEY_LIMIT_S: u64 = 3600;

impl ApiError {
    /// An error with a sentence of its own.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> ApiError {
        let detail = match detail.into() {
            // It may repeat a part of the request: whoever sends a key in the wrong place must not
            // find it in a log of errors.
            Cow::Owned(text) => Cow::Owned(keys::without_keys(&text).into_owned()),
            fixed @ Cow::Borrowed(_) => fixed,
        };
        let retry_after_s = (code == Code::Overloaded).then_some(1);
        ApiError { code, detail, challenge: None, retry_after_s }
    }

    /// A request with something wrong in `field`.
    pub(crate) fn field(field: &str, why: impl std::fmt::Display) -> ApiError {
        ApiError::new(Code::InvalidRequest, format!("{field}: {why}"))
    }

    /// No token at all.
    pub(crate) fn no_token() -> ApiError {
        let detail = "send a token as Authorization: Bearer";
        ApiError { challenge: Some("Bearer"), ..ApiError::new(Code::Unauthenticated, detail) }
    }

    /// A token that is not accepted.
    pub(crate) fn bad_token(why: &'static str) -> ApiError {
        ApiError {
            challenge: Some("Bearer error=\"invalid_token\""),
            ..ApiError::new(Code::Unauthenticated, why)
        }
    }

    /// Too often, or too many; to be tried again in so many seconds.
    pub(crate) fn rate_limited(
        detail: impl Into<Cow<'static, str>>,
        retry_after_s: u64,
    ) -> ApiError {
        ApiError { retry_after_s: Some(retry_after_s), ..ApiError::new(Code::RateLimited, detail) }
    }

    /// A caller without any of the roles that would do.
    pub(crate) fn needs_role(roles: &[Role]) -> ApiError {
        let roles: Vec<&str> = roles.iter().copied().map(Role::as_str).collect();
        let roles = roles.join(" or ");
        let detail = format!("the token's role does not allow this; it takes the role {roles}");
        ApiError::new(Code::Forbidden, detail)
    }

    /// A caller with such a role, but for one account.
    pub(crate) fn needs_all_accounts() -> ApiError {
        ApiError::new(Code::Forbidden, "this takes a token of all accounts (`*`)")
    }

    /// A fault: told to the operator in full, to the client not at all.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> ApiError {
        tracing::error!(error, "request failed");
        ApiError::new(Code::Internal, "something failed here; the operator can find it in the log")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        let headers = response.headers_mut();
        if self.code.status() == StatusCode::UNAUTHORIZED {
            let challenge = self.challenge.unwrap_or("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.code == Code::UnsupportedEncoding {
            // RFC 9110 §12.5.3: what a request may be packed in.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The body of an error answer (RFC 9457 §3.1).
#[derive(Serialize, utoipa::ToSchema)]
pub struct Problem<'a> {
    /// A URI of the kind of problem: `urn:keyledger:problem:` and the code.
    pub r#type: String,
    /// The same for every occurrence of the code.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time; begins with the field's name where one is at fault.
    pub detail: &'a str,
    /// The stable name of the problem.
    pub code: &'a str,
    /// The answer's `X-Request-Id`.
    pub request_id: &'a str,
}

impl<'a> Problem<'a> {
    /// The body that says `error`.
    #[must_use]
    pub fn new(error: &'a ApiError, request_id: &'a str) -> Problem<'a> {
        Problem {
            r#type: format!("urn:keyledger:problem:{}", error.code.as_str()),
            title: error.code.title(),
            status: error.code.status().as_u16(),
            detail: &error.detail,
            code: error.code.as_str(),
            request_id,
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        let code = match refusal {
            Refusal::UnknownKey => Code::KeyNotFound,
            Refusal::KeyExists | Refusal::PrefixTaken | Refusal::Found(_) => Code::KeyExists,
            Refusal::Already(_) => Code::Already,
            Refusal::NotWhile(Status::Enabled) => Code::NotWhileEnabled,
            Refusal::NotWhile(Status::Disabled) => Code::NotWhileDisabled,
            Refusal::NotWhile(Status::Expired) => Code::NotWhileExpired,
            Refusal::NotWhile(Status::Revoked) => Code::NotWhileRevoked,
            Refusal::RevisionMismatch(_) => Code::RevisionMismatch,
            Refusal::AlreadyReplaced => Code::AlreadyReplaced,
            Refusal::ActiveKeyLimit(_) => Code::ActiveKeyLimit,
            Refusal::NotDue => Code::NotDue,
            Refusal::KeyLimit(_) => {
                return ApiError::rate_limited(refusal.to_string(), RETRY_KEY_LIMIT_S);
            }
            Refusal::ExpiresInThePast => {
                return ApiError::field("expires_at", "must lie in the future");
            }
        };
        ApiError::new(code, refusal.to_string())
    }
}

impl From<ledger::Error> for ApiError {
    fn from(error: ledger::Error) -> ApiError {
        let code = match &error {
            ledger::Error::Refused(refusal) => return (*refusal).into(),
            ledger::Error::Fault(fault) => return ApiError::internal(&**fault),
            ledger::Error::Forbidden => {
                return ApiError::new(
                    Code::Forbidden,
                    "the token's role or account does not allow this",
                );
            }
            ledger::Error::BeyondTheLog { length } => {
                let detail = format!("seq: the log ends at {}", length.0);
                return ApiError::new(Code::InvalidRequest, detail);
            }
            ledger::Error::TooManyRecords { .. } => {
                let why = "; name an earlier moment, or take a bundle of the account";
                return ApiError::field("as_of", format_args!("{error}{why}"));
            }
            ledger::Error::RateLimited { retry_after_s } => {
                return ApiError::rate_limited(error.to_string(), *retry_after_s);
            }
            ledger::Error::NotSigned => Code::NotFound,
            ledger::Error::InTheFuture => {
                return ApiError::field("as_of", "must not lie in the future");
            }
            ledger::Error::AccountRequired => Code::AccountRequired,
            ledger::Error::TooLong => Code::TooLong,
            ledger::Error::IdempotencyMismatch => Code::IdempotencyMismatch,
            // Cancelled is told to nobody, but for a request that a stop has caught.
            ledger::Error::Overloaded | ledger::Error::OutcomesFull | ledger::Error::Cancelled => {
                Code::Overloaded
            }
            ledger::Error::Broken => Code::LogBroken,
            ledger::Error::Full => Code::DiskFull,
        };
        ApiError::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the machine cannot take now is told as such, and when to come again.
    #[test]
    fn what_is_too_much_is_overloaded() {
        for error in [ledger::Error::Overloaded, ledger::Error::OutcomesFull] {
            let told = ApiError::from(error);
            assert_eq!(told.code, Code::Overloaded);
            let response = told.into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        }
        for (error, code) in [
            (ledger::Error::Broken, Code::LogBroken),
            (ledger::Error::Full, Code::DiskFull),
            (ledger::Error::Forbidden, Code::Forbidden),
            (ledger::Error::TooLong, Code::TooLong),
            (ledger::Error::IdempotencyMismatch, Code::IdempotencyMismatch),
            (ledger::Error::AccountRequired, Code::AccountRequired),
        ] {
            assert_eq!(ApiError::from(error).code, code);
        }
    }

    #[test]
    fn codes_are_snake_case_and_each_stands_once() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(Code::ALL[..at].iter().all(|other| other.as_str() != code.as_str()));
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }
}
