//! Tokens in the journal: made, seen, ended. What is answered is on stable storage.

use std::sync::Arc;

use keys::{Reason, Subject, Timestamp};

use super::Journal;
use super::outcomes::{Answer, Done, TokensEnded, digests};
use super::projection::Projections;
use crate::caller::{Caller, Roles, Scope};
use crate::error::Error;
use crate::record::access::{Access, AccessEvent, RequestDigests};
use crate::record::token::{OwnToken, TokenRange};
use crate::record::{Actor, Idempotency};
use crate::tokens::{Reach, Reserved, TokenView};
use crate::write::request::RequestOptions;

/// What a token is made of.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whom it names.
    pub subject: Subject,
    /// The accounts that it is for; the caller's if missing.
    pub account: Option<Scope>,
    /// What it gives.
    pub roles: Roles,
    /// How long it is good for, in seconds.
    pub ttl_s: u64,
}

/// A token that was made.
#[derive(Clone, Debug)]
pub struct MadeToken {
    /// The token.
    pub view: TokenView,
    /// Whether an earlier, equal request made it.
    pub replayed: bool,
    /// Whether this process did.
    pub made_here: bool,
}

/// Which tokens to end.
#[derive(Clone, Debug, Default)]
pub struct EndTokens {
    /// Bound to this account; all that the caller has if missing.
    pub account: Option<keys::Account>,
    /// Of this subject.
    pub subject: Option<Subject>,
    /// Made before; until now if missing.
    pub issued_before: Option<Timestamp>,
}

impl Journal {
    /// Makes a token that has nothing that the caller has not itself. On return that is on stable
    /// storage. The text is for whoever holds the key that signs it.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::AccountRequired`], [`Error::MoreThanOwn`],
    /// [`Error::TokenLife`], [`Error::TooManyTokens`], [`Error::IdempotencyMismatch`], and those of a
    /// journal that takes no entry: then nothing was made.
    pub async fn make_token(
        &self,
        caller: &Caller,
        wanted: NewToken,
        options: &RequestOptions,
        now: Timestamp,
    ) -> Result<MadeToken, Error> {
        let reach = Reach::of(caller)?;
        if !reach.makes() {
            return Err(Error::Forbidden);
        }
        let longest = self.tokens().max_ttl_s();
        if !(1..=longest).contains(&wanted.ttl_s) {
            return Err(Error::TokenLife { most_s: longest });
        }
        let account = match wanted.account {
            Some(scope) => scope.account().cloned(),
            None => Some(reach.account().ok_or(Error::AccountRequired)?.clone()),
        };
        let token = OwnToken {
            jti: id(options.idempotency)?,
            subject: wanted.subject,
            account,
            roles: wanted.roles,
            made_at: now,
            ends_at: Timestamp::from_secs(now.plus_secs(wanted.ttl_s).seconds()),
        };
        if let Some(what) = reach.exceeds(&token) {
            return Err(Error::MoreThanOwn(what));
        }
        let request = options.idempotency.map(|idempotency| idempotency.request);
        let token = match self.tokens().reserve(token, request, options.dry_run)? {
            Reserved::Replayed { view, made_here } => {
                return Ok(MadeToken { view, replayed: true, made_here });
            }
            Reserved::New(token) => token,
        };
        if !options.dry_run {
            let event = AccessEvent::TokenMade { token: token.clone(), request };
            self.record_tokens(caller, event, None, now).await?;
        }
        Ok(MadeToken { view: TokenView::unused(token), replayed: false, made_here: true })
    }

    /// Ends a token before its time, wherever it is remembered. On return that is on stable storage.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::TokenNotFound`], [`Error::TokenEnded`], and those of a journal
    /// that takes no entry: after [`Error::Broken`] nobody knows, after others it was not ended.
    pub async fn end_token(
        &self,
        caller: &Caller,
        jti: &str,
        options: &RequestOptions,
        now: Timestamp,
    ) -> Result<TokenView, Error> {
        let view = self.tokens().to_end(&Reach::of(caller)?, jti, now)?;
        let view = TokenView { ended_at: Some(now), ..view };
        if !options.dry_run {
            let (token, reason) = (view.token.clone(), options.reason.clone());
            let event = AccessEvent::TokenEnded { token, reason };
            self.record_tokens(caller, event, None, now).await?;
        }
        Ok(view)
    }

    /// Ends all tokens of a range that have nothing that the caller has not itself, those that were
    /// never seen too. On return that is on stable storage. A repeated request ends nothing: not what was
    /// made since. After a restart that holds for those of one subject.
    ///
    /// # Errors
    ///
    /// As [`Journal::end_token`]; [`Error::MoreThanOwn`], [`Error::InTheFuture`],
    /// [`Error::IdempotencyMismatch`], [`Error::OutcomesFull`], and [`Error::TooManyTokens`] if there
    /// is no room to remember it.
    pub async fn end_tokens(
        &self,
        caller: &Caller,
        which: EndTokens,
        options: &RequestOptions,
        now: Timestamp,
    ) -> Result<Answer<TokensEnded>, Error> {
        let reach = Reach::of(caller)?;
        let Projections { outcomes, keyring, .. } = self.projections();
        let request = digests(keyring, caller, options)?;
        if let Some(earlier) = outcomes.find(request, now, Done::tokens_ended)? {
            return Ok(earlier);
        }
        if which.issued_before.is_some_and(|before| before > now) {
            return Err(Error::InTheFuture);
        }
        let everything = which.issued_before.unwrap_or(Timestamp::MAX);
        let range = TokenRange {
            account: which.account,
            subject: which.subject,
            issued_before: everything,
            roles: Roles::default(),
        };
        let mut range = reach.narrow(range)?;
        let (count, newest) = self.tokens().range_to_end(&range)?;
        if which.issued_before.is_none() {
            // Those that a clock which was set back since has made are meant too.
            let newest = newest.map(|at| Timestamp::from_micros(at.micros().saturating_add(1)));
            range.issued_before = newest.map_or(now, |newest| newest.max(now));
        }
        if options.dry_run {
            return Ok(Answer::new(TokensEnded { range, count }));
        }
        let reason: Option<Reason> = options.reason.clone();
        let event = AccessEvent::TokensEnded { range: range.clone(), reason };
        let count = self.record_tokens(caller, event, request, now).await?;
        Ok(Answer::new(TokensEnded { range, count }))
    }

    /// Records what became of tokens, and applies it. Returns how many were ended.
    async fn record_tokens(
        &self,
        caller: &Caller,
        event: AccessEvent,
        request: Option<RequestDigests>,
        at: Timestamp,
    ) -> Result<usize, Error> {
        let (actor, origin) = (Actor::of(caller), caller.origin.clone());
        let entry = Access::unwritten(at, actor, origin, event);
        self.record_change(Access { request, ..entry }).await
    }
}

/// The id of a new token: random, or the one that the same request had before.
fn id(idempotency: Option<Idempotency>) -> Result<Arc<str>, Error> {
    let mut id = [0; 16];
    match idempotency {
        Some(idempotency) => id.iter_mut().zip(idempotency.key).for_each(|(to, from)| *to = from),
        None => getrandom::fill(&mut id).map_err(Error::fault)?,
    }
    Ok(format!("{:032x}", u128::from_be_bytes(id)).into())
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
