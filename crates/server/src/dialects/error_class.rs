//! What went wrong, as far as dialects tell errors apart.

use crate::error::Code;

/// A class of errors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// Something in the request.
    Request,
    /// No caller, or one whose proof is not accepted.
    Caller,
    /// A key where a token is wanted.
    KeyAsCaller,
    /// The caller may not do that.
    NotAllowed,
    /// There is no such key any more, or never was.
    Key,
    /// There is no such route.
    Route,
    /// The route has other methods.
    Method,
    /// There are as many active keys as there may be.
    TooManyKeys,
    /// The rules of the account refuse such a key.
    AgainstTheRules,
    /// The idempotency key was used with another request.
    UsedBefore,
    /// Too much is waiting.
    Overloaded,
    /// Anything else.
    Other,
}

impl ErrorClass {
    pub(super) fn of(code: Code) -> ErrorClass {
        match code {
            Code::InvalidRequest | Code::AccountRequired | Code::TooLong => ErrorClass::Request,
            Code::Unauthenticated | Code::KeyMissing | Code::KeysDiffer | Code::KeyRejected => {
                ErrorClass::Caller
            }
            Code::KeysCannotManageKeys => ErrorClass::KeyAsCaller,
            Code::Forbidden | Code::KeyNotAllowed => ErrorClass::NotAllowed,
            Code::KeyNotFound
            | Code::TokenNotFound
            | Code::Already
            | Code::NotWhileExpired
            | Code::NotWhileRevoked => ErrorClass::Key,
            Code::NotFound => ErrorClass::Route,
            Code::MethodNotAllowed => ErrorClass::Method,
            Code::ActiveKeyLimit => ErrorClass::TooManyKeys,
            Code::ExpiryRequired
            | Code::MaxTtlExceeded
            | Code::PermissionNotAllowed
            | Code::RoleNotAllowed => ErrorClass::AgainstTheRules,
            Code::IdempotencyMismatch => ErrorClass::UsedBefore,
            Code::Overloaded => ErrorClass::Overloaded,
            Code::KeyRateLimited
            | Code::UsageExceeded
            | Code::RateLimited
            | Code::EventNotFound
            | Code::NothingRecorded
            | Code::SubjectNotFound
            | Code::HoldNotFound
            | Code::OnHold
            | Code::WebhookNotFound
            | Code::WebhookLimit
            | Code::NotWhileEnabled
            | Code::NotWhileDisabled
            | Code::AlreadyReplaced
            | Code::OwnerErased
            | Code::KeyExists
            | Code::NotDue
            | Code::RevisionMismatch
            | Code::NotAcceptable
            | Code::UnsupportedEncoding
            | Code::PayloadTooLarge
            | Code::TooManyHeaders
            | Code::LogBroken
            | Code::DiskFull
            | Code::NotReady
            | Code::StampFailed
            | Code::Timeout
            | Code::Internal => ErrorClass::Other,
        }
    }
}
