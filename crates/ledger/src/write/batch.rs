//! A batch under construction: what it has decided so far, on top of the projections.
//!
//! The writer gathers the facts of each command here, lets [`keys::decide`] judge them and writes
//! down the event. Nothing of it is visible to anybody until the log has it.

mod acting;
mod alive;
mod edit;
mod facts;
mod imports;
mod once;
mod persons;
mod salts;
#[cfg(test)]
mod salts_tests;

use std::sync::Arc;

use eventlog::{MAX_RECORD, Seq};
use hashbrown::HashMap;
use keys::{
    Account, Command, Decision, Event, Facts, KeyId, KeyState, NewKey, Reason, Refusal, Replaces,
    Rotation, RulesByAccount, Subject, Timestamp, decide,
};
use signedlog::Leaf;

use self::imports::Imports;
use self::salts::Salts;
use crate::caller::{Origin, worker};
use crate::error::Error;
use crate::projection::outcomes::Outcome;
use crate::projection::state::State;
use crate::projection::table::{ChainedState, Key};
use crate::record::{Actor, Idempotency, Link, Links, Record, codec};
use crate::write::request::{RequestContext, WantedKey};

/// A record that the batch will append.
pub(crate) struct Drafted {
    pub(crate) record: Record,
    pub(crate) leaf: Leaf,
}

/// What a change of a key came to.
#[derive(Debug)]
pub(crate) struct Decided {
    /// The place of its record; for a dry run the one that it would have.
    pub(crate) seq: Seq,
    /// Whether it is recorded: `false` for a dry run.
    pub(crate) recorded: bool,
    pub(crate) record: Record,
    /// The key's state after it.
    pub(crate) state: KeyState,
    /// What the key has after it.
    pub(crate) attributes: Arc<NewKey>,
}

/// What a create or a rotation came to.
#[derive(Debug)]
pub(crate) struct DecidedKey {
    /// The new key, with its number and its due time.
    pub(crate) key: Arc<NewKey>,
    pub(crate) decided: Decided,
}

/// The reply to a request that may carry an idempotency key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Idempotent<R> {
    /// It was decided now.
    Decided(R),
    /// The same request was answered before, by these records.
    Earlier(Outcome),
}

/// A rotation of `old` to a new key.
pub(crate) struct RotateTo<'a> {
    pub(crate) old: &'a Key,
    pub(crate) wanted: &'a WantedKey,
    pub(crate) rotation: Rotation,
}

/// A record to be, with the states that it leaves its keys in.
struct Draft {
    decision: Decision,
    link: Link,
    state: KeyState,
    /// What the key has after it.
    attributes: Arc<NewKey>,
    /// The key that a rotation replaces.
    replaced: Option<(Link, KeyState)>,
}

pub(crate) struct Batch<'s> {
    state: &'s State,
    start: Seq,
    /// The moment all its records carry.
    now: Timestamp,
    pub(crate) bytes: Vec<Vec<u8>>,
    pub(crate) drafted: Vec<Drafted>,
    touched: HashMap<KeyId, ChainedState>,
    created: Vec<Arc<NewKey>>,
    imports: Imports,
    /// What edited keys have.
    edited: HashMap<KeyId, Arc<NewKey>>,
    /// By how much the number of alive keys changed; `None` as long as nothing depends on it.
    alive: Option<HashMap<Account, i64>>,
    /// What the keys of each account must keep to.
    account_rules: Arc<RulesByAccount>,
    numbers: HashMap<Account, u64>,
    outcomes: HashMap<[u8; 32], Outcome>,
    salts: Salts,
}

impl<'s> Batch<'s> {
    /// An empty batch on what `state` has applied. Recorded time never goes backwards.
    pub(crate) fn new(state: &'s State) -> Batch<'s> {
        Batch {
            state,
            start: state.size(),
            now: state.monotone.now(state.clock.as_ref()).max(state.last_at()),
            bytes: Vec::new(),
            drafted: Vec::new(),
            touched: HashMap::new(),
            created: Vec::new(),
            imports: Imports::default(),
            edited: HashMap::new(),
            alive: None,
            account_rules: state.account_rules(),
            numbers: HashMap::new(),
            outcomes: HashMap::new(),
            salts: Salts::default(),
        }
    }

    /// The place of its first record.
    pub(crate) fn start(&self) -> Seq {
        self.start
    }

    /// The place of its next record.
    fn next_seq(&self) -> Seq {
        Seq(self.start.0 + self.bytes.len() as u64)
    }

    /// The object that stands for `key` in the table now, see [`KeyTable::again`].
    ///
    /// [`KeyTable::again`]: crate::projection::table::KeyTable::again
    pub(crate) fn again(&self, key: &Arc<Key>) -> Arc<Key> {
        self.state.table.again(key)
    }

    fn chained_state(&self, key: &Key) -> ChainedState {
        self.touched.get(&key.made.id).copied().unwrap_or_else(|| key.chained_state())
    }

    /// What the key has, as far as the batch has decided.
    fn attributes(&self, key: &Key) -> Arc<NewKey> {
        self.edited.get(&key.made.id).map_or_else(|| key.current(), Arc::clone)
    }

    /// Decides a create and writes it down.
    pub(crate) fn create(
        &mut self,
        context: &RequestContext,
        wanted: &WantedKey,
    ) -> Result<DecidedKey, Error> {
        let (key, policy) = self.bound(wanted)?;
        self.expire_for_room(&policy, &key.account, context.dry_run)?;
        let number = self.next_number(&key.account);
        let facts = self.facts_of_new(&key, &policy, number);
        let key = Arc::new(NewKey { number, ..key });
        let decision = decide(&facts, Command::Create(key, policy))?;
        let key = created_by(&decision.event);
        let state = KeyState::created(&key, self.now);
        let attributes = Arc::clone(&key);
        let draft =
            Draft { decision, link: Link::first(key.id), state, attributes, replaced: None };
        Ok(DecidedKey { key, decided: self.finish(context, draft)? })
    }

    /// Decides a rotation and writes it down.
    pub(crate) fn rotate(
        &mut self,
        context: &RequestContext,
        to: &RotateTo<'_>,
    ) -> Result<DecidedKey, Error> {
        let RotateTo { old, wanted, rotation } = *to;
        self.expire_if_due(old, context.dry_run)?;
        let current = self.attributes(old);
        if wanted.model.as_ref().is_some_and(|model| !Arc::ptr_eq(model, &current)) {
            return Err(Error::Edited);
        }
        let (key, policy) = self.bound(wanted)?;
        self.expire_for_room(&policy, &key.account, context.dry_run)?;
        let before = self.chained_state(old);
        let number = self.next_number(&key.account);
        let facts = Facts {
            status: Some(before.state.status_at(self.now)),
            due: before.state.expires_at,
            revision: before.state.revision,
            wanted_revision: context.if_revision,
            replaced_by: before.state.replaced_by,
            created_at: Some(old.created_at),
            owner_erased: current.owner.is_erased(),
            ..self.facts_of_new(&key, &policy, number)
        };
        let replaces = Some(Box::new(Replaces { key: old.made.id, valid_until: self.now }));
        let key = Arc::new(NewKey { number, replaces, ..key });
        let decision = decide(&facts, Command::Rotate(key, rotation, policy))?;
        let key = created_by(&decision.event);
        #[expect(clippy::expect_used, reason = "`decide` sets until when, and keeps the rest")]
        let replaces = key.replaces.as_ref().expect("a rotation names the key that it replaces");
        let after = before.state.replaced(key.id, replaces.valid_until, self.now);
        let old_link = before.link(old.made.id, &after, self.now);
        let draft = Draft {
            decision,
            link: Link::first(key.id),
            state: KeyState::created(&key, self.now),
            attributes: Arc::clone(&key),
            replaced: Some((old_link, after)),
        };
        Ok(DecidedKey { key, decided: self.finish(context, draft)? })
    }

    /// Decides a change of a key's status and writes it down.
    pub(crate) fn change(
        &mut self,
        context: &RequestContext,
        key: &Key,
        command: Command,
    ) -> Result<Decided, Error> {
        self.expire_if_due(key, context.dry_run)?;
        self.transition(context, key, command)
    }

    /// What is decided on a change of a key, which is not written down.
    pub(crate) fn would(
        &self,
        context: &RequestContext,
        key: &Key,
        command: &Command,
    ) -> Result<(), Refusal> {
        let state = self.chained_state(key).state;
        decide(&self.facts_of(key, &state, command, context), command.clone()).map(drop)
    }

    /// Records keys that are due, soonest first, at most `limit`.
    pub(crate) fn expire_due(
        &mut self,
        context: &RequestContext,
        limit: usize,
    ) -> Result<Vec<KeyId>, Error> {
        let mut expired = Vec::new();
        // One that the batch has ended already is still in the queue: pass it over.
        for id in self.state.table.due(self.now, limit) {
            let Some(key) = self.state.table.get(id) else { continue };
            match self.transition(context, &key, Command::ExpireDue) {
                Ok(_) => expired.push(id),
                Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }

    /// Whoever meets a due key records its `Expired` first, in the worker's name. Whether it was due.
    pub(crate) fn expire_if_due(&mut self, key: &Key, dry_run: bool) -> Result<bool, Error> {
        if dry_run || !self.chained_state(key).state.is_due(self.now) {
            return Ok(false);
        }
        let context = RequestContext::plain(worker());
        self.transition(&context, key, Command::ExpireDue).map(|_| true)
    }

    /// Decides a change of a key that is not due, or whose end is recorded, and writes it down.
    pub(crate) fn transition(
        &mut self,
        context: &RequestContext,
        key: &Key,
        command: Command,
    ) -> Result<Decided, Error> {
        let before = self.chained_state(key);
        let facts = self.facts_of(key, &before.state, &command, context);
        let decision = decide(&facts, command)?;
        let state = before.state.after(&decision.event, self.now);
        let mut attributes = self.attributes(key);
        if let Event::Updated(update) = &decision.event {
            let changed = Arc::make_mut(&mut attributes);
            update.iter().for_each(|edit| edit.redo(changed));
        }
        let link = before.link(key.made.id, &state, self.now);
        let link = Link { before: facts.status, ..link };
        self.finish(context, Draft { decision, link, state, attributes, replaced: None })
    }

    fn record(
        &mut self,
        context: &RequestContext,
        decision: Decision,
        links: Links,
        owner: &Subject,
    ) -> Result<Record, Error> {
        let RequestContext { caller, reason, idempotency, .. } = context;
        let persons = self.persons(context, &decision.event, owner)?;
        // A key whose owner was erased may call still. Of who acts nothing can be stored then.
        let is_storable = !caller.identity.subject.is_erased();
        Ok(Record {
            at: self.now,
            node: self.state.node.clone(),
            actor: Actor::of(caller),
            origin: if is_storable { caller.origin.clone() } else { Origin::default() },
            dialect: caller.dialect,
            reason: reason.clone().map(|why| if is_storable { why } else { Reason::erased() }),
            rules: decision.rules,
            event: decision.event,
            links,
            salt: self.salts.next()?,
            idempotency: idempotency.filter(|_| is_storable),
            persons,
        })
    }

    /// Encodes the record and adds it to the batch, unless it is only a dry run.
    fn finish(&mut self, context: &RequestContext, draft: Draft) -> Result<Decided, Error> {
        let Draft { decision, link, state, attributes, replaced } = draft;
        let others = replaced.iter().map(|(link, _)| *link).collect();
        let links = Links { own: link, others };
        let record = self.record(context, decision, links, &attributes.owner)?;
        let bytes = codec::encode(&record, &self.state.keyring).map_err(Error::fault)?;
        if bytes.len() > MAX_RECORD {
            return Err(Error::TooLong);
        }
        let seq = self.next_seq();
        if context.dry_run {
            return Ok(Decided { seq, recorded: false, record, state, attributes });
        }
        let head = (seq, Leaf::of(&bytes));
        self.touched.insert(record.links.own.key, ChainedState { state, head });
        if let Some((link, state)) = replaced {
            self.touched.insert(link.key, ChainedState { state, head });
        }
        if let Some(alive) = &mut self.alive {
            alive::count(alive, &link, || attributes.account.clone());
        }
        match &record.event {
            Event::Created(key) => {
                self.numbers.insert(key.account.clone(), key.number + 1);
                self.imports.made(key);
                self.created.push(Arc::clone(key));
            }
            Event::Updated(_) => {
                self.edited.insert(attributes.id, Arc::clone(&attributes));
            }
            Event::Enabled | Event::Disabled | Event::Expired { .. } | Event::Revoked(_) => {}
        }
        if let Some(Idempotency { key, request }) = record.idempotency {
            let outcome = Outcome { request, first: seq, count: 0 };
            self.outcomes.entry(key).or_insert(outcome).count += 1;
        }
        self.bytes.push(bytes);
        self.drafted.push(Drafted { record: record.clone(), leaf: head.1 });
        Ok(Decided { seq, recorded: true, record, state, attributes })
    }
}

/// The key of an event that a create or a rotation was decided as.
fn created_by(event: &Event) -> Arc<NewKey> {
    match event {
        Event::Created(key) => Arc::clone(key),
        Event::Enabled
        | Event::Disabled
        | Event::Expired { .. }
        | Event::Revoked(_)
        | Event::Updated(_) => {
            unreachable!("`decide` answers a create and a rotation with `Created`")
        }
    }
}
