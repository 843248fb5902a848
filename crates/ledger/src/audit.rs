//! The auditor: reads the records of a log one after the other, and trusts none of them.
//!
//! Each must be what the rules allow after those before it: readable, not older, chained to the
//! records of its keys, and the very event that [`keys::decide`] gives. What the writer looked up
//! before it decided is reconstructed here from the records alone. No IO, no clock; the memory
//! grows with the number of keys, about 300 bytes each, and not with that of records.
//!
//! Two things that the writer knew are not on record and cannot be checked: the revision that a
//! caller insisted on, and whether a public key was to be found before one was made.

mod facts;
mod finding;
mod rows;
mod tracked_key;

use std::sync::Arc;

use eventlog::Seq;
use hashbrown::{HashMap, HashSet};
use keys::{
    Account, Command, Dialect, Digest, Event, Facts, KeyId, KeyState, Kind, Limits, NewKey, Prefix,
    Timestamp, decide,
};

use self::facts::{Successor, check_link, facts, holder, in_scope, no_facts, not_due, rotated};
pub use self::finding::{Finding, Violation};
use self::tracked_key::{Extent, Holder, Made, TrackedKey};
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
#[derive(Default)]
pub struct Decoder(Interner);

impl Decoder {
    /// Reads the record at `seq`. This knows nothing of other records, so that several decoders
    /// can work at once.
    ///
    /// # Errors
    ///
    /// [`Violation::Unreadable`], for bytes that no ledger wrote.
    pub fn read(&mut self, seq: Seq, bytes: &[u8]) -> Result<AuditRecord, Finding> {
        let record = codec::decode(bytes, &mut self.0)
            .map_err(|error| Finding { seq, violation: error.into() })?;
        Ok(AuditRecord { seq, leaf: Leaf::of(bytes), record })
    }
}

/// Checks records in the order of their places.
pub struct Auditor {
    extent: Extent,
    first: Option<Seq>,
    next: Seq,
    last_at: Timestamp,
    keys: HashMap<KeyId, TrackedKey>,
    /// The first halves of digests: as good as the whole, in half the memory.
    digests: HashSet<[u8; 16]>,
    numbers: HashMap<Account, u64>,
    /// Alive keys of dialects that cap them.
    capped: HashMap<Holder, Vec<KeyId>>,
    /// Of keys of dialects, whose prefix can be a handle.
    prefixes: HashSet<Prefix>,
}

impl Auditor {
    /// An auditor of a whole log, from record 0 on.
    #[must_use]
    pub fn whole() -> Auditor {
        Auditor::new(Extent::Whole)
    }

    /// An auditor of some of a log's records: all those of one account, or of a span of time, or
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
            keys: HashMap::new(),
            digests: HashSet::new(),
            numbers: HashMap::new(),
            capped: HashMap::new(),
            prefixes: HashSet::new(),
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
        self.digests.reserve(more);
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
            Extent::Part(_) | Extent::Key => *seq >= self.next,
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
        }
    }

    /// A change of a key's status.
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
            in_scope(record, &tracked.account)?;
        }
        let event = decide(&facts(&state, record.at), command)?;
        if event != record.event {
            return Err(Violation::OtherEvent);
        }
        let after = state.after(&event, record.at);
        check_link(&tracked, link, &after)?;
        let account = tracked.account.clone();
        if !after.status.is_alive() {
            self.ended(link.key, &tracked);
        }
        self.keys.insert(link.key, TrackedKey { state: after, head: (*seq, *leaf), ..tracked });
        Ok(account)
    }

    /// A new key, and the one it takes the place of.
    fn created(&mut self, audited: &AuditRecord, made: &Arc<NewKey>) -> Result<Account, Violation> {
        let AuditRecord { seq, leaf, record } = audited;
        self.fits(record, made)?;
        let limits = Limits {
            active: made.dialect.most_active(),
            // What an operator allows an account is not on record, and may be changed.
            keys: None,
            unique_prefix: made.dialect.unique_prefix(),
        };
        let mut facts = Facts {
            active: self.active(made, record.at),
            prefix_taken: limits.unique_prefix && self.prefixes.contains(&made.prefix),
            ..no_facts(record.at)
        };
        let replaced = match (&made.replaces, record.links.others.as_slice()) {
            (None, []) => {
                facts.status = self.keys.get(&made.id).map(|tracked| tracked.state.status);
                decide(&facts, Command::Create(Arc::clone(made), limits))?;
                None
            }
            (Some(replaces), [link]) if replaces.key == link.key => {
                if self.keys.contains_key(&made.id) {
                    return Err(keys::Refusal::KeyExists.into());
                }
                let old = self.tracked(audited, link)?;
                let successor = Successor { facts, limits };
                let after = rotated(record, made, &old, replaces, &successor)?;
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

    /// Whether the parts of a new key fit each other, the record, and the keys before it.
    fn fits(&self, record: &Record, made: &NewKey) -> Result<(), Violation> {
        let first = Link::first(made.id);
        if record.links.own != first {
            return Err(Violation::Link { key: made.id, field: "beginning" });
        }
        in_scope(record, &made.account)?;
        if made.replaces.is_none() && made.dialect != record.dialect {
            return Err(Violation::Key("is of another dialect than the request"));
        }
        let public = made.public_value.as_deref().map(Digest::of);
        if public.is_some() != (made.kind == Kind::Public) {
            return Err(Violation::Key("is public without its text, or secret with it"));
        }
        if public.is_some_and(|digest| digest != made.digest) {
            return Err(Violation::Key("has a digest that is not that of its text"));
        }
        if self.digests.contains(&half(&made.digest)) {
            return Err(Violation::Key("has the digest of an earlier one"));
        }
        let expected = match (&self.extent, self.numbers.get(&made.account)) {
            (Extent::Whole, None) => 1,
            (Extent::Part(_), None) | (Extent::Key, _) => made.number,
            (Extent::Whole | Extent::Part(_), Some(next)) => *next,
        };
        if made.number != expected {
            return Err(Violation::Number { expected, found: made.number });
        }
        Ok(())
    }

    /// Remembers a new key.
    fn track(&mut self, audited: &AuditRecord, made: &NewKey) {
        let AuditRecord { seq, leaf, record } = audited;
        let next = made.number.saturating_add(1);
        match self.numbers.get_mut(&made.account) {
            Some(number) => *number = next,
            None => drop(self.numbers.insert(made.account.clone(), next)),
        }
        self.digests.insert(half(&made.digest));
        if made.dialect != Dialect::Native {
            self.prefixes.insert(made.prefix);
        }
        if made.dialect.most_active().is_some() {
            self.capped.entry(holder(made)).or_default().push(made.id);
        }
        let tracked = TrackedKey {
            account: made.account.clone(),
            made: Some(Made {
                owner: made.owner.clone(),
                kind: made.kind,
                environment: made.environment,
                dialect: made.dialect,
                salt: record.salt,
            }),
            state: KeyState::created(made, record.at),
            head: (*seq, *leaf),
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
            (Extent::Whole | Extent::Key, _) => None,
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
        Ok(TrackedKey { account, made: None, state, head })
    }

    /// Active keys among those that a cap counts; 0 where there is no cap.
    fn active(&self, made: &NewKey, now: Timestamp) -> u32 {
        if made.dialect.most_active().is_none() {
            return 0;
        }
        let alive = self.capped.get(&holder(made)).map(Vec::as_slice).unwrap_or_default();
        let active = alive
            .iter()
            .filter(|id| self.keys.get(*id).is_some_and(|tracked| tracked.state.is_active(now)));
        u32::try_from(active.count()).unwrap_or(u32::MAX)
    }

    fn ended(&mut self, id: KeyId, tracked: &TrackedKey) {
        let Some(made) = &tracked.made else { return };
        if made.dialect.most_active().is_none() {
            return;
        }
        let holder = (tracked.account.clone(), made.owner.clone(), made.dialect);
        if let Some(alive) = self.capped.get_mut(&holder) {
            alive.retain(|other| *other != id);
        }
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

#[expect(clippy::expect_used, reason = "16 is half of 32")]
fn half(digest: &Digest) -> [u8; 16] {
    *digest.0.first_chunk().expect("the first half of a digest")
}

#[cfg(test)]
mod tests;
