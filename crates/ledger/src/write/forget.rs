//! Forgetting a person: the keys of what records say of it are destroyed, and it is taken out of what
//! is in memory. No record is written, and none changes.
//!
//! The keys that speak of the person are looked for first, beside everything else; the writer looks at
//! what was recorded since, destroys and takes out between two batches, so that nothing is decided on
//! half of it. That takes it about a microsecond for each key that the person made or had.

use keys::{Account, EventKind, Pseudonym, Subject};

use crate::caller::{Caller, Role};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::Walk;
use crate::projection::history::List;
use crate::projection::state::State;
use crate::projection::table::Traces;
use crate::record::replay::read;
use crate::write::batch::Batch;
use crate::write::job::WriteCommand;
use crate::write::request::RequestContext;
use eventlog::Seq;

/// Who may forget a person.
const FORGET: &[Role] = &[Role::Admin];
/// Places of records looked up at a time.
const LOOKED_UP: usize = 256;

/// What was forgotten of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// What it was called in records, whose keys are destroyed; none if the ledger knew nothing of it.
    pub pseudonyms: Vec<Pseudonym>,
    /// How many keys it had. They work on until they are revoked.
    pub keys: usize,
}

/// Forgets `subject`.
struct Forget {
    subject: Subject,
    traces: Traces,
    /// How many records there were when the first key was looked at.
    since: Seq,
}

impl WriteCommand for Forget {
    type Reply = Forgotten;

    fn account(&self) -> Option<&Account> {
        None
    }

    fn decide(&self, _: &RequestContext, _: &mut Batch<'_>) -> Result<Forgotten, Error> {
        Ok(Forgotten::default())
    }

    fn between(&mut self, state: &State, reply: &mut Forgotten) -> Result<(), Error> {
        reply.pseudonyms = state.keyring.pseudonyms(&self.subject);
        reply.pseudonyms.sort_unstable();
        state.keyring.destroy(&reply.pseudonyms).map_err(Error::fault)?;
        self.look_on(state)?;
        // Until the next start who had several has one of them, which nobody can see.
        if let Some(pseudonym) = reply.pseudonyms.first() {
            let erased = Subject::erased(*pseudonym);
            reply.keys = state.erase(&self.subject, &erased, &self.traces);
        }
        Ok(())
    }
}

impl Forget {
    /// Looks at the keys that were made, and those that were edited, since they were looked at.
    fn look_on(&mut self, state: &State) -> Result<(), Error> {
        state.table.trace(&self.subject, &mut self.traces);
        let (log, mut interner) = (state.log.stored(), state.interner());
        let mut walk = Some(Walk::Up(self.since));
        while let Some(from) = walk {
            let edits = [List::Kind(EventKind::Updated)];
            let found = state.history.common(&edits, from, LOOKED_UP);
            for seq in found.places {
                let stored = read(log, seq, 1, &mut interner).map_err(Error::fault)?;
                let ids = stored.iter().map(|stored| stored.record.links.own.key);
                ids.filter_map(|id| state.table.get(id)).for_each(|key| self.traces.add(&key));
            }
            walk = found.next;
        }
        Ok(())
    }
}

impl Ledger {
    /// Forgets a person: afterwards nothing here or in the log says who that was. Its keys go on as
    /// they are. Whoever comes with the same name later is another one.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for admins of all accounts; a fault of the keyring, after which what
    /// is in memory is as before, and whether the person is forgotten shows at the next start.
    pub async fn forget(&self, caller: &Caller, subject: &Subject) -> Result<Forgotten, Error> {
        caller.require_all(FORGET)?;
        let (ledger, subject) = (self.clone(), subject.clone());
        let look = move || {
            let (since, mut traces) = (ledger.state().size(), Traces::default());
            ledger.state().table.trace(&subject, &mut traces);
            Forget { subject, traces, since }
        };
        let command = tokio::task::spawn_blocking(look).await.map_err(Error::fault)?;
        self.submit(RequestContext::plain(caller.clone()), command).await
    }
}

#[cfg(test)]
#[path = "forget_tests.rs"]
mod tests;
