//! What becomes of tokens is on record, in bytes that never change, and holds after a restart.

use eventlog::Seq;
use eventlog::memory::{Fault, MemoryLog};
use keys::Account;
use signedlog::Signing;

use super::*;
use crate::caller::{Origin, Role, Via};
use crate::clock::Clock;
use crate::fuzzing::persons;
use crate::journal::JournalOptions;
use crate::keyring::PersonKey;
use crate::record::Persons;
use crate::record::codec::{self, Interner};
use crate::testing::{ManualClock, caller, idempotent, keyring, owner};
use crate::tokens::{NotGood, TokenFilter};

fn open(log: &MemoryLog, clock: &Arc<ManualClock>) -> Journal {
    let signing = Signing::new("ledger.example.com/apikeys/access", [9; 32]).unwrap();
    let (log, clock) = (Arc::new(log.clone()), Arc::clone(clock) as Arc<dyn Clock>);
    let options = JournalOptions { keyring: keyring(), ..JournalOptions::default() };
    Journal::open(log, clock, Arc::new(signing), options).unwrap()
}

fn wanted(subject: &str, role: Role) -> NewToken {
    NewToken {
        subject: Subject::new(subject).unwrap(),
        account: None,
        roles: [role].into_iter().collect(),
        ttl_s: 3600,
    }
}

async fn make(journal: &Journal, clock: &ManualClock, subject: &str) -> OwnToken {
    let (caller, options) = (owner(), RequestOptions::default());
    let wanted = wanted(subject, Role::User);
    journal.make_token(&caller, wanted, &options, clock.now()).await.unwrap().view.token
}

fn types(journal: &Journal) -> Vec<&'static str> {
    let page = journal.page(&caller(None, Role::Auditor), Seq(0), 500).unwrap();
    page.items.iter().map(|(_, entry)| entry.event.as_str()).collect()
}

#[tokio::test]
async fn what_became_of_tokens_holds_after_a_restart() {
    let (log, clock) = (MemoryLog::new(), ManualClock::new());
    let (options, journal) = (RequestOptions::default(), open(&log, &clock));
    let (ann, bob) = (make(&journal, &clock, "ann").await, make(&journal, &clock, "bob").await);
    // One that was made elsewhere, and one that is never seen here.
    clock.advance(1);
    let eve = OwnToken { jti: "eve".into(), subject: Subject::new("eve").unwrap(), ..bob.clone() };
    let unseen = OwnToken { jti: "unseen".into(), ..eve.clone() };
    for token in [&ann, &eve] {
        assert!(journal.tokens().see(token).unwrap().admit(clock.now()));
    }
    journal.end_token(&owner(), &ann.jti, &options, clock.now()).await.unwrap();
    let which = EndTokens { subject: Some(eve.subject.clone()), ..EndTokens::default() };
    let ended = journal.end_tokens(&owner(), which, &options, clock.now()).await.unwrap().outcome;
    assert_eq!((ended.count, ended.range.issued_before), (1, clock.now()));
    let filter = TokenFilter::default();
    let list = |journal: &Journal| {
        journal.tokens().page(&owner(), &filter, None, 500, clock.now()).unwrap().items
    };
    let before = list(&journal);
    assert_eq!(before.iter().filter(|view| view.ended_at == Some(clock.now())).count(), 2);
    journal.close().await.unwrap();
    assert_eq!(types(&journal).iter().filter(|kind| **kind == "token_seen").count(), 2);

    let journal = open(&log.reopen().unwrap(), &clock);
    assert_eq!(list(&journal), before);
    let see = |token: &OwnToken| journal.tokens().see(token);
    assert!(see(&ann).unwrap().is_ended() && see(&eve).unwrap().is_ended());
    assert!(!see(&bob).unwrap().is_ended());
    assert_eq!(see(&unseen).unwrap_err(), NotGood::Ended);
    let again = journal.end_token(&owner(), &ann.jti, &options, clock.now()).await;
    assert!(matches!(again, Err(Error::TokenEnded)), "{again:?}");
}

/// A token is on record as used when it is first seen, and then on every day that it is.
#[tokio::test]
async fn a_use_is_recorded_once_a_day() {
    let (log, clock) = (MemoryLog::new(), ManualClock::new());
    let journal = open(&log, &clock);
    let ann = make(&journal, &clock, "ann").await;
    let row = journal.tokens().see(&ann).unwrap();
    let mut days = 0;
    for _ in 0..50 {
        assert!(row.admit(clock.now()));
        assert!(journal.tokens().see(&ann).is_ok());
        clock.advance(3600);
        journal.tokens().record_again(86_400);
        // As the writer does every second.
        for entry in journal.tokens().take_unrecorded(500).into_iter().map(Access::token_seen) {
            journal.tokens().apply(&entry);
            assert_eq!(Some(entry.at), row.last_used_at());
            days += 1;
        }
    }
    assert!((2..=4).contains(&days), "{days}");
}

#[tokio::test]
async fn nothing_is_made_or_ended_that_is_not_on_record() {
    let (log, clock) = (MemoryLog::new(), ManualClock::new());
    let (options, journal) = (RequestOptions::default(), open(&log, &clock));
    let ann = make(&journal, &clock, "ann").await;
    let row = journal.tokens().see(&ann).unwrap();
    log.fail_next(Fault::Lose);
    for _ in 0..2 {
        let made = wanted("bob", Role::User);
        let made = journal.make_token(&owner(), made, &options, clock.now()).await;
        assert!(matches!(made, Err(Error::Broken)), "{made:?}");
        let ended = journal.end_token(&owner(), &ann.jti, &options, clock.now()).await;
        assert!(matches!(ended, Err(Error::Broken)), "{ended:?}");
        let which = EndTokens { subject: Some(ann.subject.clone()), ..EndTokens::default() };
        let ended = journal.end_tokens(&owner(), which, &options, clock.now()).await;
        assert!(matches!(ended, Err(Error::Broken)), "{ended:?}");
    }
    assert!(row.admit(clock.now()));
    assert_eq!(journal.tokens().stats().listed, 1);
}

#[tokio::test]
async fn a_repeated_request_makes_one_token() {
    let (log, clock) = (MemoryLog::new(), ManualClock::new());
    let journal = open(&log, &clock);
    let make = async |journal: &Journal, key, request| {
        let (wanted, options) = (wanted("ann", Role::User), idempotent(key, request));
        journal.make_token(&owner(), wanted, &options, clock.now()).await
    };
    let first = make(&journal, 1, 1).await.unwrap();
    clock.advance(5);
    let again = make(&journal, 1, 1).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert!(first.made_here && again.made_here);
    assert_eq!(first.view, again.view);
    assert!(matches!(make(&journal, 1, 2).await, Err(Error::IdempotencyMismatch)));
    assert_ne!(make(&journal, 2, 1).await.unwrap().view.token.jti, first.view.token.jti);
    journal.close().await.unwrap();
    let journal = open(&log.reopen().unwrap(), &clock);
    let again = make(&journal, 1, 1).await.unwrap();
    assert_eq!((again.view, again.replayed, again.made_here), (first.view, true, false));
    assert!(matches!(make(&journal, 1, 2).await, Err(Error::IdempotencyMismatch)));
    assert_eq!(types(&journal), ["token_made", "token_made"]);
}

fn of(subject: &str) -> EndTokens {
    EndTokens { subject: Subject::new(subject).ok(), ..EndTokens::default() }
}

/// A client that repeats "end all of ann's" must not end what she made since.
#[tokio::test]
async fn a_repeated_request_ends_nothing_that_was_made_since() {
    let (log, clock) = (MemoryLog::new(), ManualClock::new());
    let mut journal = open(&log, &clock);
    make(&journal, &clock, "ann").await;
    let end = async |journal: &Journal, which: EndTokens, key, request| {
        journal.end_tokens(&owner(), which, &idempotent(key, request), clock.now()).await
    };
    let first = end(&journal, of("ann"), 1, 1).await.unwrap();
    assert_eq!((first.outcome.count, first.replayed), (1, false));
    clock.advance(5);
    let next = make(&journal, &clock, "ann").await;
    for _ in 0..2 {
        let again = end(&journal, of("ann"), 1, 1).await.unwrap();
        assert_eq!(again, Answer { replayed: true, ..first.clone() });
        assert!(!journal.tokens().see(&next).unwrap().is_ended());
        let other = end(&journal, of("bob"), 1, 2).await;
        assert!(matches!(other, Err(Error::IdempotencyMismatch)), "{other:?}");
        assert_eq!(types(&journal).iter().filter(|kind| **kind == "tokens_ended").count(), 1);
        journal.close().await.unwrap();
        journal = open(&log.reopen().unwrap(), &clock);
    }
    // Another caller's key is another one, and a day later it is a new one.
    let options = idempotent(1, 1);
    let identity =
        crate::Identity { subject: Subject::new("eve").unwrap(), ..(*owner().identity).clone() };
    let eve = Caller { identity: Arc::new(identity), ..owner() };
    let other = journal.end_tokens(&eve, of("bob"), &options, clock.now()).await.unwrap();
    assert!(!other.replayed);
    clock.advance(24 * 3600);
    assert!(!end(&journal, of("ann"), 1, 1).await.unwrap().replayed);
    assert!(journal.tokens().see(&next).unwrap().is_ended());
}

/// An entry that is about nobody has no place for the request: a repeat says what was said before.
#[tokio::test]
async fn all_before_a_time_are_ended_again_after_a_restart() {
    let (log, clock) = (MemoryLog::new(), ManualClock::new());
    let journal = open(&log, &clock);
    make(&journal, &clock, "ann").await;
    clock.advance(1);
    let before = clock.now();
    let end = async |journal: &Journal| {
        let which = EndTokens { issued_before: Some(before), ..EndTokens::default() };
        journal.end_tokens(&owner(), which, &idempotent(1, 1), clock.now()).await.unwrap()
    };
    let first = end(&journal).await;
    assert_eq!(
        (first.outcome.count, first.replayed, end(&journal).await.replayed),
        (1, false, true)
    );
    clock.advance(1);
    let next = make(&journal, &clock, "ann").await;
    journal.close().await.unwrap();
    let journal = open(&log.reopen().unwrap(), &clock);
    let again = end(&journal).await;
    assert_eq!((again.outcome.count, again.replayed), (0, false));
    assert_eq!(again.outcome.range, first.outcome.range);
    assert!(!journal.tokens().see(&next).unwrap().is_ended());
}

#[tokio::test]
async fn one_who_went_away_before_the_answer_has_ended_them_once() {
    let (log, clock) = (MemoryLog::new(), ManualClock::new());
    let journal = open(&log, &clock);
    make(&journal, &clock, "ann").await;
    let (caller, options) = (owner(), idempotent(1, 1));
    {
        let first = journal.end_tokens(&caller, of("ann"), &options, clock.now());
        let mut first = std::pin::pin!(first);
        let waker = std::task::Waker::noop();
        let _ = first.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    let again = loop {
        match journal.end_tokens(&caller, of("ann"), &options, clock.now()).await {
            // It is being written.
            Err(Error::Overloaded) => tokio::task::yield_now().await,
            again => break again.unwrap(),
        }
    };
    assert_eq!((again.outcome.count, again.replayed), (1, true));
    assert_eq!(types(&journal), ["token_made", "tokens_ended"]);
}

/// After a clock was set back, "until now" still means every token that is known.
#[tokio::test]
async fn all_tokens_of_a_subject_are_those_that_a_clock_made_which_was_set_back() {
    let (log, clock) = (MemoryLog::new(), ManualClock::new());
    let (options, journal) = (RequestOptions::default(), open(&log, &clock));
    let ann = make(&journal, &clock, "ann").await;
    clock.advance(-600);
    let which = EndTokens { subject: Some(ann.subject.clone()), ..EndTokens::default() };
    let ended = journal.end_tokens(&owner(), which, &options, clock.now()).await.unwrap().outcome;
    assert_eq!(ended.count, 1);
    assert!(ended.range.issued_before > ann.made_at);
    // One that is made right after is good.
    let next = make(&journal, &clock, "ann").await;
    assert!(journal.tokens().see(&next).unwrap().admit(clock.now()));
}

fn encode(access: &Access) -> Vec<u8> {
    codec::encode_access(access, &persons()).unwrap()
}

fn decode(bytes: &[u8]) -> Result<Access, codec::DecodeError> {
    codec::decode_access(bytes, &mut Interner::new(Arc::new(persons())))
}

fn entries() -> [Access; 4] {
    let token = OwnToken {
        jti: "t2".into(),
        subject: Subject::new("bob").unwrap(),
        account: Some(Account::new("acme").unwrap()),
        roles: [Role::Owner, Role::User].into_iter().collect(),
        made_at: Timestamp::from_micros(1_700_000_000_000_001),
        ends_at: Timestamp::from_secs(1_700_003_600),
    };
    let reason = Some(Reason::new("lost").unwrap());
    let range = TokenRange {
        account: None,
        subject: Some(token.subject.clone()),
        issued_before: Timestamp::from_micros(1_700_000_000_000_002),
        roles: Role::OF_TOKENS.iter().copied().collect(),
    };
    let events = [
        AccessEvent::TokenMade { token: token.clone(), request: Some([3; 32]) },
        AccessEvent::TokenSeen(token.clone()),
        AccessEvent::TokenEnded { token, reason: reason.clone() },
        AccessEvent::TokensEnded { range, reason },
    ];
    let [ann, bob] = [1, 2].map(|byte| PersonKey::from_bytes([byte; 32]).pseudonym());
    events.map(|event| Access {
        mac: event.mac(&persons()),
        persons: Persons {
            actor: Some(ann),
            owner: Some(bob),
            former: None,
            meant: event.has_reason().then_some(bob),
        },
        at: Timestamp::from_micros(1_700_000_000_000_003),
        actor: Actor {
            subject: Subject::new("ann").unwrap(),
            account: Some(Account::new("acme").unwrap()),
            roles: [Role::Owner].into_iter().collect(),
            via: Via::Token { issuer: "keyledger".into(), jti: Some("t1".into()) },
        },
        origin: Origin { ip: Some([203, 0, 113, 7].into()), request_id: Some("r1".into()) },
        event,
        salt: [9; 12],
        request: None,
    })
}

/// Written once, never again: `schemas/access.md` describes it.
const GOLDEN: [&str; 4] = [
    concat!(
        "01fd06803c3048140c00010461636d65010009090909090909090909090901ba3ecfc4a38c66b25111684ef00c3763",
        "010461636d6521fd02803c3048140c00fd00c863dd49140c0002010172cd6e8422c407fb6d098690f1130b7d22c76e",
        "49a0cf3272f07e54814fdfda8415ebf6e0a6299fcdc866ec7fcbd0ddccb91098020175877bb41d393b5fb8455ce60e",
        "cd8dda3a21961b0c8fee3daa7e0ad5163e97a4427be400d14f5113d8d56b15964778c74ded96ad7add069c21e15ed0",
        "3c8eb5b41803cb5b06fb7d475b83da",
    ),
    concat!(
        "01fd06803c3048140c00010461636d65010009090909090909090909090902ba3ecfc4a38c66b25111684ef00c3763",
        "010461636d6521fd02803c3048140c00fd00c863dd49140c0002010172cd6e8422c407fb6d098690f1130b7d22c76e",
        "49a0cf3272f07e54814fdfda8415ebf6e0a6299fcdc866ec7fcbd0ddccb91098020175877bb41d393b5fb8455ce60e",
        "cd8dda1a21961b0c8fee3daa7e0b7cf4fac18996d4ab8ae759ab3d681417",
    ),
    concat!(
        "01fd06803c3048140c00010461636d65010009090909090909090909090903ba3ecfc4a38c66b25111684ef00c3763",
        "010461636d6521fd02803c3048140c00fd00c863dd49140c0003010172cd6e8422c407fb6d098690f1130b7d22c76e",
        "49a0cf3272f07e54814fdfda8415ebf6e0a6299fcdc866ec7fcbd0ddccb91098020175877bb41d393b5fb8455ce60e",
        "cd8dda1a21961b0c8fee3daa7e0b7cf4fac18996d4ab8ae759ab3d681417100272cd6e8422c407fb6d098690f1130b",
        "7d75877bb41d393b5fb8455ce60ecd8dda170ef2b5c906e7322454f573e56d4aaee196b3ab82c93f1d",
    ),
    concat!(
        "01fd06803c3048140c00010461636d650100090909090909090909090909040001f93be9d43bb3b62057253df5436d",
        "e059fd04803c3048140c003f03010172cd6e8422c407fb6d098690f1130b7d22c76e49a0cf3272f07e54814fdfda84",
        "15ebf6e0a6299fcdc866ec7fcbd0ddccb91098020175877bb41d393b5fb8455ce60ecd8dda1721961b0c8fef3fc849",
        "d24eb03e020949a0c12369c84249100272cd6e8422c407fb6d098690f1130b7d75877bb41d393b5fb8455ce60ecd8d",
        "da170ef2b5c906e7322454f573e56d4aaee196b3ab82c93f1d",
    ),
];

#[test]
fn an_entry_of_a_token_never_changes_its_bytes() {
    let bytes = entries().each_ref().map(encode);
    assert_eq!(bytes.each_ref().map(hex::encode), GOLDEN);
    assert_eq!(bytes.map(|bytes| decode(&bytes).unwrap()), entries());
}

/// With the request that did it.
const GOLDEN_OF_A_REQUEST: &str = concat!(
    "01fd06803c3048140c00010461636d650100090909090909090909090909040001f93be9d43bb3b62057253df5436d",
    "e059fd04803c3048140c003f03010172cd6e8422c407fb6d098690f1130b7d22c76e49a0cf3272f07e54814fdfda84",
    "15ebf6e0a6299fcdc866ec7fcbd0ddccb91098020175877bb41d393b5fb8455ce60ecd8dda3721961b0c8fef3eda48",
    "0fd2113990a3457ce307d6485614ded36d1390417ec14beb90ab7cdb009a930e674339b78563140cfa2e5dea1a1810",
    "0272cd6e8422c407fb6d098690f1130b7d75877bb41d393b5fb8455ce60ecd8dda170ef2b5c906e7322454f573e56d",
    "4aaee196b3ab82c93f1d",
);

#[test]
fn an_entry_of_a_request_never_changes_its_bytes() {
    let [.., ended] = entries();
    let request = Some(RequestDigests { key: [4; 16], request: [5; 16] });
    let entry = Access { request, ..ended };
    let bytes = encode(&entry);
    assert_eq!(hex::encode(&bytes), GOLDEN_OF_A_REQUEST);
    assert_eq!(decode(&bytes).unwrap(), entry);
}

/// A role that a newer program knows must not be dropped: less would be ended than was said.
#[test]
fn an_entry_with_another_role_is_refused() {
    let [.., ended] = entries();
    let bytes = encode(&ended);
    let place = bytes.iter().rposition(|byte| *byte == 63).unwrap();
    for other in [64, 63 + 64] {
        let mut bytes = bytes.clone();
        bytes[place] = other;
        assert!(decode(&bytes).is_err());
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_an_entry_or_refused(number in 0_usize..4, at in 0_usize..200, byte: u8) {
        let mut bytes = encode(&entries()[number]);
        let place = at % bytes.len();
        bytes[place] = byte;
        if let Ok(read) = decode(&bytes) {
            // One who is nobody reads as erased, and is not written again.
            if let Ok(again) = codec::encode_access(&read, &persons()) {
                proptest::prop_assert_eq!(again, bytes);
            }
        }
    }
}
