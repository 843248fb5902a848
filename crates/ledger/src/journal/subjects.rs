//! Persons in the journal: held, released, erased. What is answered is on stable storage.

use std::time::Duration;

use keys::{Pseudonym, Reason, Subject, Timestamp};

use super::Journal;
use super::outcomes::{Answer, Done, Erased, digests};
use super::projection::Projections;
use crate::caller::{Caller, Role};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::record::Actor;
use crate::record::access::{Access, AccessEvent, Erasure, Hold, HoldId, RequestDigests};
use crate::subjects::HoldView;
use crate::write::request::RequestOptions;

/// After how long it is tried again to forget somebody.
const AGAIN: Duration = Duration::from_millis(50);

impl Journal {
    /// What a person is called in records, in order. Looks at the keys of all persons.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for admins of all accounts; [`Error::SubjectNotFound`].
    pub fn pseudonyms(&self, caller: &Caller, subject: &Subject) -> Result<Vec<Pseudonym>, Error> {
        caller.require_all(&[Role::Admin])?;
        let mut persons = self.projections().keyring.pseudonyms(subject);
        persons.sort_unstable();
        if persons.is_empty() { Err(Error::SubjectNotFound) } else { Ok(persons) }
    }

    /// The holds of a person, oldest first.
    ///
    /// # Errors
    ///
    /// As [`Journal::pseudonyms`].
    pub fn holds(&self, caller: &Caller, subject: &Subject) -> Result<Vec<HoldView>, Error> {
        Ok(self.projections().subjects.holds(&self.pseudonyms(caller, subject)?))
    }

    /// Places a hold on a person, which is then not erased until every hold is released. A repeated
    /// request places none.
    ///
    /// # Errors
    ///
    /// As [`Journal::holds`], [`Error::IdempotencyMismatch`], [`Error::OutcomesFull`], and those of a journal that takes no entry: after [`Error::Broken`]
    /// nobody knows, after others none was placed.
    pub async fn hold(
        &self,
        caller: &Caller,
        subject: &Subject,
        options: &RequestOptions,
        at: Timestamp,
    ) -> Result<Answer<HoldView>, Error> {
        let _turn = self.0.subjects.lock().await;
        let request = self.request(caller, options)?;
        if let Some(earlier) = self.projections().outcomes.find(request, at, Done::hold)? {
            return Ok(earlier);
        }
        let persons = self.find(caller, subject).await?;
        let mut id = HoldId([0; 16]);
        getrandom::fill(&mut id.0).map_err(Error::fault)?;
        // One whose erasure is on record and not done yet: that is done at the next start.
        if self.projections().subjects.is_erased(&persons) {
            return Err(Error::SubjectNotFound);
        }
        let hold = Hold { id, subject: subject.clone(), persons, reason: options.reason.clone() };
        if !options.dry_run {
            let event = AccessEvent::SubjectHeld(hold.clone());
            self.record_subject(caller, event, request, at).await?;
        }
        Ok(Answer::new(HoldView { hold, at, by: caller.identity.subject.clone() }))
    }

    /// Releases a hold of a person: the only one, if none is named. A repeated request releases no other.
    ///
    /// # Errors
    ///
    /// As [`Journal::hold`]; [`Error::HoldNotFound`], and [`Error::HoldNotNamed`] if there are more
    /// than one to choose from.
    pub async fn release(
        &self,
        caller: &Caller,
        subject: &Subject,
        id: Option<HoldId>,
        options: &RequestOptions,
        at: Timestamp,
    ) -> Result<Answer<HoldView>, Error> {
        let _turn = self.0.subjects.lock().await;
        let request = self.request(caller, options)?;
        if let Some(earlier) = self.projections().outcomes.find(request, at, Done::hold)? {
            return Ok(earlier);
        }
        let mut holds = self.projections().subjects.holds(&self.find(caller, subject).await?);
        if let Some(id) = id {
            holds.retain(|view| view.hold.id == id);
        }
        let view = holds.pop().ok_or(Error::HoldNotFound)?;
        if !holds.is_empty() {
            return Err(Error::HoldNotNamed);
        }
        if !options.dry_run {
            let released = Hold { reason: options.reason.clone(), ..view.hold.clone() };
            let event = AccessEvent::SubjectReleased(released);
            self.record_subject(caller, event, request, at).await?;
        }
        Ok(Answer::new(view))
    }

    /// Forgets a person: records that, destroys the keys that what says who it is was sealed under,
    /// and takes it out of memory. Keys that it owns work on. A repeated request is remembered until the
    /// process ends: what is left of a person nowhere says which request forgot it.
    ///
    /// # Errors
    ///
    /// As [`Journal::hold`]; [`Error::OnHold`]. After [`Error::Broken`] and [`Error::Fault`] it may be
    /// on record and not done: then the next start does it.
    pub async fn erase(
        &self,
        ledger: &Ledger,
        caller: &Caller,
        subject: &Subject,
        legal_basis: Option<Reason>,
        options: &RequestOptions,
        at: Timestamp,
    ) -> Result<Answer<Erased>, Error> {
        let _turn = self.0.subjects.lock().await;
        let outcomes = &self.projections().outcomes;
        let request = self.request(caller, options)?;
        if let Some(earlier) = outcomes.find(request, at, Done::erased)? {
            return Ok(earlier);
        }
        let persons = self.find(caller, subject).await?;
        if !self.projections().subjects.holds(&persons).is_empty() {
            return Err(Error::OnHold);
        }
        if options.dry_run {
            let (ledger, caller, subject) = (ledger.clone(), caller.clone(), subject.clone());
            let count = move || ledger.count_keys_of(&caller, &subject);
            let keys = tokio::task::spawn_blocking(count).await.map_err(Error::fault)??;
            return Ok(Answer::new(Erased { at, persons, keys }));
        }
        if request.is_some() {
            outcomes.check_room(caller)?;
        }
        // Nothing is put on record that cannot be done.
        self.projections().keyring.check().map_err(Error::fault)?;
        let erasure =
            Erasure { persons: persons.clone(), reason: options.reason.clone(), legal_basis };
        let event = AccessEvent::SubjectErased(erasure);
        self.record_subject(caller, event, None, at).await?;
        let forgotten = loop {
            match ledger.forget(caller, subject).await {
                // It is on record, and done as soon as there is room for it.
                Err(Error::Overloaded | Error::RateLimited { .. } | Error::Full) => {
                    tokio::time::sleep(AGAIN).await;
                }
                done => break done?,
            }
        };
        self.forget(subject, &persons);
        let erased = Erased { at, persons, keys: forgotten.keys };
        // Of who erased itself nothing is remembered.
        if let Some(request) = request.filter(|_| caller.identity.subject != *subject) {
            outcomes.remember(at, request, caller.holder(), Done::Erased(erased.clone()));
        }
        Ok(Answer::new(erased))
    }

    /// Destroys again what is on record as destroyed and is there all the same: the keyring came back
    /// from a backup. To be called before the ledger is opened. Says of how many.
    ///
    /// # Errors
    ///
    /// A fault of the keyring.
    pub fn forget_again(&self) -> Result<usize, Error> {
        let Projections { keyring, subjects, .. } = self.projections();
        let is_back = |person: &Pseudonym| keyring.has_left(person);
        let back: Vec<_> = subjects.erased().into_iter().filter(is_back).collect();
        let persons = back.iter().filter_map(|one| Some((keyring.subject(one)?, *one)));
        let persons: Vec<_> = persons.collect();
        keyring.destroy(&back).map_err(Error::fault)?;
        for (subject, person) in persons {
            self.forget(&subject, &[person]);
        }
        Ok(back.len())
    }

    /// How many holds there are, and how many pseudonyms of persons that were erased.
    #[must_use]
    pub fn subject_counts(&self) -> (usize, usize) {
        self.projections().subjects.count()
    }

    /// What is remembered of a request, from who may do anything here.
    fn request(
        &self,
        caller: &Caller,
        options: &RequestOptions,
    ) -> Result<Option<RequestDigests>, Error> {
        caller.require_all(&[Role::Admin])?;
        digests(&self.projections().keyring, caller, options)
    }

    /// What a person is called in records, looked for beside what this thread does for others.
    async fn find(&self, caller: &Caller, subject: &Subject) -> Result<Vec<Pseudonym>, Error> {
        let (journal, caller, subject) = (self.clone(), caller.clone(), subject.clone());
        let find = move || journal.pseudonyms(&caller, &subject);
        tokio::task::spawn_blocking(find).await.map_err(Error::fault)?
    }

    /// Takes a person out of what is in memory.
    fn forget(&self, subject: &Subject, persons: &[Pseudonym]) {
        self.tokens().erase(subject);
        self.projections().outcomes.erase(subject);
        self.0.writer.readers.lock().erase(subject);
        if let Some(person) = persons.first() {
            self.projections().subjects.erase(subject, *person);
        }
    }

    async fn record_subject(
        &self,
        caller: &Caller,
        event: AccessEvent,
        request: Option<RequestDigests>,
        at: Timestamp,
    ) -> Result<(), Error> {
        let (actor, origin) = (Actor::of(caller), caller.origin.clone());
        let entry = Access::unwritten(at, actor, origin, event);
        self.record_change(Access { request, ..entry }).await?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "subjects_tests.rs"]
mod tests;
