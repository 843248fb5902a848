//! The auditor: reads the records of a log one after the other, and trusts none of them.
//!
//! Each must be what the rules allow after those before it: readable, not older, chained to the
//! records of its keys, by somebody who may do that, and the very event that [`keys::decide`] gives.
//! What the writer looked up before it decided is reconstructed here from the records alone. No IO,
//! no clock; the memory grows with the number of keys, about 300 bytes each, and not with that of
//! records.
//!
//! A record says by which rules it was judged beside the moves that are always the same, so that
//! neither settings nor the name of a dialect have to be known. Of a part of a log the counts that a
//! rule names are believed as far as the part does not disprove them.

mod authority;
mod facts;
mod finding;
mod limits;
mod lookups;
mod new_key;
mod rows;
mod tracked_key;

use std::hash::RandomState;
use std::sync::Arc;

use eventlog::Seq;
use hashbrown::HashMap;
use keys::{Account, Command, Event, Facts, KeyId, KeyState, NewKey, Policy, Timestamp, decide};

use self::authority::About;
use self::facts::{check_link, facts, is_recorded, no_facts, not_due, rotated};
pub use self::finding::{Finding, Violation};
use self::lookups::{Lookups, claimed};
use self::tracked_key::{AttributeHashes, Extent, Keys, Made, TrackedKey};
use crate::keyring::Keyring;
use crate::record::codec::{self, Interner};
use crate::record::{Link, Record};
use signedlog::Leaf;

/// A record as read for an audit.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Its place.
    pub seq: Seq,
    /// Its leaf in the log's tree.
    pub leaf: Leaf,
    /// What it says.
    pub record: Record,
}

/// Reads records, and shares the texts that many of them have in common.
pub struct Decoder(Interner);

impl Decoder {
    /// A decoder that opens what is sealed with these keys.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>) -> Decoder {
        Decoder(Interner::new(keyring))
    }

    /// Reads the record at `seq`. This knows nothing of other records, so that several decoders
    /// can work at once.
    ///
    /// # Errors
    ///
    /// [`Violation::Unreadable`], [`Violation::Limit`] and the like, for bytes that no ledger wrote.
    pub fn read(&mut self, seq: Seq, bytes: &[u8]) -> Result<AuditRecord, Finding> {
        let record = codec::decode(bytes, &mut self.0)
            .map_err(|error| Finding { seq, violation: error.into() })?;
        limits::check(bytes.len(), &record).map_err(|violation| Finding { seq, violation })?;
        Ok(AuditRecord { seq, leaf: Leaf::of(bytes), record })
    }
}

/// Checks records in the order of their places.
pub struct Auditor {
    extent: Extent,
    first: Option<Seq>,
    next: Seq,
    last_at: Timestamp,
    keys: Keys,
    lookups: Lookups,
    /// Under which values are compared that are not kept.
    secret: RandomState,
}

impl Auditor {
    /// An auditor of a whole log, from record 0 on.
    #[must_use]
    pub fn whole() -> Auditor {
        Auditor::new(Extent::Whole)
    }

    /// An auditor of all records of one account: what is counted of the account is all there is.
    #[must_use]
    pub fn of_account() -> Auditor {
        Auditor::new(Extent::Account)
    }

    /// An auditor of some of a log's records: those of an account, or of a span of time, or
    /// both. `accounts` are those of keys that were made before; they are taken on trust.
    ///
    /// What a record's own links claim of the time before is believed, and everything after is
    /// checked against it. Caps and prefixes are checked as far as the keys are known.
    #[must_use]
    pub fn partial(accounts: HashMap<KeyId, Account>) -> Auditor {
        Auditor::new(Extent::Part(accounts))
    }

    /// An auditor of all records of one key, from its creation on. Those of a rotation touch
    /// another key too; what they claim of that one is believed.
    #[must_use]
    pub fn of_key() -> Auditor {
        Auditor::new(Extent::Key)
    }

    fn new(extent: Extent) -> Auditor {
        Auditor {
            extent,
            first: None,
            next: Seq(0),
            last_at: Timestamp::MIN,
            keys: Keys::default(),
            lookups: Lookups::default(),
            secret: RandomState::new(),
        }
    }

    /// The place after the last record that was found good.
    #[must_use]
    pub fn size(&self) -> Seq {
        self.next
    }

    /// How many keys there are.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The time of the last record; [`Timestamp::MIN`] before the first.
    #[must_use]
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// Makes room at once for the keys of `records` records, if keys are made as often as in those
    /// so far: to grow, a table moves everything in it. Where fewer are made later on, the room is
    /// taken in vain. Of a whole log only.
    pub fn expect(&mut self, records: u64) {
        let so_far = self.keys.len();
        let keys = so_far as u128 * u128::from(records) / u128::from(self.next.0.max(1));
        // More than memory can address: no guess, and no room at once.
        let more = usize::try_from(keys).unwrap_or(0).saturating_sub(so_far);
        self.keys.reserve(more);
        self.lookups.reserve(more);
    }

    /// Checks the next record, and answers the account of the key it happened to.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it. The auditor is as it was before; nothing after this
    /// record can be judged.
    pub fn push(&mut self, audited: &AuditRecord) -> Result<Account, Finding> {
        let AuditRecord { seq, record, .. } = audited;
        let found = self.check(audited).map_err(|violation| Finding { seq: *seq, violation })?;
        self.first.get_or_insert(*seq);
        self.next = seq.next();
        self.last_at = record.at;
        Ok(found)
    }

    fn check(&mut self, audited: &AuditRecord) -> Result<Account, Violation> {
        let AuditRecord { seq, record, .. } = audited;
        let in_order = match self.extent {
            Extent::Whole => *seq == self.next,
            Extent::Account | Extent::Part(_) | Extent::Key => *seq >= self.next,
        };
        if !in_order {
            return Err(Violation::Order(self.next));
        }
        if record.at < self.last_at {
            return Err(Violation::TimeGoesBack { before: self.last_at, found: record.at });
        }
        match &record.event {
            Event::Created(made) => self.created(audited, made),
            Event::Enabled => self.changed(audited, Command::Enable),
            Event::Disabled => self.changed(audited, Command::Disable),
            Event::Expired { due: None } => self.changed(audited, Command::Expire),
            Event::Expired { due: Some(_) } => self.changed(audited, Command::ExpireDue),
            Event::Revoked(revocation) => self.changed(audited, Command::Revoke(*revocation)),
            Event::Updated(update) => {
                let policy = Policy::of(&record.rules);
                self.changed(audited, Command::Update(Arc::clone(update), policy))
            }
        }
    }

    /// A change of a key that is there.
    fn changed(&mut self, audited: &AuditRecord, command: Command) -> Result<Account, Violation> {
        let AuditRecord { seq, leaf, record } = audited;
        let link = &record.links.own;
        if !record.links.others.is_empty() {
            return Err(Violation::OtherEvent);
        }
        let tracked = self.tracked(audited, link)?;
        let state = tracked.state;
        // Whoever met the key when it was due recorded that; a worker may act for any account.
        let when_due = matches!(command, Command::ExpireDue);
        if !when_due {
            not_due(link.key, &state, record.at)?;
        }
        let owner = tracked.made.as_ref().map(|made| &made.owner);
        self.may_act(record, &About { account: &tracked.account, owner })?;
        let owner_active = self.owner_active_after(&tracked, record);
        let facts = Facts { owner_active, ..facts(&tracked, record) };
        is_recorded(&decide(&facts, command)?, record)?;
        let after = state.after(&record.event, record.at);
        check_link(&tracked, link, &after)?;
        let account = tracked.account.clone();
        let mut changed = tracked.clone();
        if let Event::Updated(update) = &record.event {
            let attributes = tracked.attributes.after(update, &state, &self.secret);
            changed.attributes = attributes.ok_or(Violation::Before(link.key))?;
            self.lookups.edited(link.key, &tracked, update);
            if let (Some(made), Some(owner)) = (&mut changed.made, update.owner()) {
                made.owner = owner.clone();
            }
        }
        if !after.status.is_alive() {
            self.lookups.ended(link.key, &tracked);
        }
        self.keys.insert(link.key, TrackedKey { state: after, head: (*seq, *leaf), ..changed });
        Ok(account)
    }

    /// Active keys of the owner that an edit gives the key to.
    fn owner_active_after(&self, key: &TrackedKey, record: &Record) -> u32 {
        let (Event::Updated(update), Some(made)) = (&record.event, &key.made) else {
            return claimed(&record.rules).0;
        };
        let Some(owner) = update.owner() else { return 0 };
        let of = (&key.account, owner, made.dialect);
        let counted = self.lookups.owner_active(&self.keys, of, record.at);
        self.counted(counted, claimed(&record.rules).0)
    }

    /// What was counted; of a part of a log, what was claimed to be, unless that is too little.
    fn counted<N: Ord>(&self, counted: N, claimed: N) -> N {
        match self.extent {
            Extent::Whole | Extent::Account => counted,
            Extent::Part(_) | Extent::Key => counted.max(claimed),
        }
    }

    /// What the writer looked up before it decided on a new key.
    fn facts_of_new(&self, record: &Record, made: &NewKey) -> Facts {
        let policy = Policy::of(&record.rules);
        let of = (&made.account, &made.owner, made.dialect);
        let owner_active = self.lookups.owner_active(&self.keys, of, record.at);
        let account_alive = self.lookups.account_alive(&made.account);
        let claimed = claimed(&record.rules);
        Facts {
            owner_active: self.counted(owner_active, claimed.0),
            account_alive: self.counted(account_alive, claimed.1),
            keys: made.number.saturating_sub(1),
            prefix_taken: policy.unique_prefix && self.lookups.knows_prefix(&made.prefix),
            found: policy
                .reuse
                .and_then(|reuse| self.lookups.reusable(&self.keys, made, reuse, record.at)),
            ..no_facts(record)
        }
    }

    /// A new key, and the one it takes the place of.
    fn created(&mut self, audited: &AuditRecord, made: &Arc<NewKey>) -> Result<Account, Violation> {
        let AuditRecord { seq, leaf, record } = audited;
        self.fits(record, made)?;
        let mut facts = self.facts_of_new(record, made);
        let replaced = match (&made.replaces, record.links.others.as_slice()) {
            (None, []) => {
                facts.status = self.keys.get(&made.id).map(|tracked| tracked.state.status);
                let create = Command::Create(Arc::clone(made), Policy::of(&record.rules));
                is_recorded(&decide(&facts, create)?, record)?;
                None
            }
            (Some(replaces), [link]) if replaces.key == link.key => {
                if self.keys.contains_key(&made.id) {
                    return Err(keys::Refusal::KeyExists.into());
                }
                let old = self.tracked(audited, link)?;
                let after = rotated(record, made, &old, replaces, facts)?;
                check_link(&old, link, &after)?;
                Some((link.key, TrackedKey { state: after, head: (*seq, *leaf), ..old }))
            }
            (_, _) => {
                return Err(Violation::Key("and the key that it replaces are not both named"));
            }
        };
        self.keys.extend(replaced);
        self.track(audited, made);
        Ok(made.account.clone())
    }

    /// Remembers a new key.
    fn track(&mut self, audited: &AuditRecord, made: &NewKey) {
        let AuditRecord { seq, leaf, record } = audited;
        self.lookups.made(made);
        let tracked = TrackedKey {
            account: made.account.clone(),
            made: Some(Made {
                owner: made.owner.clone(),
                kind: made.kind,
                environment: made.environment,
                dialect: made.dialect,
                salt: record.salt,
                created_at: record.at,
            }),
            state: KeyState::created(made, record.at),
            head: (*seq, *leaf),
            attributes: AttributeHashes::of(made, &self.secret),
        };
        self.keys.insert(made.id, tracked);
    }

    /// A key that a record touches, before it does.
    fn tracked(&self, audited: &AuditRecord, link: &Link) -> Result<TrackedKey, Violation> {
        let mut tracked = match self.keys.get(&link.key) {
            Some(tracked) => tracked.clone(),
            None => self.believed(audited, link)?,
        };
        // When its creation was not handed in, its due time is known from a rotation, or else from
        // the record that says it has come.
        if let (None, Event::Expired { due }) = (&tracked.made, &audited.record.event) {
            tracked.state.expires_at = tracked.state.expires_at.or(*due);
        }
        Ok(tracked)
    }

    /// A key from before the part that is handed in, as the first link to it tells.
    fn believed(&self, audited: &AuditRecord, link: &Link) -> Result<TrackedKey, Violation> {
        let unknown = || Violation::UnknownKey(link.key);
        let account = match (&self.extent, &audited.record.event) {
            (Extent::Part(accounts), _) => accounts.get(&link.key),
            (Extent::Key, Event::Created(made)) => Some(&made.account),
            (Extent::Whole | Extent::Account | Extent::Key, _) => None,
        };
        let account = account.ok_or_else(unknown)?.clone();
        let (Some(status), Some(head)) = (link.before, link.previous) else {
            return Err(unknown());
        };
        if head.0 >= self.first.unwrap_or(audited.seq) {
            return Err(Violation::LeftOut { key: link.key, missing: head.0 });
        }
        let state = KeyState {
            status,
            revision: link.revision.saturating_sub(1),
            expires_at: None,
            updated_at: Timestamp::MIN,
            replaced_by: None,
        };
        let attributes = AttributeHashes::unknown();
        Ok(TrackedKey { account, made: None, state, head, attributes })
    }

    /// How a key stands after the records so far.
    #[must_use]
    pub fn state(&self, key: KeyId) -> Option<KeyState> {
        self.keys.get(&key).map(|tracked| tracked.state)
    }

    /// All keys and how they stand, in no order.
    pub fn states(&self) -> impl Iterator<Item = (KeyId, KeyState)> + '_ {
        self.keys.iter().map(|(id, tracked)| (*id, tracked.state))
    }
}

#[cfg(test)]
mod tests;
