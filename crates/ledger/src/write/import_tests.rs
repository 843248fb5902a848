//! Imports: each line for itself, found again when it is sent again, lawful for every auditor.

use std::sync::Arc;

use eventlog::memory::MemoryLog;
use eventlog::{Log, Seq};
use keys::{Digest, Imported, KeyName, Prefix, Question, Refusal, Rotation, Source, Verdict};

use crate::testing::{ManualClock, caller, decoder, draft, open, owner};
use crate::{
    Auditor, Caller, Changes, Error, Import, ImportedKey, Ledger, NewKeyRequest, Options, Quotas,
    RequestOptions, Role,
};

/// A key with this text, to be imported; under an idempotency key if there is a number.
fn wanted(text: &str, repeat: Option<u8>) -> NewKeyRequest {
    let imported = Imported { source: Source::new("elsewhere").ok(), ..Imported::default() };
    let prefix = Prefix::new(&text[..2]).ok();
    let (digest, repeat) = (Digest::of(text), repeat.map(|number| [number; 10]));
    let import = Some(Box::new(Import { digest, prefix, imported, repeat }));
    NewKeyRequest { import, ..draft(None) }
}

async fn import(
    ledger: &Ledger,
    caller: &Caller,
    requests: &[NewKeyRequest],
    dry_run: bool,
) -> Vec<Result<ImportedKey, Error>> {
    let keys = requests.iter().map(|request| ledger.new_import(caller, request, None).unwrap());
    ledger.import(caller, keys.collect(), dry_run).await.unwrap()
}

fn verdict(ledger: &Ledger, text: &str) -> Verdict {
    let verifier = caller(None, Role::Verifier);
    ledger.verify(&verifier, text, &Question::default()).unwrap().verdict
}

/// Every record of the log is lawful for one who knows nothing but the log.
fn audited(log: &Arc<dyn Log>) -> Auditor {
    let mut auditor = Auditor::whole();
    for stored in log.read(Seq(0), usize::MAX).unwrap() {
        let read = decoder().read(stored.seq, &stored.bytes).unwrap();
        auditor.push(&read).unwrap();
    }
    auditor
}

#[tokio::test]
async fn each_key_is_decided_by_itself() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    let (ann, bob) = (owner(), caller(Some("other"), Role::Owner));
    let first = ledger.create(&ann, draft(None), RequestOptions::default()).await.unwrap();
    let native = first.secret.unwrap().reveal().to_owned();
    let lines = [
        wanted("foreign-1", None),
        wanted("foreign-1", None),
        wanted("foreign-2", None),
        wanted(&native, None),
    ];
    assert_eq!(verdict(&ledger, "foreign-1"), Verdict::NotFound);
    let answers = import(&ledger, &ann, &lines, false).await;
    let made = |at: usize| answers[at].clone().unwrap().id;
    assert!(matches!(answers[1], Err(Error::SecretExists(id)) if id == made(0)), "{answers:?}");
    assert!(matches!(answers[3], Err(Error::SecretExists(id)) if id == first.key.key.id));
    assert_eq!(ledger.stats().imported, 2);
    // Somebody else learns that it is there, and nothing more.
    let others = import(&ledger, &bob, &lines, false).await;
    let taken = |answer: &Result<_, _>| matches!(answer, Err(Error::Refused(Refusal::DigestTaken)));
    assert!(others.iter().all(taken), "{others:?}");
    for text in ["foreign-1", "foreign-2", &native] {
        assert_eq!(verdict(&ledger, text), Verdict::Valid, "{text}");
    }
    assert_eq!(audited(&log).keys(), 3);
    // As in the memory of one that only reads the log.
    let again = open(&log, &clock);
    assert_eq!(verdict(&again, "foreign-2"), Verdict::Valid);
    let key = again.key(&ann, made(2)).unwrap().key;
    assert_eq!((key.number, key.prefix.as_str()), (3, "fo"));
    assert_eq!(key.imported.as_ref().unwrap().source.as_ref().unwrap().as_str(), "elsewhere");
}

#[tokio::test]
async fn what_is_sent_again_is_found_again() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    let ends = NewKeyRequest { import: wanted("foreign-2", Some(2)).import, ..draft(Some(60)) };
    let lines = [wanted("foreign-1", Some(1)), ends];
    let ids = |answers: Vec<Result<ImportedKey, Error>>, repeated: bool| {
        let ids = answers.into_iter().map(|answer| {
            let key = answer.unwrap();
            assert_eq!(key.repeated, repeated);
            key.id
        });
        ids.collect::<Vec<_>>()
    };
    let first = ids(import(&ledger, &owner(), &lines, false).await, false);
    clock.advance(5);
    assert_eq!(ids(import(&ledger, &owner(), &lines, true).await, true), first);
    assert_eq!(ids(import(&ledger, &owner(), &lines, false).await, true), first);
    // Twice in one commit, and days later in another process, after edits.
    let both = [wanted("foreign-3", Some(3)), wanted("foreign-3", Some(3))];
    let answers = import(&ledger, &owner(), &both, false).await;
    let [Ok(made), Ok(again)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((made.id, made.repeated, again.repeated), (again.id, false, true));
    clock.advance(5 * 86_400);
    let ledger = open(&log, &clock);
    assert_eq!(ids(import(&ledger, &owner(), &lines, false).await, true), first);
    // Under the same idempotency key there is no other key.
    let other = NewKeyRequest { name: KeyName::new("other").ok(), ..lines[0].clone() };
    for request in [other, wanted("foreign-4", Some(1))] {
        let answers = import(&ledger, &owner(), &[request], false).await;
        assert!(matches!(answers[..], [Err(Error::IdempotencyMismatch)]), "{answers:?}");
    }
    // And without one, or under another, the secret is taken.
    for repeat in [None, Some(9)] {
        let answers = import(&ledger, &owner(), &[wanted("foreign-1", repeat)], false).await;
        assert!(matches!(answers[..], [Err(Error::SecretExists(id))] if id == first[0]));
    }
    assert_eq!(audited(&log).keys(), 3);
}

#[tokio::test]
async fn a_dry_run_decides_and_records_nothing() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    let answers = import(&ledger, &owner(), &[wanted("foreign-1", Some(1))], true).await;
    assert!(answers[0].as_ref().is_ok_and(|key| !key.repeated));
    assert_eq!((ledger.stats().log_size, ledger.stats().imported), (0, 0));
    assert_eq!(verdict(&ledger, "foreign-1"), Verdict::NotFound);
}

#[tokio::test]
async fn an_imported_key_is_replaced_by_one_that_is_made_here() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    let options = RequestOptions::default;
    let old = ledger.create(&owner(), wanted("foreign-1", None), options()).await.unwrap();
    assert!(old.secret.is_none() && old.key.key.imported.is_some());
    let rotation = Rotation::new(60).unwrap();
    let id = old.key.key.id;
    let new = ledger.rotate(&owner(), id, Changes::default(), rotation, options()).await.unwrap();
    assert!(new.key.key.imported.is_none());
    let secret = new.secret.unwrap();
    assert!(secret.reveal().starts_with("kl_live_"));
    assert_eq!(verdict(&ledger, "foreign-1"), Verdict::Valid);
    clock.advance(60);
    assert_eq!(verdict(&ledger, "foreign-1"), Verdict::Expired);
    assert_eq!(verdict(&ledger, secret.reveal()), Verdict::Valid);
    audited(&log);
}

/// Whoever imports digests can choose them: no part of one stands for the whole.
#[tokio::test]
async fn digests_that_have_much_in_common_are_two() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    let lines = [0, 15, 16, 31].map(|place| {
        let mut request = wanted("foreign", None);
        let mut digest = [7; 32];
        digest[place] = 8;
        request.import.as_mut().unwrap().digest = Digest(digest);
        request
    });
    let answers = import(&ledger, &owner(), &lines, false).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(audited(&log).keys(), 4);
}

#[tokio::test]
async fn an_import_is_no_larger_than_the_account_may_change_at_once() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let quotas = |changes| Quotas {
        changes_per_s: std::num::NonZeroU32::new(changes),
        keys: Some(3),
        ..Quotas::default()
    };
    let open = |changes| {
        let options = Options { quotas: quotas(changes), ..Options::default() };
        crate::testing::open_with(Arc::clone(&log), &clock, options).unwrap()
    };
    assert_eq!(open(0).most_imports(), crate::MOST_IN_IMPORT);
    let ledger = open(4);
    assert_eq!(ledger.most_imports(), 4);
    let lines = [1, 2, 3, 4].map(|number| wanted(&format!("foreign-{number}"), None));
    let answers = import(&ledger, &owner(), &lines, false).await;
    assert!(answers[..3].iter().all(Result::is_ok));
    assert!(matches!(answers[3], Err(Error::Refused(Refusal::KeyLimit(3)))), "{answers:?}");
    let one = ledger.new_import(&owner(), &lines[3], None).unwrap();
    let refused = ledger.import(&owner(), Arc::new([one]), false).await;
    assert!(matches!(refused, Err(Error::RateLimited { .. })), "{refused:?}");
}
