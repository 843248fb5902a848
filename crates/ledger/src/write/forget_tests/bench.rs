//! A ledger whose persons can be forgotten, and how it is held against a replay.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventlog::memory::MemoryLog;
use eventlog::{Log, Seq};
use keys::{Description, Dialect, KeyId, KeyName, Metadata, Reason, Subject};

use crate::caller::{Caller, Identity, Role};
use crate::ledger::Ledger;
use crate::page::Walk;
use crate::projection::table::{AccountKeys, Key};
use crate::testing::{ManualClock, caller, draft, open_keyed};
use crate::write::forget::Forgotten;
use crate::{Auditor, Created, Decoder, EventFilter, Keyring, NewKeyRequest, RequestOptions};

pub(super) const NAMES: [&str; 3] = ["ann", "bob", "cyd"];
pub(super) const DIALECTS: [Dialect; 3] = [Dialect::Native, Dialect::Callcov, Dialect::Composable];

pub(super) fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

pub(super) fn admin() -> Caller {
    let root =
        Identity { subject: subject("root"), ..(*caller(None, Role::Admin).identity).clone() };
    Caller { identity: Arc::new(root), ..caller(None, Role::Admin) }
}

/// An owner of acme with that name.
pub(super) fn by(name: &str) -> Caller {
    let owner = caller(Some("acme"), Role::Owner);
    let identity = Identity { subject: subject(name), ..(*owner.identity).clone() };
    Caller { identity: Arc::new(identity), ..owner }
}

pub(super) fn plain() -> RequestOptions {
    RequestOptions::default()
}

pub(super) fn because() -> RequestOptions {
    RequestOptions { reason: Some(Reason::new("she left").unwrap()), ..plain() }
}

/// A key with something personal in it.
pub(super) fn wanted(owner: &str, text: &str) -> NewKeyRequest {
    let pairs = [("mail".to_owned(), text.to_owned())].into_iter().collect();
    NewKeyRequest {
        owner: Some(subject(owner)),
        name: Some(KeyName::new(text).unwrap()),
        description: Description::new(text).ok(),
        metadata: Metadata::new(pairs).unwrap(),
        ..draft(None)
    }
}

pub(super) struct Bench {
    pub(super) log: Arc<dyn Log>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) ledger: Ledger,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::with(Arc::default())
    }

    pub(super) fn with(keyring: Arc<Keyring>) -> Bench {
        let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
        let ledger = open_keyed(&log, &clock, &keyring);
        Bench { log, clock, keyring, ledger }
    }

    pub(super) async fn make(&self, caller: &Caller, wanted: NewKeyRequest) -> Created {
        self.ledger.create(caller, wanted, plain()).await.unwrap()
    }

    pub(super) async fn forget(&self, name: &str) -> Forgotten {
        self.ledger.forget(&admin(), &subject(name)).await.unwrap()
    }

    pub(super) fn replayed(&self) -> Ledger {
        open_keyed(&self.log, &self.clock, &self.keyring)
    }

    /// Holds what is in memory against a replay, and the log against the rules.
    pub(super) fn check(&self, case: &str) {
        same(self, &self.replayed(), case);
        let (mut auditor, mut decoder) =
            (Auditor::whole(), Decoder::new(Arc::clone(&self.keyring)));
        for stored in self.log.read(Seq(0), usize::MAX).unwrap() {
            auditor.push(&decoder.read(stored.seq, &stored.bytes).unwrap()).unwrap();
        }
    }
}

fn ids(keys: &[Arc<Key>]) -> Vec<KeyId> {
    keys.iter().map(|key| key.made.id).collect()
}

/// Every place of the log at which `actor` acted.
fn acted(ledger: &Ledger, actor: &Subject) -> Vec<Seq> {
    let filter = EventFilter { actor: Some(actor.clone()), ..EventFilter::default() };
    let page = ledger.events(&admin(), &filter, Walk::Up(Seq(0)), usize::MAX).unwrap();
    page.items.iter().map(|entry| entry.seq).collect()
}

/// Everybody there was, as they are called now.
fn everybody(bench: &Bench) -> BTreeSet<Subject> {
    let stored = bench.log.read(Seq(0), usize::MAX).unwrap();
    let records = stored.iter().map(|one| crate::decode(&one.bytes, &bench.keyring).unwrap());
    let erased = records.flat_map(|record| record.persons.iter().map(Subject::erased));
    erased.chain(NAMES.map(subject)).chain([subject("root"), subject("worker")]).collect()
}

fn same(bench: &Bench, replayed: &Ledger, case: &str) {
    let (live, replay) = (&bench.ledger.state().table, &replayed.state().table);
    let (is, was) = (live.slice(0, usize::MAX), replay.slice(0, usize::MAX));
    assert_eq!((is.len(), live.digest()), (was.len(), replay.digest()), "{case}");
    let account = live.account("acme");
    for (key, other) in is.iter().zip(&was) {
        assert_eq!((&key.made, key.current()), (&other.made, other.current()), "{case}");
        assert_eq!(key.created_by(), other.created_by(), "{case}");
        assert_eq!(key.edits_from(Seq(0)).1, other.edits_from(Seq(0)).1, "{case}");
        // Every index has the same object.
        let made = &key.made;
        let indexed = [
            live.get(made.id),
            live.by_digest(&made.digest),
            account.as_ref().and_then(|keys| keys.numbered(made.number)),
        ];
        assert!(
            indexed.iter().flatten().filter(|one| Arc::ptr_eq(one, key)).count() == 3,
            "{case}"
        );
        if made.dialect != Dialect::Native {
            let found = live.by_prefix(made.prefix.as_str(), |one| one.made.id == made.id);
            assert!(found.is_some_and(|found| Arc::ptr_eq(&found, key)), "{case}");
        }
    }
    for person in everybody(bench) {
        assert_eq!(acted(&bench.ledger, &person), acted(replayed, &person), "{case} {person}");
        let (Some(is), Some(was)) = (&account, replay.account("acme")) else { continue };
        assert_eq!(is.len_owned(&person), was.len_owned(&person), "{case}");
        let owned = |keys: &AccountKeys| ids(&keys.owned(&person, 0, 999));
        assert_eq!(owned(is), owned(&was), "{case}");
        for dialect in DIALECTS {
            let list = |keys: &AccountKeys| ids(&keys.of_dialect(dialect, &person, 0, 999));
            assert_eq!(list(is), list(&was), "{case} {dialect:?}");
            let alive = [live, replay].map(|table| ids(&table.alive("acme", &person, dialect)));
            assert_eq!(alive[0], alive[1], "{case} {dialect:?}");
        }
    }
    for number in 0..=u8::MAX {
        let now = bench.ledger.now();
        let find = |ledger: &Ledger| ledger.state().outcomes.lock().find(&[number; 32], now);
        assert_eq!(find(&bench.ledger), find(replayed), "{case} request {number}");
    }
}
