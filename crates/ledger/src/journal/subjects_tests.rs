//! Who may not be forgotten, and who was: on record, and so after a restart.

use eventlog::memory::MemoryLog;
use keys::{Account, Reason};
use signedlog::Signing;

use super::*;
use crate::fuzzing::persons;
use crate::journal::{EndTokens, JournalOptions, NewToken};
use crate::keyring::{Found, Keyring, PersonKey};
use crate::record::codec::{self, Interner};
use crate::record::{Actor, Persons};
use crate::testing::{ManualClock, caller, draft, idempotent, open_keyed};
use crate::tokens::NotGood;
use crate::{Clock, Ledger, Origin, OwnToken, Via};
use std::sync::Arc;

fn admin() -> Caller {
    caller(None, Role::Admin)
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn why(text: &str) -> RequestOptions {
    RequestOptions { reason: Some(Reason::new(text).unwrap()), ..RequestOptions::default() }
}

struct Bench {
    log: MemoryLog,
    clock: Arc<ManualClock>,
    keyring: Arc<Keyring>,
    ledger: Ledger,
    journal: Journal,
}

impl Bench {
    fn new() -> Bench {
        let (log, clock) = (MemoryLog::new(), ManualClock::new());
        let keyring = Arc::new(Keyring::default());
        let ledger = open_keyed(&(Arc::new(MemoryLog::new()) as _), &clock, &keyring);
        let journal = journal(&log, &clock, &keyring);
        Bench { log, clock, keyring, ledger, journal }
    }

    /// The journal, read again.
    fn restart(&mut self) {
        self.journal = journal(&self.log.reopen().unwrap(), &self.clock, &self.keyring);
    }

    async fn token(&self, name: &str) -> OwnToken {
        let wanted = NewToken {
            subject: subject(name),
            account: Some(crate::Scope::Account(Account::new("acme").unwrap())),
            roles: [Role::Owner].into_iter().collect(),
            ttl_s: 3600,
        };
        let now = self.clock.now();
        let made = self.journal.make_token(&admin(), wanted, &RequestOptions::default(), now).await;
        made.unwrap().view.token
    }

    async fn erase(&self, name: &str) -> Result<Erased, Error> {
        let (subject, basis) = (subject(name), Reason::new("Art. 17").ok());
        let options = why("it was wanted");
        let now = self.clock.now();
        let erased =
            self.journal.erase(&self.ledger, &admin(), &subject, basis, &options, now).await;
        erased.map(|it| it.outcome)
    }

    fn types(&self) -> Vec<&'static str> {
        let page = self.journal.page(&admin(), eventlog::Seq(0), 500).unwrap();
        page.items.iter().map(|(_, entry)| entry.event.as_str()).collect()
    }
}

fn journal(log: &MemoryLog, clock: &Arc<ManualClock>, keyring: &Arc<Keyring>) -> Journal {
    let signing = Signing::new("ledger.example.com/apikeys/access", [9; 32]).unwrap();
    let (log, clock) = (Arc::new(log.clone()), Arc::clone(clock) as Arc<dyn Clock>);
    let options = JournalOptions { keyring: Arc::clone(keyring), ..JournalOptions::default() };
    Journal::open(log, clock, Arc::new(signing), options).unwrap()
}

#[tokio::test]
async fn who_is_held_is_not_forgotten_until_every_hold_is_released() {
    let mut bench = Bench::new();
    let bob = subject("bob");
    let now = bench.clock.now();
    let place = |bench: &Bench, text| {
        let (journal, bob, options) = (bench.journal.clone(), bob.clone(), why(text));
        async move { journal.hold(&admin(), &bob, &options, now).await.map(|it| it.outcome) }
    };
    assert!(matches!(place(&bench, "x").await, Err(Error::SubjectNotFound)));
    bench.token("bob").await;
    let (one, other) =
        (place(&bench, "case 1").await.unwrap(), place(&bench, "case 2").await.unwrap());
    for _ in 0..2 {
        assert_eq!(bench.journal.holds(&admin(), &bob).unwrap(), [&one, &other].map(Clone::clone));
        assert!(matches!(bench.erase("bob").await, Err(Error::OnHold)));
        bench.restart();
    }
    let release = |bench: &Bench, id| {
        let (journal, bob, options) = (bench.journal.clone(), bob.clone(), why("over"));
        async move { journal.release(&admin(), &bob, id, &options, now).await.map(|it| it.outcome) }
    };
    assert!(matches!(release(&bench, None).await, Err(Error::HoldNotNamed)));
    assert_eq!(release(&bench, Some(one.hold.id)).await.unwrap(), one);
    assert!(matches!(release(&bench, Some(one.hold.id)).await, Err(Error::HoldNotFound)));
    assert!(matches!(bench.erase("bob").await, Err(Error::OnHold)));
    assert_eq!(release(&bench, None).await.unwrap(), other);
    assert!(matches!(release(&bench, None).await, Err(Error::HoldNotFound)));
    assert_eq!(bench.erase("bob").await.unwrap().persons.len(), 1);
    assert!(matches!(bench.erase("bob").await, Err(Error::SubjectNotFound)));
    let held = ["subject_held", "subject_held", "subject_released", "subject_released"];
    assert_eq!(bench.types(), [&["token_made"][..], &held, &["subject_erased"]].concat());
    for role in [Role::Owner, Role::Auditor] {
        let refused = bench.journal.holds(&caller(None, role), &bob);
        assert!(matches!(refused, Err(Error::Forbidden)), "{role:?}");
    }
    assert!(bench.journal.holds(&caller(Some("acme"), Role::Admin), &bob).is_err());
}

#[tokio::test]
async fn a_repeated_request_holds_and_releases_once() {
    let mut bench = Bench::new();
    let (bob, now) = (subject("bob"), bench.clock.now());
    bench.token("bob").await;
    let hold = async |bench: &Bench, key, request| {
        bench.journal.hold(&admin(), &bob, &idempotent(key, request), now).await
    };
    let release = async |bench: &Bench, key, request| {
        bench.journal.release(&admin(), &bob, None, &idempotent(key, request), now).await
    };
    let placed = hold(&bench, 1, 1).await.unwrap();
    let repeated = Answer { replayed: true, ..placed.clone() };
    for _ in 0..2 {
        assert_eq!(hold(&bench, 1, 1).await.unwrap(), repeated);
        assert!(matches!(hold(&bench, 1, 2).await, Err(Error::IdempotencyMismatch)));
        assert_eq!(
            bench.journal.holds(&admin(), &bob).unwrap(),
            std::slice::from_ref(&placed.outcome)
        );
        bench.restart();
    }
    assert_eq!(release(&bench, 2, 1).await.unwrap(), placed);
    let other = hold(&bench, 3, 1).await.unwrap().outcome;
    for _ in 0..2 {
        // The hold that was placed since stays.
        assert_eq!(release(&bench, 2, 1).await.unwrap(), repeated);
        assert!(matches!(release(&bench, 2, 2).await, Err(Error::IdempotencyMismatch)));
        assert_eq!(hold(&bench, 1, 1).await.unwrap(), repeated, "as it was placed");
        assert_eq!(bench.journal.holds(&admin(), &bob).unwrap(), std::slice::from_ref(&other));
        bench.restart();
    }
    // Who may not do it is told so, not what was done.
    let auditor = caller(None, Role::Auditor);
    let refused = bench.journal.hold(&auditor, &bob, &idempotent(1, 1), now).await;
    assert!(matches!(refused, Err(Error::Forbidden)), "{refused:?}");
    // What names who was erased is remembered no longer.
    release(&bench, 4, 1).await.unwrap();
    bench.erase("bob").await.unwrap();
    for _ in 0..2 {
        assert!(matches!(hold(&bench, 1, 1).await, Err(Error::SubjectNotFound)));
        bench.restart();
    }
}

/// What erased a person is on record, but not which request: that would speak of the person.
#[tokio::test]
async fn a_repeated_request_erases_once_until_a_restart() {
    let mut bench = Bench::new();
    let now = bench.clock.now();
    let erase = async |bench: &Bench, request| {
        let (bob, options) = (subject("bob"), idempotent(1, request));
        bench.journal.erase(&bench.ledger, &admin(), &bob, None, &options, now).await
    };
    // A refusal is decided anew.
    assert!(matches!(erase(&bench, 1).await, Err(Error::SubjectNotFound)));
    bench.token("bob").await;
    let erased = erase(&bench, 1).await.unwrap();
    assert!(!erased.replayed);
    // Somebody of the same name, who is another one.
    bench.token("bob").await;
    assert_eq!(erase(&bench, 1).await.unwrap(), Answer { replayed: true, ..erased });
    assert!(matches!(erase(&bench, 2).await, Err(Error::IdempotencyMismatch)));
    assert_eq!(bench.types(), ["token_made", "subject_erased", "token_made"]);
    bench.restart();
    assert!(!erase(&bench, 1).await.unwrap().replayed);
}

#[tokio::test]
async fn the_idempotency_keys_of_who_was_erased_are_new_ones() {
    let mut bench = Bench::new();
    let carla = Caller {
        identity: Arc::new(crate::Identity {
            subject: subject("carla"),
            ..(*admin().identity).clone()
        }),
        ..admin()
    };
    bench.token("bob").await;
    let (bob, now) = (subject("bob"), bench.clock.now());
    let hold = async |bench: &Bench| {
        bench.journal.hold(&carla, &bob, &idempotent(1, 1), now).await.unwrap().replayed
    };
    assert_eq!([hold(&bench).await, hold(&bench).await], [false, true]);
    bench.erase("carla").await.unwrap();
    assert_eq!([hold(&bench).await, hold(&bench).await], [false, true]);
    bench.erase("carla").await.unwrap();
    bench.restart();
    assert_eq!([hold(&bench).await, hold(&bench).await], [false, true]);
}

#[tokio::test]
async fn an_ended_token_stays_so_when_nobody_can_read_whose_it_was() {
    let mut bench = Bench::new();
    let options = RequestOptions::default();
    let [by_id, by_rule, unseen] =
        [bench.token("bob").await, bench.token("bob").await, bench.token("bob").await];
    bench.clock.advance(1);
    let now = bench.clock.now();
    // Made elsewhere: never recorded as made.
    let unseen = OwnToken { jti: "unseen".into(), ..unseen };
    bench.journal.end_token(&admin(), &by_id.jti, &options, now).await.unwrap();
    let which = EndTokens { subject: Some(subject("bob")), ..EndTokens::default() };
    bench.journal.end_tokens(&admin(), which, &options, now).await.unwrap();
    bench.clock.advance(1);
    let good = bench.token("bob").await;
    let row = bench.journal.tokens().see(&good).unwrap();
    bench.erase("bob").await.unwrap();
    for _ in 0..2 {
        let tokens = bench.journal.tokens();
        assert!(matches!(tokens.see(&by_id), Err(NotGood::Ended)));
        assert!(matches!(tokens.see(&by_rule), Err(NotGood::Ended)));
        assert!(matches!(tokens.see(&unseen), Err(NotGood::Ended)));
        bench.restart();
    }
    // What was good is good, and comes back as somebody else's.
    assert!(row.admit(bench.clock.now()));
    assert!(bench.journal.tokens().see(&good).unwrap().admit(bench.clock.now()));
    let page = bench.journal.page(&admin(), eventlog::Seq(0), 500).unwrap();
    let shown = format!("{:?}", page.items);
    assert!(shown.contains("erased") && !shown.contains("bob"), "{shown}");
}

#[tokio::test]
async fn a_key_that_came_back_is_destroyed_again_before_the_ledger_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring");
    let mut bench = Bench::new();
    bench.keyring = Arc::new(Keyring::open(&path, true).unwrap());
    bench.restart();
    let log = Arc::new(MemoryLog::new()) as _;
    bench.ledger = open_keyed(&log, &bench.clock, &bench.keyring);
    let bob = Caller {
        identity: Arc::new(crate::Identity {
            subject: subject("bob"),
            ..(*caller(Some("acme"), Role::Owner).identity).clone()
        }),
        ..caller(None, Role::Owner)
    };
    bench.ledger.create(&bob, draft(None), RequestOptions::default()).await.unwrap();
    let backup = std::fs::read(&path).unwrap();
    let persons = bench.erase("bob").await.unwrap().persons;
    std::fs::write(&path, backup).unwrap();

    bench.keyring = Arc::new(Keyring::open(&path, false).unwrap());
    assert!(matches!(bench.keyring.find(&persons[0]), Some(Found::Key(_))));
    bench.restart();
    assert_eq!(bench.journal.forget_again().unwrap(), 1);
    assert_eq!(bench.journal.forget_again().unwrap(), 0);
    assert_eq!(bench.keyring.find(&persons[0]), Some(Found::Destroyed));
    let ledger = open_keyed(&log, &bench.clock, &bench.keyring);
    let keys = ledger.state().table.slice(0, 10);
    assert!(keys.iter().all(|key| key.current().owner.is_erased()));
}

/// The next start does what is on record: nobody may be told meanwhile that it is not done.
#[tokio::test]
async fn who_is_on_record_as_erased_is_not_held_and_not_put_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    bench.keyring = Arc::new(Keyring::open(&folder.path().join("keyring"), true).unwrap());
    bench.restart();
    bench.ledger = open_keyed(&(Arc::new(MemoryLog::new()) as _), &bench.clock, &bench.keyring);
    bench.token("bob").await;
    bench.keyring.fail_writes();
    for _ in 0..2 {
        assert!(matches!(bench.erase("bob").await, Err(Error::Fault(_))));
        assert_eq!(bench.types(), ["token_made", "subject_erased"]);
    }
    let (journal, bob, now) = (&bench.journal, subject("bob"), bench.clock.now());
    let held = journal.hold(&admin(), &bob, &why("case"), now).await;
    assert!(matches!(held, Err(Error::SubjectNotFound)));
}

fn entries() -> [Access; 4] {
    let [ann, bob] = [1, 2].map(|byte| PersonKey::from_bytes([byte; 32]).pseudonym());
    let hold = Hold {
        id: HoldId([7; 16]),
        subject: subject("bob"),
        persons: vec![bob],
        reason: Reason::new("case").ok(),
    };
    let erasure = Erasure {
        persons: vec![bob, ann],
        reason: Reason::new("wanted").ok(),
        legal_basis: Reason::new("Art. 17").ok(),
    };
    let released = Hold { reason: None, ..hold.clone() };
    let events = [
        (AccessEvent::SubjectHeld(hold), Some(bob), Some(bob)),
        (AccessEvent::SubjectReleased(released), Some(bob), None),
        (AccessEvent::SubjectErased(erasure), None, None),
    ];
    let [placed, released, erased] = events.map(|(event, owner, meant)| Access {
        at: Timestamp::from_micros(1_700_000_000_000_003),
        actor: Actor {
            subject: subject("ann"),
            account: None,
            roles: [Role::Admin].into_iter().collect(),
            via: Via::Token { issuer: "https://id.example.com".into(), jti: Some("t1".into()) },
        },
        origin: Origin { ip: Some([203, 0, 113, 7].into()), request_id: Some("r1".into()) },
        event,
        salt: [9; 12],
        persons: Persons { actor: Some(ann), owner, former: None, meant },
        mac: None,
        request: None,
    });
    let request = Some(RequestDigests { key: [4; 16], request: [5; 16] });
    let repeatable = Access { request, ..placed.clone() };
    [placed, released, erased, repeatable]
}

/// Written once, never again: `schemas/access.md` describes it.
const GOLDEN: [&str; 4] = [
    concat!(
        "01fd06803c3048140c000010011668747470733a2f2f69642e6578616d706c652e636f6d0909090909090909090909",
        "0905070707070707070707070707070707070175877bb41d393b5fb8455ce60ecd8dda03010172cd6e8422c407fb6d",
        "098690f1130b7d22c76e49a0cf3272f07e54814fdfda8415ebf6e0a6299fcdc866ec7fcbd0ddccb91098020175877b",
        "b41d393b5fb8455ce60ecd8dda1721961b0c8fef3fc849d24eb03e020949a0c12369c84249100272cd6e8422c407fb",
        "6d098690f1130b7d75877bb41d393b5fb8455ce60ecd8dda170ef2bac706f6329a85d141e7b5a4edf1767b15545e5a",
        "54",
    ),
    concat!(
        "01fd06803c3048140c000010011668747470733a2f2f69642e6578616d706c652e636f6d0909090909090909090909",
        "0906070707070707070707070707070707070175877bb41d393b5fb8455ce60ecd8dda02010172cd6e8422c407fb6d",
        "098690f1130b7d22c76e49a0cf3272f07e54814fdfda8415ebf6e0a6299fcdc866ec7fcbd0ddccb91098020175877b",
        "b41d393b5fb8455ce60ecd8dda1721961b0c8fef3fc849d24eb03e020949a0c12369c84249",
    ),
    concat!(
        "01fd06803c3048140c000010011668747470733a2f2f69642e6578616d706c652e636f6d0909090909090909090909",
        "09070275877bb41d393b5fb8455ce60ecd8dda72cd6e8422c407fb6d098690f1130b7d01110172cd6e8422c407fb6d",
        "098690f1130b7d33c76e49a0cf3272f07e54814fdfda8415ebf67ffc43fe5a92523c314eaf258bd34b74cea2c7d761",
        "976863c4c77633410d36c168",
    ),
    concat!(
        "01fd06803c3048140c000010011668747470733a2f2f69642e6578616d706c652e636f6d0909090909090909090909",
        "0905070707070707070707070707070707070175877bb41d393b5fb8455ce60ecd8dda03010172cd6e8422c407fb6d",
        "098690f1130b7d22c76e49a0cf3272f07e54814fdfda8415ebf6e0a6299fcdc866ec7fcbd0ddccb91098020175877b",
        "b41d393b5fb8455ce60ecd8dda3721961b0c8fef3eda480fd2113990a3457ce307d6485614ded36d1390417ec14beb",
        "90ab7cdb009a930e674339b78563140cfa2e5dea1a18100272cd6e8422c407fb6d098690f1130b7d75877bb41d393b",
        "5fb8455ce60ecd8dda170ef2bac706f6329a85d141e7b5a4edf1767b15545e5a54",
    ),
];

#[test]
fn an_entry_of_a_person_never_changes_its_bytes() {
    let bytes = entries().map(|entry| codec::encode_access(&entry, &persons()).unwrap());
    assert_eq!(bytes.each_ref().map(hex::encode), GOLDEN);
    let mut interner = Interner::new(Arc::new(persons()));
    let read = bytes.map(|bytes| codec::decode_access(&bytes, &mut interner).unwrap());
    assert_eq!(read, entries());
}

/// Without the key of the actor, or of the other one, the entry is read and says that it was erased.
#[test]
fn an_entry_is_read_whoever_of_it_was_erased() {
    for entry in entries() {
        let bytes = codec::encode_access(&entry, &persons()).unwrap();
        for gone in [1, 2] {
            let keyring = persons();
            let person = PersonKey::from_bytes([gone; 32]).pseudonym();
            keyring.destroy(&[person]).unwrap();
            let keyring = Arc::new(keyring);
            let read = codec::decode_access(&bytes, &mut Interner::new(Arc::clone(&keyring)));
            let read = read.unwrap();
            assert_eq!(read.actor.subject.is_erased(), gone == 1);
            assert!(gone == 2 || read.origin == Origin::default());
            assert_eq!(codec::decode_access(&bytes, &mut Interner::new(keyring)).unwrap(), read);
        }
    }
}
