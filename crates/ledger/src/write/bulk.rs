//! Changing the status of many keys in one commit.
//!
//! First the keys are looked for, in steps that are short and hold no lock for longer than a slice of
//! the list; then the writer decides all that were found in one batch. A key that was changed in
//! between is left as it is.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashSet;
use keys::{Account, Command, KeyId, NewKey, Refusal};

use crate::caller::{Caller, MANAGE};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Direction;
use crate::projection::outcomes::Outcome;
use crate::projection::table::Key;
use crate::read::as_of::Moment;
use crate::read::key_filter::KeyFilter;
use crate::write::batch::{Batch, Idempotent};
use crate::write::job::WriteCommand;
use crate::write::request::{Change, RequestContext, RequestOptions};

/// The most keys of one bulk change.
pub const MOST_IN_BULK: usize = 1_000;
/// The most steps of a search: a million keys are looked at for one request.
const MOST_STEPS: usize = 100;
/// The most keys of one answer that are named with why they were not changed.
const MOST_REFUSED: usize = 1_000;

/// What is to happen to many keys.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// What happens to each.
    pub change: Change,
    /// Which.
    pub of: Selection,
    /// At most so many are changed, and at most [`MOST_IN_BULK`].
    pub limit: usize,
}

/// Which keys a bulk change is of, of those that the caller sees.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Those that the filter takes, oldest first.
    Filter(Box<KeyFilter>),
    /// These, in this order, each once.
    Ids(Vec<KeyId>),
}

/// Why a key of a bulk change was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotChanged {
    /// The decision on it.
    Refused(Refusal),
    /// Whoever serves the caller does not let it.
    NotPermitted,
}

/// The keys of a bulk change, as far as they have been looked for.
pub struct BulkSearch {
    bulk: Bulk,
    /// Whether all that match are counted, not only so far as keys are needed.
    count_all: bool,
    found: Vec<Found>,
    refused: Vec<(KeyId, NotChanged)>,
    matching: u64,
    /// Whether there is a key that could be changed, but for the limit.
    beyond: bool,
    /// Where the next step begins; `None` when all was looked at.
    next: Option<u64>,
    steps: usize,
}

/// A key that is to be changed.
struct Found {
    key: Arc<Key>,
    /// The revision at which it matched; `None` if it was named.
    revision: Option<u32>,
}

/// What a bulk change came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkChanged {
    /// The keys that were changed; of a dry run, those that would be.
    pub changed: Vec<KeyId>,
    /// Those that were not, with why: at most 1,000. One that the caller does not see is
    /// [`Refusal::UnknownKey`].
    pub refused: Vec<(KeyId, NotChanged)>,
    /// How many keys match, changed and refused: exact if [`BulkChanged::more`] is `false` or there
    /// are at most 10,000 keys to look at, else at least so many.
    pub matching: u64,
    /// Whether there may be more to change: the same again goes on with them, and with those that were
    /// found and changed by somebody else before they could be.
    pub more: bool,
    /// Whether `changed` is the recorded outcome of an earlier request.
    pub replayed: bool,
}

impl BulkSearch {
    /// A search that has not begun.
    #[must_use]
    pub fn new(bulk: Bulk, dry_run: bool) -> BulkSearch {
        let limit = bulk.limit.clamp(1, MOST_IN_BULK);
        BulkSearch {
            bulk: Bulk { limit, ..bulk },
            count_all: dry_run,
            found: Vec::new(),
            refused: Vec::new(),
            matching: 0,
            beyond: false,
            next: Some(0),
            steps: 0,
        }
    }

    /// Whether no further step is needed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let is_full = self.found.len() == self.bulk.limit;
        self.next.is_none() || self.steps == MOST_STEPS || (is_full && !self.count_all)
    }

    fn refuse(&mut self, id: KeyId, why: NotChanged) {
        if self.refused.len() < MOST_REFUSED {
            self.refused.push((id, why));
        }
    }

    /// Takes a key that matches, or says why not.
    fn take(&mut self, key: &Arc<Key>, revision: Option<u32>, verdict: Result<(), NotChanged>) {
        self.matching += 1;
        match verdict {
            Err(why) => self.refuse(key.made.id, why),
            Ok(()) if self.found.len() < self.bulk.limit => {
                self.found.push(Found { key: Arc::clone(key), revision });
            }
            Ok(()) => self.beyond = true,
        }
    }

    /// What a dry run answers.
    #[must_use]
    pub fn rehearsed(self) -> BulkChanged {
        let changed = self.found.iter().map(|found| found.key.made.id).collect();
        self.answer(changed)
    }

    fn answer(self, changed: Vec<KeyId>) -> BulkChanged {
        BulkChanged {
            changed,
            matching: self.matching,
            more: self.beyond || self.next.is_some(),
            refused: self.refused,
            replayed: false,
        }
    }
}

impl Ledger {
    /// Looks for more of the keys: at most 10,000 are looked at. Memory only. `permits` says whether
    /// the caller may do that to a key for reasons that the ledger does not know.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn look_for(
        &self,
        caller: &Caller,
        mut search: BulkSearch,
        permits: &dyn Fn(&NewKey) -> bool,
    ) -> Result<BulkSearch, Error> {
        let grant = caller.require(MANAGE)?;
        search.bulk.limit = search.bulk.limit.min(self.most_changes());
        let context = RequestContext::plain(caller.clone());
        let command = Command::from(search.bulk.change);
        let rehearsal = Batch::new(self.state());
        let verdict = |key: &Key| match rehearsal.would(&context, key, &command) {
            Ok(()) if permits(&key.made) => Ok(()),
            Ok(()) => Err(NotChanged::NotPermitted),
            Err(refusal) => Err(NotChanged::Refused(refusal)),
        };
        search.steps += 1;
        // Taken out for the time of the walk, which adds to the rest.
        let of = std::mem::replace(&mut search.bulk.of, Selection::Ids(Vec::new()));
        match &of {
            Selection::Ids(ids) => {
                let mut seen = HashSet::new();
                for id in ids.iter().copied().filter(|id| seen.insert(*id)) {
                    match self.find(grant, id, &RequestOptions::default()) {
                        Ok(key) => search.take(&key, None, verdict(&key)),
                        Err(_) => search.refuse(id, NotChanged::Refused(Refusal::UnknownKey)),
                    }
                }
                search.next = None;
            }
            Selection::Filter(filter) => {
                let list = self.key_list(grant, filter.account.as_ref(), filter.owner.as_ref());
                let moment = Moment::present(self.judged_at());
                let from = search.next.unwrap_or(0);
                let way = (Direction::Ascending, Some(from));
                let next =
                    self.walk(grant, &list, filter, &moment, way, &mut |key, state, _| {
                        search.take(key, Some(state.revision), verdict(key));
                        ControlFlow::Continue(())
                    })?;
                search.next = next;
            }
        }
        search.bulk.of = of;
        Ok(search)
    }

    /// Changes the keys that were found, in one commit.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn change_found(
        &self,
        caller: &Caller,
        mut search: BulkSearch,
        options: RequestOptions,
    ) -> Result<BulkChanged, Error> {
        caller.require_role(MANAGE)?;
        if search.found.is_empty() && options.idempotency.is_none() {
            return Ok(search.rehearsed());
        }
        let found_any = !search.found.is_empty();
        let command = BulkChange {
            account: caller.identity.scope.account().cloned(),
            found: std::mem::take(&mut search.found),
            command: search.bulk.change.into(),
        };
        match self.submit(RequestContext::new(caller, &options), command).await? {
            Idempotent::Decided(Done { changed, refused }) => {
                self.state().bulk_changed.fetch_add(changed.len() as u64, Ordering::Relaxed);
                for (id, why) in refused {
                    // Something happened to it since it was found. It may match still: to be found
                    // again, and not to be passed over because somebody renamed it.
                    if matches!(why, Refusal::RevisionMismatch(_)) {
                        search.beyond = true;
                    } else {
                        search.refuse(id, NotChanged::Refused(why));
                    }
                }
                Ok(search.answer(changed))
            }
            Idempotent::Earlier(Outcome { first, count, .. }) => {
                let records = self.read_chunk(first, count as usize).await?;
                let changed: Vec<KeyId> =
                    records.into_iter().map(|read| read.record.links.own.key).collect();
                let by_then: HashSet<KeyId> = changed.iter().copied().collect();
                search.refused.retain(|(id, _)| !by_then.contains(id));
                // What was found this time is not changed by a repeat.
                search.beyond |= found_any;
                Ok(BulkChanged { replayed: true, ..search.answer(changed) })
            }
        }
    }
}

/// Changes the status of several keys.
struct BulkChange {
    account: Option<Account>,
    found: Vec<Found>,
    command: Command,
}

/// What the writer decided.
struct Done {
    changed: Vec<KeyId>,
    refused: Vec<(KeyId, Refusal)>,
}

impl WriteCommand for BulkChange {
    type Reply = Idempotent<Done>;

    fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    fn weight(&self) -> usize {
        self.found.len().max(1)
    }

    fn decide(
        &self,
        context: &RequestContext,
        batch: &mut Batch<'_>,
    ) -> Result<Idempotent<Done>, Error> {
        batch.once(context, |batch| {
            // The ends of due keys go first: the records of a request follow each other.
            let mut expired = HashSet::new();
            for Found { key, .. } in &self.found {
                if batch.expire_if_due(&batch.again(key), false)? {
                    expired.insert(key.made.id);
                }
            }
            let mut context = context.clone();
            let mut done = Done { changed: Vec::new(), refused: Vec::new() };
            for Found { key, revision } in &self.found {
                let id = key.made.id;
                context.if_revision = revision.map(|at| at + u32::from(expired.contains(&id)));
                match batch.transition(&context, &batch.again(key), self.command.clone()) {
                    Ok(_) => done.changed.push(id),
                    Err(Error::Refused(refusal)) => done.refused.push((id, refusal)),
                    Err(error) => return Err(error),
                }
            }
            Ok(done)
        })
    }
}

#[cfg(test)]
#[path = "bulk_tests.rs"]
mod tests;
