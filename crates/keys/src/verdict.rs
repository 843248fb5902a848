//! The answer to "may this key be used for that?".

use std::net::IpAddr;

use crate::key::NewKey;
use crate::kind::Environment;
use crate::limit::Cost;
use crate::requirement::Requirement;
use crate::state::{KeyState, Status};
use crate::text::Project;
use crate::time::Timestamp;
use crate::words::words;

words!(
    /// What verify answers; the first that holds, in this order.
    Verdict {
        /// The text is not 1 to 512 visible characters, or begins like a key of the service and is not
        /// spelled like one.
        Malformed = "MALFORMED",
        /// No such key, as far as the asker may know.
        NotFound = "NOT_FOUND",
        /// The key was withdrawn.
        Revoked = "REVOKED",
        /// The key's time has run out.
        Expired = "EXPIRED",
        /// The key is switched off.
        Disabled = "DISABLED",
        /// The key is for the other environment.
        WrongEnvironment = "WRONG_ENVIRONMENT",
        /// The key is for another project.
        WrongProject = "WRONG_PROJECT",
        /// The key may not be used from there.
        IpNotAllowed = "IP_NOT_ALLOWED",
        /// The key may not do that.
        InsufficientPermissions = "INSUFFICIENT_PERMISSIONS",
        /// The key is used more often than its rate limit allows.
        RateLimited = "RATE_LIMITED",
        /// The key was used as often as its quota allows.
        UsageExceeded = "USAGE_EXCEEDED",
        /// The key may be used.
        Valid = "VALID",
    }
);

/// What a gateway asks about a key. What is `None` is not checked, but for the address.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The permissions that the client's request needs.
    pub permission: Option<Requirement>,
    /// The client's address. A key with a list of addresses needs one.
    pub ip: Option<IpAddr>,
    /// The project that the client's request is about.
    pub project: Option<Project>,
    /// The environment that the client's request is for.
    pub environment: Option<Environment>,
    /// How many uses it is.
    pub cost: Cost,
}

/// Judges a key that was found, all but its rate limit and its quota, which need counts.
#[must_use]
pub fn judge(key: &NewKey, state: &KeyState, question: &Question, now: Timestamp) -> Verdict {
    match state.status_at(now) {
        Status::Revoked => return Verdict::Revoked,
        Status::Expired => return Verdict::Expired,
        Status::Disabled => return Verdict::Disabled,
        Status::Enabled => {}
    }
    if question.environment.is_some_and(|environment| environment != key.environment) {
        return Verdict::WrongEnvironment;
    }
    if let (Some(wanted), Some(own)) = (&question.project, &key.project)
        && wanted != own
    {
        return Verdict::WrongProject;
    }
    if !key.allowed_ips.allows(question.ip) {
        return Verdict::IpNotAllowed;
    }
    match &question.permission {
        Some(needed) if !needed.is_met_by(&key.permissions) => Verdict::InsufficientPermissions,
        Some(_) | None => Verdict::Valid,
    }
}
