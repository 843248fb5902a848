//! A key that calls with its own text, and a user who sees its own keys alone.

use std::sync::Arc;

use eventlog::memory::MemoryLog;
use eventlog::{Log, Seq};
use keys::{
    Dialect, EventKind, Kind, Question, Refusal, Revocation, Rotation, Status, Subject, Verdict,
};

use crate::testing::{ManualClock, caller, decoder, draft, idempotent, open, owner};
use crate::{
    AuditRecord, Auditor, Caller, Change, Changes, Due, Error, EventFilter, KeyFilter, Ledger,
    NewKeyRequest, Origin, RequestOptions, Role, Via, Walk,
};

fn plain() -> RequestOptions {
    RequestOptions::default()
}

fn new() -> (Arc<dyn Log>, Arc<ManualClock>, Ledger) {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    (log, clock, ledger)
}

/// The key with this text, as a caller.
fn bearer(ledger: &Ledger, text: &str) -> Caller {
    let identity = ledger.bearer_of(text).expect("a key");
    Caller { identity, dialect: Dialect::Native, origin: Origin::default() }
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Err(Error::Refused(refusal)) => format!("{refusal:?}"),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_ends_itself_from_every_status_in_which_it_proves_something() {
    let (log, clock, ledger) = new();
    let mut outcomes = Vec::new();
    for change in [None, Some(Change::Disable), Some(Change::Expire)] {
        let made = ledger.create(&owner(), draft(None), plain()).await.unwrap();
        if let Some(change) = change {
            ledger.change(&owner(), made.key.key.id, change, plain()).await.unwrap();
        }
        let key = bearer(&ledger, made.secret.unwrap().reveal());
        let answer = ledger.revoke_own(&key, Revocation::default(), plain()).await;
        if let Ok(changed) = &answer {
            assert_eq!(changed.entry.record.event.kind(), EventKind::Revoked);
            assert_eq!(changed.entry.record.actor.via, Via::Key(made.key.key.id));
            assert_eq!(changed.entry.record.actor.subject, made.key.key.owner);
            let again = ledger.revoke_own(&key, Revocation::default(), plain()).await;
            assert_eq!(refusal(again), "Already(Revoked)");
        }
        let status = ledger.own_key(&key).unwrap().status;
        outcomes.push((status, answer.is_ok()));
    }
    assert_eq!(
        outcomes,
        [(Status::Revoked, true), (Status::Revoked, true), (Status::Expired, false)]
    );
    // One whose time ran out unseen is expired first, and has nothing to say then.
    let made = ledger.create(&owner(), draft(Some(5)), plain()).await.unwrap();
    let key = bearer(&ledger, made.secret.unwrap().reveal());
    clock.advance(6);
    let late = ledger.revoke_own(&key, Revocation::default(), plain()).await;
    assert_eq!(refusal(late), "NotWhile(Expired)");

    let mut auditor = Auditor::whole();
    for stored in log.read(Seq(0), usize::MAX).unwrap() {
        let read: AuditRecord = decoder().read(stored.seq, &stored.bytes).unwrap();
        auditor.push(&read).unwrap();
    }
}

#[tokio::test]
async fn a_key_that_ends_itself_twice_is_answered_as_the_first_time() {
    let (_, _, ledger) = new();
    let made = ledger.create(&owner(), draft(None), plain()).await.unwrap();
    let key = bearer(&ledger, made.secret.unwrap().reveal());
    let first = ledger.revoke_own(&key, Revocation::default(), idempotent(1, 1)).await.unwrap();
    let again = ledger.revoke_own(&key, Revocation::default(), idempotent(1, 1)).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.entry.seq, again.entry.seq);
}

#[tokio::test]
async fn a_key_does_nothing_else() {
    let (_, _, ledger) = new();
    let made = ledger.create(&owner(), draft(None), plain()).await.unwrap();
    let (id, secret) = (made.key.key.id, made.secret.unwrap());
    let key = bearer(&ledger, secret.reveal());
    let forbidden = |what: &str, error: Option<Error>| {
        assert!(matches!(error, Some(Error::Forbidden)), "{what}: {error:?}");
    };
    forbidden("key", ledger.key(&key, id).err());
    forbidden("keys", ledger.keys(&key, &KeyFilter::default(), 0, 9).err());
    forbidden("history", ledger.history(&key, id, Seq(0), 9).err());
    forbidden("event", ledger.event(&key, Seq(0)).err());
    forbidden("verify", ledger.verify(&key, secret.reveal(), &Question::default()).err());
    forbidden("create", ledger.create(&key, draft(None), plain()).await.err());
    forbidden("change", ledger.change(&key, id, Change::Disable, plain()).await.err());
    forbidden("expire", ledger.expire_due(&key, 1, None).await.err());
    assert_eq!(ledger.id_by_text(&key, Dialect::Native, secret.reveal()), None);
    // Nor does anybody else end what it is not.
    for role in [Role::Owner, Role::Admin, Role::Worker, Role::User] {
        let other = caller(Some("acme"), role);
        forbidden("own", ledger.revoke_own(&other, Revocation::default(), plain()).await.err());
    }
}

#[tokio::test]
async fn what_is_no_secret_key_is_nobody() {
    let (_, _, ledger) = new();
    let public = NewKeyRequest { kind: Kind::Public, ..draft(None) };
    let public = ledger.create(&owner(), public, plain()).await.unwrap();
    let text = public.secret.unwrap();
    assert!(ledger.bearer_of(text.reveal()).is_none());
    for text in ["", "kl_live_nothing", "kl_live_00000000000000000000000000000000"] {
        assert!(ledger.bearer_of(text).is_none(), "{text}");
    }
}

/// Two people of one account: what is bob's looks to ann as if it were not there.
#[tokio::test]
async fn a_user_sees_its_own_keys_alone() {
    let (_, _, ledger) = new();
    let ann = caller(Some("acme"), Role::User);
    let of = |owner: &str| NewKeyRequest {
        owner: Some(Subject::new(owner).unwrap()),
        ..draft(Some(60))
    };
    let own = ledger.create(&ann, draft(Some(60)), plain()).await.unwrap();
    let other = ledger.create(&owner(), of("bob"), plain()).await.unwrap();
    let (own_id, id) = (own.key.key.id, other.key.key.id);
    assert_eq!(own.key.key.owner.as_str(), "ann");

    let unknown = |what: &str, error: Option<Error>| {
        let unknown = matches!(error, Some(Error::Refused(Refusal::UnknownKey)));
        assert!(unknown, "{what}: {error:?}");
    };
    let moment = ledger.moment(&ann, None).unwrap();
    unknown("key", ledger.key(&ann, id).err());
    unknown("as of", ledger.key_as_of(&ann, id, &moment).err());
    unknown("history", ledger.history(&ann, id, Seq(0), 9).err());
    unknown("change", ledger.change(&ann, id, Change::Disable, plain()).await.err());
    let rotation = Rotation::new(0).unwrap();
    let rotated = ledger.rotate(&ann, id, Changes::default(), rotation, plain()).await;
    unknown("rotate", rotated.err());
    assert!(matches!(ledger.event(&ann, Seq(1)), Err(Error::BeyondTheLog { .. })));
    assert!(ledger.event(&ann, Seq(0)).is_ok());

    let ids = |page: crate::Page<crate::KeyView, u64>| -> Vec<_> {
        page.items.iter().map(|view| view.key.id).collect()
    };
    assert_eq!(ids(ledger.keys(&ann, &KeyFilter::default(), 0, 9).unwrap()), [own_id]);
    let bobs = KeyFilter { owner: Some(Subject::new("bob").unwrap()), ..KeyFilter::default() };
    assert!(ids(ledger.keys(&ann, &bobs, 0, 9).unwrap()).is_empty());
    assert_eq!(ids(ledger.keys(&owner(), &bobs, 0, 9).unwrap()), [id]);
    let elsewhere = keys::Account::new("umbrella").unwrap();
    let there = KeyFilter { account: Some(elsewhere), ..KeyFilter::default() };
    assert!(ids(ledger.keys(&ann, &there, 0, 9).unwrap()).is_empty());
    let due = ledger.expiring(&ann, 99, None::<Due>, 9).unwrap().items;
    assert_eq!(due.iter().map(|view| view.key.id).collect::<Vec<_>>(), [own_id]);
    let events = ledger.events(&ann, &EventFilter::default(), Walk::Up(Seq(0)), 9).unwrap();
    assert_eq!(events.items.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), [0]);
    let periods =
        ledger.active_periods(&ann, None, (moment.at(), moment.at().plus_secs(9)), &moment);
    let periods: Result<Vec<_>, _> = periods.unwrap().collect();
    assert_eq!(periods.unwrap().iter().map(|held| held.key.id).collect::<Vec<_>>(), [own_id]);

    let secret = other.secret.unwrap();
    let verdict =
        |by: &Caller| ledger.verify(by, secret.reveal(), &Question::default()).unwrap().verdict;
    assert_eq!((verdict(&ann), verdict(&owner())), (Verdict::NotFound, Verdict::Valid));

    // It makes keys for itself, and for nobody else.
    let forbidden = ledger.create(&ann, of("bob"), plain()).await;
    assert!(matches!(forbidden, Err(Error::Forbidden)), "{forbidden:?}");
    ledger.create(&ann, of("ann"), plain()).await.unwrap();
    ledger.rotate(&ann, own_id, Changes::default(), rotation, plain()).await.unwrap();
}

/// Somebody else's public key of the same name is not found either: another one is made.
#[tokio::test]
async fn a_user_finds_its_own_public_keys_alone() {
    let (_, _, ledger) = new();
    let composable = |caller: Caller| Caller { dialect: Dialect::Composable, ..caller };
    let reuse = Some(keys::Reuse { least_ttl_ms: 1, own: false });
    let wanted = |owner| {
        let policy = keys::Policy { reuse, ..keys::Policy::default() };
        NewKeyRequest { kind: Kind::Public, policy, owner, ..draft(None) }
    };
    let bob = Some(Subject::new("bob").unwrap());
    let (ann, all) = (composable(caller(Some("acme"), Role::User)), composable(owner()));
    let of_bob = ledger.create(&all, wanted(bob), plain()).await.unwrap().key.key.id;
    let found = ledger.create(&all, wanted(None), plain()).await;
    assert_eq!(refusal(found), format!("Found({of_bob:?})"));
    let own = ledger.create(&ann, wanted(None), plain()).await.unwrap().key.key.id;
    let found = ledger.create(&ann, wanted(None), plain()).await;
    assert_eq!(refusal(found), format!("Found({own:?})"));
}

/// A subject of all accounts would be whoever has that name in any of them.
#[tokio::test]
async fn a_user_is_of_one_account_and_a_wider_role_counts() {
    let (_, _, ledger) = new();
    ledger.create(&owner(), draft(None), plain()).await.unwrap();
    let everywhere = caller(None, Role::User);
    let refused = ledger.keys(&everywhere, &KeyFilter::default(), 0, 9);
    assert!(matches!(refused, Err(Error::Forbidden)));
    let both = |first, second, subject: &str| {
        let mut identity = (*caller(Some("acme"), first).identity).clone();
        identity.roles = identity.roles.with(second);
        identity.subject = Subject::new(subject).unwrap();
        Caller { identity: Arc::new(identity), ..owner() }
    };
    let seen = |by: &Caller| ledger.keys(by, &KeyFilter::default(), 0, 9).unwrap().items.len();
    assert_eq!(seen(&both(Role::User, Role::Auditor, "eve")), 1);
    assert_eq!(seen(&both(Role::User, Role::Owner, "eve")), 1);
    // A verifier lists nothing: as a user it lists its own.
    assert_eq!(seen(&both(Role::User, Role::Verifier, "eve")), 0);
    assert_eq!(seen(&both(Role::User, Role::Verifier, "ann")), 1);
}
