//! A batch under construction: what it has decided so far, on top of the projections.
//!
//! The writer gathers the facts of each command here, lets [`keys::decide`] judge them and writes
//! down the event. Nothing of it is visible to anybody until the log has it.

use std::sync::Arc;

use eventlog::{MAX_RECORD, Seq};
use hashbrown::HashMap;
use keys::{
    Account, Command, Event, Facts, KeyId, KeyState, Kind, Limits, NewKey, Refusal, Replaces,
    Rotation, Timestamp, decide,
};

use crate::caller::worker;
use crate::codec;
use crate::error::Error;
use crate::projection::outcomes::Outcome;
use crate::projection::table::{Key, State as ChainedState};
use crate::record::{Actor, Idempotency, Leaf, Link, Record};
use crate::state::State;
use crate::write::request::{Change, RequestContext, Rules};

/// A record that the batch will append.
pub(crate) struct Drafted {
    pub(crate) record: Record,
    pub(crate) leaf: Leaf,
}

/// What a change of a key came to.
#[derive(Clone)]
pub(crate) struct Decided {
    /// Its place in the batch; `None` for a dry run.
    pub(crate) index: Option<usize>,
    pub(crate) record: Record,
    pub(crate) standing: KeyState,
}

pub(crate) struct Batch<'s> {
    state: &'s State,
    start: Seq,
    /// The moment all its records carry.
    pub(crate) now: Timestamp,
    pub(crate) bytes: Vec<Vec<u8>>,
    pub(crate) drafted: Vec<Drafted>,
    touched: HashMap<KeyId, ChainedState>,
    created: Vec<Arc<NewKey>>,
    numbers: HashMap<Account, u64>,
    outcomes: HashMap<[u8; 32], Outcome>,
    salts: Salts,
}

/// Random bytes, fetched for many records at a time.
struct Salts {
    pool: [u8; 1024],
    left: usize,
}

impl Salts {
    fn next(&mut self) -> Result<[u8; 16], Error> {
        if self.left < 16 {
            getrandom::fill(&mut self.pool).map_err(Error::fault)?;
            self.left = self.pool.len();
        }
        self.left -= 16;
        let salt = self.pool.get(self.left..self.left + 16).and_then(|salt| salt.try_into().ok());
        Ok(salt.unwrap_or_default())
    }
}

impl<'s> Batch<'s> {
    /// An empty batch on what `state` has applied. Recorded time never goes backwards.
    pub(crate) fn new(state: &'s State) -> Batch<'s> {
        Batch {
            state,
            start: state.size(),
            now: state.reached.now(state.clock.as_ref()).max(state.last_at()),
            bytes: Vec::new(),
            drafted: Vec::new(),
            touched: HashMap::new(),
            created: Vec::new(),
            numbers: HashMap::new(),
            outcomes: HashMap::new(),
            salts: Salts { pool: [0; 1024], left: 0 },
        }
    }

    pub(crate) fn start(&self) -> Seq {
        self.start
    }

    /// The earlier outcome of the same request, if there is one.
    pub(crate) fn replay_of(&self, context: &RequestContext) -> Result<Option<Outcome>, Error> {
        let Some(Idempotency { key, request }) = context.idempotency else { return Ok(None) };
        let mut remembered = self.state.outcomes.lock();
        match self.outcomes.get(&key).copied().or_else(|| remembered.find(&key, self.now)) {
            Some(outcome) if outcome.request == request => Ok(Some(outcome)),
            Some(_) => Err(Error::IdempotencyMismatch),
            None if remembered.has_room(&context.caller.holder(), self.outcomes.len()) => Ok(None),
            None => Err(Error::OutcomesFull),
        }
    }

    fn chained_state(&self, key: &Key) -> ChainedState {
        self.touched.get(&key.made.id).copied().unwrap_or_else(|| key.state())
    }

    fn next_number(&self, account: &Account) -> u64 {
        let next = self.numbers.get(account).copied();
        next.unwrap_or_else(|| {
            self.state.table.account(account.as_str()).map_or(0, |keys| keys.len() as u64) + 1
        })
    }

    /// The facts about a key that is to be made, as the one with this number of its account.
    fn facts_of_new(&self, key: &NewKey, number: u64, rules: &Rules) -> Facts {
        let table = &self.state.table;
        let same_holder = |other: &NewKey| {
            other.account == key.account && other.owner == key.owner && other.dialect == key.dialect
        };
        let active = if rules.most_active.is_some() {
            let alive = table.alive(key.account.as_str(), &key.owner, key.dialect);
            let recorded =
                alive.iter().filter(|k| self.chained_state(k).standing.is_active(self.now));
            let pending = self.created.iter().filter(|other| same_holder(other));
            recorded.count() + pending.count()
        } else {
            0
        };
        let prefix_taken = rules.unique_prefix
            && (self.created.iter().any(|other| other.prefix == key.prefix)
                || table.by_prefix(key.prefix.as_str(), |_| true).is_some());
        Facts {
            now: self.now,
            status: None,
            due: None,
            revision: 0,
            wanted_revision: None,
            replaced_by: None,
            active: u32::try_from(active).unwrap_or(u32::MAX),
            keys: number - 1,
            prefix_taken,
            found: rules.reuse_if_ttl_ms.and_then(|life_ms| self.find_public(key, life_ms)),
        }
    }

    fn limits(&self, rules: &Rules) -> Limits {
        let keys = self.state.most_keys;
        Limits { active: rules.most_active, keys, unique_prefix: rules.unique_prefix }
    }

    /// The key with its due time, where that depends on the moment it is made.
    fn dated(&self, key: &NewKey, rules: &Rules) -> NewKey {
        let due = rules.ttl_s.map(|seconds| self.now.plus_secs(seconds));
        NewKey { expires_at: due.or(key.expires_at), ..key.clone() }
    }

    /// A public key that does for `wanted` and lives `life_ms` milliseconds more, the oldest.
    fn find_public(&self, wanted: &NewKey, life_ms: u64) -> Option<KeyId> {
        let micros = i64::try_from(life_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let until = Timestamp::from_micros(self.now.micros().saturating_add(micros));
        let does = |key: &NewKey, standing: &KeyState| {
            key.kind == Kind::Public
                && (key.dialect, &key.account, &key.project, &key.name)
                    == (wanted.dialect, &wanted.account, &wanted.project, &wanted.name)
                && standing.status_at(self.now) == keys::Status::Enabled
                && standing.expires_at.is_none_or(|due| due >= until)
        };
        let account = self.state.table.account(wanted.account.as_str());
        let alive = account.map(|keys| keys.public(wanted)).unwrap_or_default();
        let recorded = alive.iter().find(|k| does(&k.made, &self.chained_state(k).standing));
        let pending = || self.created.iter().find(|k| does(k, &KeyState::created(k, self.now)));
        recorded.map(|key| key.made.id).or_else(|| pending().map(|key| key.id))
    }

    /// Decides a create and writes it down.
    pub(crate) fn create(
        &mut self,
        context: &RequestContext,
        key: &NewKey,
        rules: &Rules,
        dry_run: bool,
    ) -> Result<Decided, Error> {
        let number = self.next_number(&key.account);
        let facts = self.facts_of_new(key, number, rules);
        let key = Arc::new(NewKey { number, ..self.dated(key, rules) });
        let event = decide(&facts, Command::Create(key, self.limits(rules)))?;
        let Event::Created(made) = &event else { return Err(Error::Refused(Refusal::UnknownKey)) };
        let made = Arc::clone(made);
        let standing = KeyState::created(&made, self.now);
        let link = Link::first(made.id);
        let record = self.record(context, event, link, None)?;
        self.finish(record, standing, None, dry_run)
    }

    /// Decides a rotation of `old` to `key` and writes it down.
    pub(crate) fn rotate(
        &mut self,
        context: &RequestContext,
        old: &Key,
        key: &NewKey,
        (rotation, rules, wanted_revision): (Rotation, &Rules, Option<u32>),
        dry_run: bool,
    ) -> Result<Decided, Error> {
        self.expire_if_due(old, dry_run)?;
        let before = self.chained_state(old);
        let number = self.next_number(&key.account);
        let facts = Facts {
            status: Some(before.standing.status_at(self.now)),
            due: before.standing.expires_at,
            revision: before.standing.revision,
            wanted_revision,
            replaced_by: before.standing.replaced_by,
            ..self.facts_of_new(key, number, rules)
        };
        let replaces = Some(Box::new(Replaces { key: old.made.id, valid_until: self.now }));
        let key = Arc::new(NewKey { number, replaces, ..self.dated(key, rules) });
        let event = decide(&facts, Command::Rotate(key, rotation, self.limits(rules)))?;
        let Event::Created(made) = &event else { return Err(Error::Refused(Refusal::UnknownKey)) };
        let made = Arc::clone(made);
        let until = made.replaces.as_ref().map_or(self.now, |replaces| replaces.valid_until);
        let after = before.standing.replaced(made.id, until, self.now);
        let link = Link::first(made.id);
        let old_link = before.link(old.made.id, &after, self.now);
        let record = self.record(context, event, link, Some(old_link))?;
        self.finish(record, KeyState::created(&made, self.now), Some(after), dry_run)
    }

    /// Decides a change of a key's status and writes it down.
    pub(crate) fn change(
        &mut self,
        context: &RequestContext,
        key: &Key,
        change: Change,
        (wanted_revision, dry_run): (Option<u32>, bool),
    ) -> Result<Decided, Error> {
        self.expire_if_due(key, dry_run)?;
        let command = match change {
            Change::Enable => Command::Enable,
            Change::Disable => Command::Disable,
            Change::Expire => Command::Expire,
            Change::Revoke(revocation) => Command::Revoke(revocation),
        };
        self.transition(context, key, command, (wanted_revision, dry_run))
    }

    /// Records that `key` is due.
    pub(crate) fn expire_due(
        &mut self,
        context: &RequestContext,
        key: &Key,
    ) -> Result<Decided, Error> {
        self.transition(context, key, Command::ExpireDue, (None, false))
    }

    /// Whoever meets a due key records its `Expired` first, in the worker's name.
    fn expire_if_due(&mut self, key: &Key, dry_run: bool) -> Result<(), Error> {
        if dry_run || !self.chained_state(key).standing.is_due(self.now) {
            return Ok(());
        }
        let context = RequestContext { caller: worker(), reason: None, idempotency: None };
        self.expire_due(&context, key).map(|_| ())
    }

    fn transition(
        &mut self,
        context: &RequestContext,
        key: &Key,
        command: Command,
        (wanted_revision, dry_run): (Option<u32>, bool),
    ) -> Result<Decided, Error> {
        let before = self.chained_state(key);
        let standing = before.standing;
        // A due key's `Expired` goes before any other change; `ExpireDue` is that `Expired`.
        let status = match &command {
            Command::ExpireDue => standing.status,
            Command::Create(..)
            | Command::Enable
            | Command::Disable
            | Command::Expire
            | Command::Revoke(_)
            | Command::Rotate(..) => standing.status_at(self.now),
        };
        let facts = Facts {
            now: self.now,
            status: Some(status),
            due: standing.expires_at,
            revision: standing.revision,
            wanted_revision,
            replaced_by: standing.replaced_by,
            active: 0,
            keys: 0,
            prefix_taken: false,
            found: None,
        };
        let event = decide(&facts, command)?;
        let after = standing.after(&event, self.now);
        let link = Link { before: Some(status), ..before.link(key.made.id, &after, self.now) };
        let record = self.record(context, event, link, None)?;
        self.finish(record, after, None, dry_run)
    }

    fn record(
        &mut self,
        context: &RequestContext,
        event: Event,
        link: Link,
        replaced: Option<Link>,
    ) -> Result<Record, Error> {
        let RequestContext { caller, reason, idempotency } = context;
        Ok(Record {
            at: self.now,
            actor: Actor {
                subject: caller.identity.subject.clone(),
                account: caller.identity.scope.account().cloned(),
                via: caller.identity.via.clone(),
            },
            origin: caller.origin.clone(),
            dialect: caller.dialect,
            reason: reason.clone(),
            event,
            link,
            replaced,
            salt: self.salts.next()?,
            idempotency: *idempotency,
        })
    }

    /// Encodes the record and keeps it, unless it is only a rehearsal.
    fn finish(
        &mut self,
        record: Record,
        standing: KeyState,
        old: Option<KeyState>,
        dry_run: bool,
    ) -> Result<Decided, Error> {
        let bytes = codec::encode(&record);
        if bytes.len() > MAX_RECORD {
            return Err(Error::TooLong);
        }
        if dry_run {
            return Ok(Decided { index: None, record, standing });
        }
        let leaf = Leaf::of(&bytes);
        let index = self.bytes.len();
        let seq = Seq(self.start.0 + index as u64);
        self.touched.insert(record.link.key, ChainedState { standing, head: (seq, leaf) });
        if let (Some(link), Some(standing)) = (record.replaced, old) {
            self.touched.insert(link.key, ChainedState { standing, head: (seq, leaf) });
        }
        if let Event::Created(made) = &record.event {
            self.numbers.insert(made.account.clone(), made.number + 1);
            self.created.push(Arc::clone(made));
        }
        if let Some(Idempotency { key, request }) = record.idempotency {
            let outcome = Outcome { request, first: seq, count: 0 };
            self.outcomes.entry(key).or_insert(outcome).count += 1;
        }
        self.bytes.push(bytes);
        self.drafted.push(Drafted { record: record.clone(), leaf });
        Ok(Decided { index: Some(index), record, standing })
    }
}
