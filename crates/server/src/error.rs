//! Errors of the API: `application/problem+json` (RFC 9457) with a stable code.
//!
//! An [`ApiError`] answers with its parts; the service layer writes the body, because it alone
//! knows the request's id. The cause of a fault goes to the operator's log, never to the client.

mod code;
mod invalid;

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keys::{Refusal, Status};
use ledger::Role;
use serde::Serialize;

pub use self::code::Code;
pub(crate) use self::invalid::{Invalid, InvalidKind, Type};

/// An error answer: a code, a sentence, and what the status needs in headers.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// What went wrong.
    pub code: Code,
    /// A sentence for whoever reads it.
    pub detail: Cow<'static, str>,
    /// The field at fault, if one is, with what is wrong with it.
    invalid: Option<Box<Invalid>>,
    challenge: Option<&'static str>,
    retry_after_s: Option<u64>,
}

/// An account that has too many keys or tokens gets room only when the operator gives it some, or
/// when they end.
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
        ApiError { code, detail, invalid: None, challenge: None, retry_after_s }
    }

    /// A request with something wrong in `field`.
    pub(crate) fn field(field: &str, kind: impl Into<InvalidKind>) -> ApiError {
        let invalid = Invalid::new(field, kind);
        let error = ApiError::new(Code::InvalidRequest, invalid.to_string());
        ApiError { invalid: Some(Box::new(invalid)), ..error }
    }

    /// The same of a field that lies in `outer`, if a field is at fault.
    pub(crate) fn within(self, outer: &str) -> ApiError {
        match self.invalid {
            Some(invalid) => {
                let field = format!("{outer}.{}", invalid.field);
                ApiError::field_with(self.code, &field, invalid.kind)
            }
            None => self,
        }
    }

    /// A request that is refused with a code of its own because of `field`.
    fn field_with(code: Code, field: &str, kind: impl Into<InvalidKind>) -> ApiError {
        ApiError { code, ..ApiError::field(field, kind) }
    }

    /// A change that the rules refuse because of `field`.
    fn refused(code: Code, field: &str, refusal: &Refusal) -> ApiError {
        ApiError::field_with(code, field, format_args!("{refusal}"))
    }

    /// The same in the words of a dialect, which do not begin with the field's name.
    pub(crate) fn field_in_words(field: &str, sentence: &'static str) -> ApiError {
        let invalid = Some(Box::new(Invalid::new(field, sentence)));
        ApiError { invalid, ..ApiError::new(Code::InvalidRequest, sentence) }
    }

    /// The field at fault, if one is.
    pub(crate) fn invalid(&self) -> Option<&Invalid> {
        self.invalid.as_deref()
    }

    /// No token at all.
    pub(crate) fn no_token() -> ApiError {
        let detail = "send a token as Authorization: Bearer";
        ApiError { challenge: Some("Bearer"), ..ApiError::new(Code::Unauthenticated, detail) }
    }

    /// No key where one proves who calls, whatever was sent instead: whoever guesses learns nothing.
    pub(crate) fn no_key() -> ApiError {
        let detail = "send a secret API key of this service as Authorization: Bearer";
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
            Refusal::KeyExists
            | Refusal::PrefixTaken
            | Refusal::DigestTaken
            | Refusal::Found(_) => Code::KeyExists,
            Refusal::Already(_) | Refusal::Unchanged => Code::Already,
            Refusal::NotWhile(Status::Enabled) => Code::NotWhileEnabled,
            Refusal::NotWhile(Status::Disabled) => Code::NotWhileDisabled,
            Refusal::NotWhile(Status::Expired) => Code::NotWhileExpired,
            Refusal::NotWhile(Status::Revoked) => Code::NotWhileRevoked,
            Refusal::RevisionMismatch(_) => Code::RevisionMismatch,
            Refusal::AlreadyReplaced => Code::AlreadyReplaced,
            Refusal::OwnerErased => Code::OwnerErased,
            Refusal::ActiveKeyLimit(_) | Refusal::AccountLimit(_) => Code::ActiveKeyLimit,
            Refusal::NotDue => Code::NotDue,
            Refusal::KeyLimit(_) => {
                return ApiError::rate_limited(refusal.to_string(), RETRY_KEY_LIMIT_S);
            }
            Refusal::ExpiresInThePast => {
                return ApiError::field("expires_at", "must lie in the future");
            }
            Refusal::ExpiryRequired => {
                return ApiError::refused(Code::ExpiryRequired, "expires_at", &refusal);
            }
            Refusal::LifeTooLong(_) => {
                return ApiError::refused(Code::MaxTtlExceeded, "expires_at", &refusal);
            }
            Refusal::PermissionNotAllowed => {
                return ApiError::refused(Code::PermissionNotAllowed, "permissions", &refusal);
            }
            Refusal::RoleNotAllowed => {
                return ApiError::refused(Code::RoleNotAllowed, "role", &refusal);
            }
            Refusal::EndsWithOverlap => {
                return ApiError::field("expires_at", format_args!("{refusal}"));
            }
            Refusal::PermissionsOfRole => {
                return ApiError::field("permissions", format_args!("{refusal}"));
            }
            Refusal::OtherPrefix => return ApiError::field("prefix", format_args!("{refusal}")),
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
                return ApiError::field("seq", format_args!("the log ends at {}", length.0));
            }
            ledger::Error::TooFarBack { .. } => {
                return ApiError::field("seq", format_args!("is too far back: {error}"));
            }
            ledger::Error::TooManyRecords { .. } => {
                let why = "; name an earlier moment, or take a bundle of the account";
                return ApiError::field("as_of", format_args!("{error}{why}"));
            }
            ledger::Error::RateLimited { retry_after_s } => {
                return ApiError::rate_limited(error.to_string(), *retry_after_s);
            }
            ledger::Error::TokenLife { most_s } => {
                let (least, most, unit) = (1, *most_s, " seconds");
                return ApiError::field("ttl_s", keys::Invalid::OutOfRange { least, most, unit });
            }
            ledger::Error::TooManyTokens => {
                return ApiError::rate_limited(error.to_string(), RETRY_KEY_LIMIT_S);
            }
            ledger::Error::NothingThere => Code::NothingRecorded,
            ledger::Error::SecretExists(_) => Code::KeyExists,
            ledger::Error::MoreThanOwn(_) => Code::Forbidden,
            ledger::Error::TokenNotFound => Code::TokenNotFound,
            ledger::Error::TokenEnded => Code::Already,
            ledger::Error::SubjectNotFound => Code::SubjectNotFound,
            ledger::Error::OnHold => Code::OnHold,
            ledger::Error::HoldNotFound => Code::HoldNotFound,
            ledger::Error::HoldNotNamed => {
                return ApiError::field("hold", "must be named: there are several");
            }
            ledger::Error::NotSigned => Code::NotFound,
            ledger::Error::InTheFuture => {
                return ApiError::field("as_of", "must not lie in the future");
            }
            ledger::Error::NotOfThePast(name) => {
                return ApiError::field(name, "does not go with as_of: the log does not have it");
            }
            ledger::Error::AccountRequired => {
                let why = "must be named by a caller of all accounts";
                return ApiError::field_with(Code::AccountRequired, "account", why);
            }
            ledger::Error::Metadata(invalid) => return ApiError::field("metadata", *invalid),
            ledger::Error::Edited => Code::RevisionMismatch,
            ledger::Error::TooLong => {
                let why = "its fields together are too long to be recorded";
                return ApiError::field_with(Code::TooLong, "body", why);
            }
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
            let answered = ApiError::from(error);
            assert_eq!(answered.code, Code::Overloaded);
            let response = answered.into_response();
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
}
