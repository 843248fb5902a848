//! What requests with an idempotency key came to that ended tokens, or held, released or erased a person.
//!
//! A projection of the journal, as far as an entry stores the request ([`crate::Access::request`]); the
//! others are remembered until the process ends.

use std::collections::HashSet;

use keys::{Pseudonym, Subject, Timestamp};
use parking_lot::Mutex;

use crate::caller::{Caller, Holder};
use crate::error::Error;
use crate::keyring::Keyring;
use crate::outcome_memory::{OutcomeBounds, OutcomeMemory};
use crate::record::access::{Access, AccessEvent, RequestDigests};
use crate::record::token::TokenRange;
use crate::subjects::HoldView;
use crate::write::request::RequestOptions;

/// How many are remembered, some 500 bytes each.
const BOUNDS: OutcomeBounds = OutcomeBounds { all: 32_768, one: 4_096 };

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was done.
    pub outcome: T,
    /// Whether an earlier, equal request did it.
    pub replayed: bool,
}

/// What was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokensEnded {
    /// Which tokens.
    pub range: TokenRange,
    /// How many of them are known, and had not ended before; after a restart, as far as the journal
    /// names them.
    pub count: usize,
}

/// A person that was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// When.
    pub at: Timestamp,
    /// What the person is called in records.
    pub persons: Vec<Pseudonym>,
    /// How many keys spoke of it.
    pub keys: usize,
}

/// What was done. An idempotency key is of one route: a hold is one that was placed, or released.
#[derive(Clone)]
pub(super) enum Done {
    TokensEnded(TokensEnded),
    Hold(HoldView),
    Erased(Erased),
}

impl Done {
    pub(super) fn tokens_ended(self) -> Option<TokensEnded> {
        if let Done::TokensEnded(ended) = self { Some(ended) } else { None }
    }

    pub(super) fn hold(self) -> Option<HoldView> {
        if let Done::Hold(view) = self { Some(view) } else { None }
    }

    pub(super) fn erased(self) -> Option<Erased> {
        if let Done::Erased(erased) = self { Some(erased) } else { None }
    }

    fn names(&self, subject: &Subject) -> bool {
        match self {
            Done::TokensEnded(ended) => ended.range.subject.as_ref() == Some(subject),
            Done::Hold(view) => view.hold.subject == *subject || view.by == *subject,
            Done::Erased(_) => false,
        }
    }
}

impl<T> Answer<T> {
    pub(super) fn new(outcome: T) -> Answer<T> {
        Answer { outcome, replayed: false }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Outcomes(Mutex<Inner>);

struct Inner {
    /// By the digest of the idempotency key: that of the request, and what was done.
    memory: OutcomeMemory<[u8; 16], ([u8; 16], Done)>,
    /// Those whose entries are being written.
    under_way: HashSet<[u8; 16]>,
}

impl Default for Inner {
    fn default() -> Inner {
        Inner { memory: OutcomeMemory::within(BOUNDS), under_way: HashSet::new() }
    }
}

/// What an entry stores of a request with an idempotency key.
pub(super) fn digests(
    keyring: &Keyring,
    caller: &Caller,
    options: &RequestOptions,
) -> Result<Option<RequestDigests>, Error> {
    let Some(request) = options.idempotency else { return Ok(None) };
    let blind = |digest| keyring.blind(&caller.identity.subject, digest).map_err(Error::fault);
    Ok(Some(RequestDigests::of(&blind(&request.key)?, &blind(&request.request)?)))
}

impl Outcomes {
    /// What the same request came to before, in the shape that it is of.
    ///
    /// # Errors
    ///
    /// [`Error::IdempotencyMismatch`]
    pub(super) fn find<T>(
        &self,
        request: Option<RequestDigests>,
        now: Timestamp,
        shape: impl FnOnce(Done) -> Option<T>,
    ) -> Result<Option<Answer<T>>, Error> {
        let Some(RequestDigests { key, request }) = request else { return Ok(None) };
        let mut inner = self.0.lock();
        let Some((earlier, done)) = inner.memory.find(&key, now) else { return Ok(None) };
        let done = Some(done.clone()).filter(|_| *earlier == request).and_then(shape);
        let outcome = done.ok_or(Error::IdempotencyMismatch)?;
        Ok(Some(Answer { outcome, replayed: true }))
    }

    /// Marks the request of an entry that is about to be written.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`] while the same request is under way, [`Error::OutcomesFull`].
    pub(super) fn begin(&self, entry: &Access) -> Result<(), Error> {
        let Some(RequestDigests { key, .. }) = entry.request else { return Ok(()) };
        let Inner { memory, under_way } = &mut *self.0.lock();
        if under_way.contains(&key) || memory.find(&key, entry.at).is_some() {
            return Err(Error::Overloaded);
        }
        if !memory.has_room(&holder(entry), under_way.len()) {
            return Err(Error::OutcomesFull);
        }
        under_way.insert(key);
        Ok(())
    }

    /// It was not recorded.
    pub(super) fn not_recorded(&self, request: Option<RequestDigests>) {
        if let Some(RequestDigests { key, .. }) = request {
            self.0.lock().under_way.remove(&key);
        }
    }

    /// Applies an entry, which ended `count` tokens, or is about a hold.
    pub(super) fn apply(&self, entry: &Access, count: usize, hold: Option<HoldView>) {
        let Some(request) = entry.request else { return };
        let ended = |range: &TokenRange| TokensEnded { range: range.clone(), count };
        let done = if let AccessEvent::TokensEnded { range, .. } = &entry.event {
            Some(Done::TokensEnded(ended(range)))
        } else {
            hold.map(Done::Hold)
        };
        self.not_recorded(entry.request);
        // The key of who was erased is of nobody: what comes from the same name is another's.
        if let Some(done) = done.filter(|_| !entry.actor.subject.is_erased()) {
            self.remember(entry.at, request, holder(entry), done);
        }
    }

    /// Remembers what was done `at` a moment.
    pub(super) fn remember(
        &self,
        at: Timestamp,
        RequestDigests { key, request }: RequestDigests,
        holder: Holder,
        done: Done,
    ) {
        let mut inner = self.0.lock();
        // It lets go of what is too old first.
        let _ = inner.memory.find(&key, at);
        inner.memory.insert(at, key, holder, (request, done));
    }

    /// Whether there is room for what `caller` is about to do.
    ///
    /// # Errors
    ///
    /// [`Error::OutcomesFull`]
    pub(super) fn check_room(&self, caller: &Caller) -> Result<(), Error> {
        let inner = self.0.lock();
        let has_room = inner.memory.has_room(&caller.holder(), inner.under_way.len());
        if has_room { Ok(()) } else { Err(Error::OutcomesFull) }
    }

    /// Forgets what `subject` asked for, who was erased, and what names it.
    pub(super) fn erase(&self, subject: &Subject) {
        let mut inner = self.0.lock();
        inner.memory.erase(subject);
        inner.memory.retain(|(_, done)| !done.names(subject));
    }
}

fn holder(entry: &Access) -> Holder {
    (entry.actor.account.clone(), entry.actor.subject.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Origin, Role};
    use crate::record::Actor;
    use crate::testing::caller;

    #[test]
    fn each_caller_has_its_bound() {
        let outcomes = Outcomes::default();
        let at = Timestamp::from_secs(1_700_000_000);
        let ann = caller(Some("acme"), Role::Owner);
        let digests = |number: u32| {
            let mut key = [0; 16];
            key[..4].copy_from_slice(&number.to_be_bytes());
            RequestDigests { key, request: [1; 16] }
        };
        let range = TokenRange {
            account: None,
            subject: None,
            issued_before: at,
            roles: crate::Roles::default(),
        };
        let event = AccessEvent::TokensEnded { range, reason: None };
        let begin = |caller: &Caller, number, at| {
            let entry = Access::unwritten(at, Actor::of(caller), Origin::default(), event.clone());
            let entry = Access { request: Some(digests(number)), ..entry };
            outcomes.begin(&entry).map(|()| outcomes.apply(&entry, 1, None))
        };
        for number in 0..u32::try_from(BOUNDS.one).unwrap() {
            begin(&ann, number, at).unwrap();
        }
        assert!(matches!(begin(&ann, 9_999, at), Err(Error::OutcomesFull)));
        assert!(matches!(outcomes.check_room(&ann), Err(Error::OutcomesFull)));
        let found = outcomes.find(Some(digests(7)), at, Done::tokens_ended).unwrap();
        assert!(found.unwrap().replayed);
        begin(&caller(Some("other"), Role::Owner), 9_999, at).unwrap();
        let tomorrow = at.plus_secs(24 * 3600);
        assert!(outcomes.find(Some(digests(7)), tomorrow, Done::tokens_ended).unwrap().is_none());
        begin(&ann, 7, tomorrow).unwrap();
    }
}
