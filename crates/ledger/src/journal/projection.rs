//! What is held in memory of the journal's entries: what became of tokens, and of persons, and for
//! which requests. A start reads them all.

use std::sync::Arc;

use signedlog::Chunk;

use super::outcomes::Outcomes;
use crate::keyring::Keyring;
use crate::record::access::{Access, AccessEvent, RequestDigests};
use crate::record::codec::{self, Interner};
use crate::record::replay::ReplayError;
use crate::subjects::Subjects;
use crate::tokens::Tokens;

/// All of it, and the keys of the persons that entries speak of.
pub(super) struct Projections {
    pub(super) tokens: Arc<Tokens>,
    pub(super) subjects: Subjects,
    pub(super) outcomes: Outcomes,
    pub(super) keyring: Arc<Keyring>,
}

impl Projections {
    /// That of no entries; no token lives longer than `max_token_ttl_s`.
    pub(super) fn new(keyring: Arc<Keyring>, max_token_ttl_s: u64) -> Projections {
        let tokens = Arc::new(Tokens::new(max_token_ttl_s, Arc::clone(&keyring)));
        let (subjects, outcomes) = (Subjects::default(), Outcomes::default());
        Projections { tokens, subjects, outcomes, keyring }
    }

    /// What decodes entries of this journal.
    pub(super) fn interner(&self) -> Interner {
        Interner::new(Arc::clone(&self.keyring))
    }

    /// Decodes stored entries.
    pub(super) fn decoder(
        &self,
    ) -> impl FnMut(&eventlog::Record) -> Result<Access, ReplayError> + Send + use<> {
        let mut interner = self.interner();
        move |stored| {
            codec::decode_access(&stored.bytes, &mut interner)
                .map_err(|source| ReplayError::Record { seq: stored.seq, source })
        }
    }

    /// Applies entries that were read, in order.
    pub(super) fn apply_chunk(&self, chunk: Chunk<Access>) {
        for (_, entry) in chunk.into_records() {
            if let Some(person) = entry.persons.actor {
                self.keyring.learn(person, &entry.actor.subject);
            }
            if let (Some(person), Some(subject)) = (entry.persons.owner, entry.event.subject()) {
                self.keyring.learn(person, subject);
            }
            self.apply(&entry);
        }
    }

    /// Applies an entry. Returns how many tokens it ended, of those that are listed.
    pub(super) fn apply(&self, entry: &Access) -> usize {
        let hold = self.subjects.apply(entry);
        let ended = self.tokens.apply(entry);
        self.outcomes.apply(entry, ended, hold);
        ended
    }

    /// What could not be recorded did not happen.
    pub(super) fn not_recorded(&self, event: &AccessEvent, request: Option<RequestDigests>) {
        self.tokens.not_recorded(event);
        self.outcomes.not_recorded(request);
    }
}
