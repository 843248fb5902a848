//! Tokens of the service's own: asked for, and shown. Their text is in one answer alone.

use keys::{Reason, Subject, Timestamp};
use ledger::{EndTokens, NewToken, OwnToken, Role, Roles, Scope, TokenView, TokensEnded};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::RoleNames;
use super::text::Time;
use super::{whole, words};
use crate::error::{ApiError, InvalidKind};
use crate::request::extract::{field, parse};

/// A token that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateToken {
    /// Whom it names: events made with it name it so.
    #[schema(min_length = 1, max_length = 255)]
    subject: String,
    /// What it gives, one or a list; nothing above the caller's own.
    #[schema(value_type = words::TokenRoles)]
    role: RoleOrRoles,
    /// The account it is bound to, `*` for all; only a caller of all accounts may name another than
    /// its own, and has to name one.
    #[schema(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// After how many seconds it ends; at most what `--max-token-ttl` says.
    #[schema(value_type = u64, minimum = 1, required)]
    #[serde(default, deserialize_with = "whole::optional")]
    ttl_s: Option<u64>,
}

/// One role, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum RoleOrRoles {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl CreateToken {
    /// The token that is wanted.
    pub(crate) fn wanted(&self) -> Result<NewToken, ApiError> {
        let roles = match &self.role {
            RoleOrRoles::One(name) => std::slice::from_ref(name),
            RoleOrRoles::Many(names) => names,
        };
        let roles = roles.iter().map(|name| field("role", name.parse::<Role>()));
        let roles = roles.collect::<Result<Roles, ApiError>>()?;
        let account = scope("account", self.account.as_deref())?;
        if roles.is_empty() {
            return Err(ApiError::field("role", "must name a role"));
        }
        if account == Some(Scope::All) && roles == Roles::default().with(Role::User) {
            return Err(ApiError::field("role", "user is for one account"));
        }
        Ok(NewToken {
            subject: field("subject", self.subject.parse())?,
            account,
            roles,
            ttl_s: self.ttl_s.ok_or_else(|| ApiError::field("ttl_s", InvalidKind::Missing))?,
        })
    }
}

/// One account, or `*`.
pub(crate) fn scope(name: &str, text: Option<&str>) -> Result<Option<Scope>, ApiError> {
    match text {
        None => Ok(None),
        Some("*") => Ok(Some(Scope::All)),
        Some(text) => field(name, text.parse()).map(|account| Some(Scope::Account(account))),
    }
}

/// Which tokens to end: those that everything here holds for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeTokens {
    /// Of this subject; needed without `issued_before`.
    #[schema(min_length = 1, max_length = 255)]
    subject: Option<String>,
    /// Made before this time; now, if it is missing.
    #[schema(format = DateTime)]
    issued_before: Option<String>,
    /// Bound to this account; without it, to any that the caller is for.
    #[schema(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// Why, in words.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
}

impl RevokeTokens {
    /// Which tokens, as of `now`.
    pub(crate) fn which(&self, now: Timestamp) -> Result<EndTokens, ApiError> {
        let issued_before: Option<Timestamp> =
            parse("issued_before", self.issued_before.as_deref())?;
        if issued_before.is_some_and(|before| before > now) {
            return Err(ApiError::field("issued_before", "must not lie in the future"));
        }
        if issued_before.is_none() && self.subject.is_none() {
            return Err(ApiError::field("subject", "or issued_before must be there"));
        }
        Ok(EndTokens {
            account: parse("account", self.account.as_deref())?,
            subject: parse("subject", self.subject.as_deref())?,
            issued_before,
        })
    }
}

/// A token of the service's own. Its text is not here.
#[derive(Serialize, ToSchema)]
pub(crate) struct Token<'a> {
    /// Its id: the `jti` claim, which events name.
    jti: &'a str,
    /// Whom it names.
    subject: &'a str,
    /// The account it is bound to; `*` is all.
    account: &'a str,
    /// What it gives.
    #[schema(value_type = Vec<words::TokenRole>)]
    role: RoleNames,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    issued_at: Time,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
}

impl<'a> Token<'a> {
    pub(crate) fn new(token: &'a OwnToken) -> Token<'a> {
        Token {
            jti: &token.jti,
            subject: token.subject.as_str(),
            account: token.account.as_ref().map_or("*", keys::Account::as_str),
            role: RoleNames(token.roles),
            issued_at: Time(token.made_at),
            expires_at: Time(token.ends_at),
        }
    }
}

/// A token of the service's own, and what became of it. Its text is not here.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenState<'a> {
    #[serde(flatten)]
    token: Token<'a>,
    /// When it was last used, to within a minute, after a restart to within a day; null if it was not.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used_at: Option<Time>,
    /// When it was ended before its time; null if it was not.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    ended_at: Option<Time>,
}

impl<'a> TokenState<'a> {
    pub(crate) fn new(view: &'a TokenView) -> TokenState<'a> {
        TokenState {
            token: Token::new(&view.token),
            last_used_at: view.last_used_at.map(Time),
            ended_at: view.ended_at.map(Time),
        }
    }
}

/// Tokens, a page at a time.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes an answer that is put together as it is written")]
pub(crate) struct TokenList<'a> {
    /// What is on this page.
    items: Vec<TokenState<'a>>,
    /// The `cursor` of the next page; null at the end.
    #[schema(value_type = Option<words::Cursor>, required)]
    next_cursor: Option<String>,
}

/// A new token.
#[derive(Serialize, ToSchema)]
#[schema(as = NewToken)]
pub(crate) struct MadeToken<'a> {
    /// The token.
    pub(crate) token: TokenState<'a>,
    /// Its text (a JWT), given once: null for a dry run, and for a replay that came too late or after a restart.
    #[schema(required)]
    pub(crate) secret: Option<&'a str>,
}

/// A token that was ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct EndedToken<'a> {
    /// The token.
    pub(crate) token: TokenState<'a>,
}

/// Tokens that were ended, those that were never seen too.
#[derive(Serialize, ToSchema)]
pub(crate) struct EndedTokens<'a> {
    #[serde(flatten)]
    range: TokenRange<'a>,
    /// How many of them were known, and not ended before; in a replay after a restart, as far as the
    /// access journal names them.
    ended: usize,
}

impl<'a> EndedTokens<'a> {
    pub(crate) fn new(ended: &'a TokensEnded) -> EndedTokens<'a> {
        EndedTokens { range: TokenRange::new(&ended.range), ended: ended.count }
    }
}

/// Which tokens were ended together: those that everything here holds for.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenRange<'a> {
    /// Bound to this account; null for any, and for all accounts.
    #[schema(required)]
    of_account: Option<&'a str>,
    /// Of this subject; null for any.
    #[schema(required)]
    of_subject: Option<&'a str>,
    /// Made before this time.
    #[schema(value_type = String, format = DateTime)]
    issued_before: Time,
    /// That give no role beside these.
    #[schema(value_type = Vec<words::TokenRole>)]
    role: RoleNames,
}

impl<'a> TokenRange<'a> {
    pub(crate) fn new(range: &'a ledger::TokenRange) -> TokenRange<'a> {
        TokenRange {
            of_account: range.account.as_ref().map(keys::Account::as_str),
            of_subject: range.subject.as_ref().map(Subject::as_str),
            issued_before: Time(range.issued_before),
            role: RoleNames(range.roles),
        }
    }
}

/// Why, as it is shown.
pub(crate) fn reason(reason: Option<&Reason>) -> Option<&str> {
    reason.map(Reason::as_str)
}
