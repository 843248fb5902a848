//! Who was forgotten is nobody any more: in memory is what a replay of the log can still read, and
//! keys go on as they are.

#[path = "forget_tests/bench.rs"]
mod bench;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keys::{
    Command, Edits, KeyId, KeyName, KeyRole, Policy, Question, Quota, QuotaPeriod, Reason, Refusal,
    Revocation, Rotation, Status, Verdict,
};

use self::bench::{Bench, DIALECTS, NAMES, admin, because, by, plain, subject, wanted};
use super::*;
use crate::caller::Origin;
use crate::testing::{Dice, caller, idempotent, some_edits};
use crate::write::batch::Idempotent;
use crate::write::change::ChangeStatus;
use crate::{
    Change, Changes, Created, Followed, KeyEdits, KeyFilter, KeyQuery, KeySort, Keyring,
    NewKeyRequest, NotReady, RequestOptions,
};

/// A step of a story: somebody does something to a key, or somebody is forgotten.
async fn step(bench: &Bench, dice: &mut Dice, made: &mut Vec<Created>, number: u8) {
    let ledger = &bench.ledger;
    let name = NAMES[usize::try_from(dice.roll(3)).unwrap()];
    let dialect = DIALECTS[usize::try_from(dice.roll(3)).unwrap()];
    let actor = Caller { dialect, ..by(NAMES[usize::try_from(dice.roll(3)).unwrap()]) };
    let options = RequestOptions {
        reason: (dice.roll(2) == 0).then(|| Reason::new("why").unwrap()),
        ..if dice.roll(2) == 0 { idempotent(number, 1) } else { plain() }
    };
    let pick = usize::try_from(dice.roll(made.len().max(1) as u64)).unwrap();
    let (id, secret) = match made.get(pick) {
        Some(key) if dice.roll(4) > 0 => (key.key.key.id, key.secret.as_ref()),
        _ => {
            let policy = Policy { owner_active: dialect.most_active(), ..Policy::default() };
            let request = NewKeyRequest { policy, ..wanted(name, "x") };
            made.extend(ledger.create(&actor, request, options).await.ok());
            return;
        }
    };
    let outcome = match dice.roll(8) {
        0 => {
            ledger.forget(&admin(), &subject(name)).await.unwrap();
            Ok(())
        }
        1 | 2 => {
            let edits = some_edits(u32::try_from(dice.roll(999)).unwrap(), ledger.now());
            ledger.update(&actor, id, edits, options).await.map(drop)
        }
        3 => {
            let rotation = Rotation::new(dice.roll(20)).unwrap();
            let new = ledger.rotate(&actor, id, Changes::default(), rotation, options).await;
            new.map(|new| made.push(new))
        }
        4 => {
            let identity = ledger.bearer_of(secret.unwrap().reveal()).unwrap();
            let own = Caller { identity, dialect, origin: Origin::default() };
            ledger.revoke_own(&own, Revocation::default(), options).await.map(drop)
        }
        5 => ledger.change(&actor, id, Change::Enable, options).await.map(drop),
        6 => ledger.change(&actor, id, Change::Expire, options).await.map(drop),
        _ => ledger.change(&actor, id, Change::Disable, options).await.map(drop),
    };
    assert!(matches!(outcome, Ok(()) | Err(Error::Refused(_))), "{outcome:?}");
    bench.clock.advance(i64::try_from(dice.roll(3)).unwrap());
}

#[tokio::test]
async fn what_is_in_memory_is_what_a_replay_can_still_read() {
    let mut forgotten = 0;
    for seed in 0..60 {
        let (bench, mut dice, mut made) = (Bench::new(), Dice(seed * 2 + 1), Vec::new());
        for number in 0..80 {
            step(&bench, &mut dice, &mut made, number).await;
            if number % 20 == 19 {
                bench.check(&format!("seed {seed} step {number}"));
            }
        }
        let keys = bench.ledger.state().table.slice(0, usize::MAX);
        forgotten += keys.iter().filter(|key| key.attributes().owner.is_erased()).count();
    }
    assert!(forgotten > 100, "{forgotten}");
}

/// What was recorded between the look at the keys and the writer's turn.
#[tokio::test]
async fn what_came_while_keys_were_looked_at_is_forgotten_too() {
    let bench = Bench::new();
    let [given, through, stays] = [
        bench.make(&by("bob"), wanted("bob", "given")).await.key.key.id,
        bench.make(&by("bob"), wanted("bob", "through")).await.key.key.id,
        bench.make(&by("bob"), wanted("bob", "stays")).await.key.key.id,
    ];
    let mut traces = Traces::default();
    let since = bench.ledger.state().size();
    bench.ledger.state().table.trace(&subject("ann"), &mut traces);
    let hand = async |id, to: &str| {
        let edits = Edits { owner: Some(subject(to)), ..Edits::default() };
        let edits = KeyEdits { edits, ..KeyEdits::default() };
        bench.ledger.update(&by("bob"), id, edits, plain()).await.unwrap();
    };
    for (id, to) in [(given, "ann"), (through, "ann"), (through, "cyd")] {
        hand(id, to).await;
    }
    let new = bench.make(&by("ann"), wanted("ann", "new")).await.key.key.id;
    let command = Forget { subject: subject("ann"), traces, since };
    let forgotten = bench.ledger.submit(RequestContext::plain(admin()), command).await.unwrap();
    assert_eq!(forgotten.keys, 2);
    let owner = |id| bench.ledger.key(&admin(), id).unwrap().key.owner.to_string();
    assert_eq!([given, through, stays, new].map(owner), ["erased", "cyd", "bob", "erased"]);
    bench.check("given");
}

#[tokio::test]
async fn a_key_whose_owner_was_erased_goes_on_as_it_is() {
    let bench = Bench::new();
    let ledger = &bench.ledger;
    let id = bench.make(&by("bob"), wanted("ann", "secret text")).await.key.key.id;
    let forgotten = bench.forget("ann").await;
    assert_eq!((forgotten.pseudonyms.len(), forgotten.keys), (1, 1));
    assert_eq!(bench.forget("ann").await, Forgotten::default());
    let shown = format!("{:?}", ledger.key(&admin(), id).unwrap());
    assert!(!shown.contains("secret text") && !shown.contains("ann"), "{shown}");

    let edit = async |edits: Edits| {
        let edits = KeyEdits { edits, ..KeyEdits::default() };
        ledger.update(&by("bob"), id, edits, plain()).await.map(drop)
    };
    let name = || Edits { name: KeyName::new("other").ok(), ..Edits::default() };
    let role = Edits { role: Some(KeyRole::new("r").ok()), ..Edits::default() };
    let refused = |answer: Result<(), Error>| {
        assert!(matches!(answer, Err(Error::Refused(Refusal::OwnerErased))), "{answer:?}");
    };
    refused(edit(name()).await);
    let pairs = KeyEdits {
        metadata: Some([("a".to_owned(), Some("b".to_owned()))].into_iter().collect()),
        ..KeyEdits::default()
    };
    refused(ledger.update(&by("bob"), id, pairs, plain()).await.map(drop));
    let rotation = Rotation::new(0).unwrap();
    refused(ledger.rotate(&by("bob"), id, Changes::default(), rotation, plain()).await.map(drop));
    edit(role).await.unwrap();
    let changed = ledger.change(&by("bob"), id, Change::Disable, because()).await.unwrap();
    let entry = ledger.event(&admin(), changed.entry.seq).unwrap();
    assert_eq!(entry.record.reason.as_ref().map(Reason::as_str), Some("she left"));
    assert_eq!(entry.record, changed.entry.record);
    ledger.change(&by("bob"), id, Change::Enable, plain()).await.unwrap();
    // Whose it is from then on says anew what it is called.
    edit(Edits { owner: Some(subject("cyd")), ..Edits::default() }).await.unwrap();
    assert_eq!(ledger.key(&admin(), id).unwrap().key.name.as_str(), "erased");
    edit(name()).await.unwrap();
    assert_eq!(ledger.key(&admin(), id).unwrap().key.name.as_str(), "other");
    bench.check("handed on");
}

/// Whoever found a key just before has another object than the table.
#[tokio::test]
async fn a_change_of_a_key_that_was_found_before_is_one_of_the_key_as_it_is() {
    let bench = Bench::new();
    let id = bench.make(&by("ann"), wanted("ann", "x")).await.key.key.id;
    let stale = bench.ledger.state().table.get(id).unwrap();
    bench.forget("ann").await;
    for command in [Command::Disable, Command::Enable, Command::Disable] {
        let command = ChangeStatus { key: Arc::clone(&stale), command };
        let context = RequestContext::plain(by("bob"));
        let Idempotent::Decided(done) = bench.ledger.submit(context, command).await.unwrap() else {
            panic!("it was not asked for before")
        };
        assert!(done.attributes.owner.is_erased());
    }
    assert_eq!(bench.ledger.key(&admin(), id).unwrap().status, Status::Disabled);
    bench.check("stale");
}

#[tokio::test]
async fn keys_verify_all_along_and_what_was_used_is_counted() {
    let bench = Bench::new();
    let quota = Some(Quota::new(1_000_000, QuotaPeriod::Total).unwrap());
    let mut secrets = Vec::new();
    for n in 0..150 {
        let request = NewKeyRequest { quota, ..wanted("ann", &format!("n{n}")) };
        secrets.push(bench.make(&by("bob"), request).await.secret.unwrap());
    }
    let left = |secret: &keys::Secret| {
        let verified = bench.ledger.verify(&by("bob"), secret.reveal(), &Question::default());
        let verified = verified.unwrap();
        assert_eq!(verified.verdict, Verdict::Valid);
        verified.limits.quota.unwrap().remaining
    };
    for secret in &secrets {
        assert!((0..3).all(|_| left(secret) > 0));
    }
    let (ledger, texts, done) =
        (bench.ledger.clone(), secrets.clone(), Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&done);
    let verifying = std::thread::spawn(move || {
        let mut rounds = 0_u32;
        while !stop.load(Ordering::Relaxed) || rounds == 0 {
            for text in &texts {
                let question = Question::default();
                let verified = ledger.verify(&by("bob"), text.reveal(), &question).unwrap();
                assert_eq!(verified.verdict, Verdict::Valid);
            }
            rounds += 1;
        }
        rounds
    });
    assert_eq!(bench.forget("ann").await.keys, 150);
    done.store(true, Ordering::Relaxed);
    let rounds = verifying.join().unwrap();
    for secret in &secrets {
        let used = 1_000_000 - left(secret);
        // One that was on its way may be lost.
        assert!((3 + rounds..=4 + rounds).contains(&used), "{used} {rounds}");
    }
}

/// What a page says of each key.
fn sorted(ledger: &Ledger, owner: Option<Subject>) -> Vec<(KeyId, String)> {
    let filter = KeyFilter { account: Account::new("acme").ok(), owner, ..KeyFilter::default() };
    let query = KeyQuery { filter, sort: KeySort::Name, limit: 500, ..KeyQuery::default() };
    let (mut found, mut query) = (Vec::new(), query);
    loop {
        let page = ledger.find_keys(&admin(), &query).unwrap();
        found.extend(page.items.iter().map(|view| (view.key.id, view.key.name.to_string())));
        let Some(next) = page.next else { return found };
        query.after = Some(next);
    }
}

#[tokio::test]
async fn lists_and_orders_know_the_erased_as_that() {
    let bench = Bench::new();
    for n in 0..200 {
        let name = NAMES[n % 2];
        bench.make(&by("bob"), wanted(name, &format!("{name}{}", n % 7))).await;
    }
    // Orders of as many keys are kept.
    let [ann, bob] = [subject("ann"), subject("bob")];
    for owner in [None, Some(ann.clone()), Some(bob.clone())] {
        sorted(&bench.ledger, owner);
    }
    assert_eq!(bench.ledger.stats().orders, 3);
    let forgotten = bench.forget("ann").await;
    assert_eq!(bench.ledger.stats().orders, 2);
    assert_eq!(bench.ledger.stats().keys_in_orders, 300);
    assert_eq!(sorted(&bench.ledger, Some(ann)), []);
    let erased = Subject::erased(forgotten.pseudonyms[0]);
    let replayed = bench.replayed();
    for (owner, count) in [(None, 200), (Some(bob), 100), (Some(erased), 100)] {
        let found = sorted(&bench.ledger, owner.clone());
        assert_eq!(found.len(), count, "{owner:?}");
        assert!(found.iter().all(|(_, name)| name == "erased" || name.starts_with("bob")));
        assert_eq!(found, sorted(&replayed, owner));
    }
}

#[tokio::test]
async fn who_follows_reads_what_is_left() {
    let bench = Bench::new();
    let mut following = bench.ledger.follow();
    bench.make(&by("ann"), wanted("ann", "secret text")).await;
    bench.forget("ann").await;
    assert!(matches!(following.take(), Some(Followed::Missed(Seq(1)))));
    let entry = bench.ledger.event(&admin(), Seq(0)).unwrap();
    assert!(entry.record.actor.subject.is_erased() && entry.owner.unwrap().is_erased());
    bench.make(&by("bob"), wanted("bob", "x")).await;
    assert!(matches!(following.take(), Some(Followed::Entries(_))));
}

#[tokio::test]
async fn a_request_of_who_was_forgotten_is_a_new_one_and_others_are_not() {
    let bench = Bench::new();
    let request = async |name: &str, number| {
        let made = bench.ledger.create(&by(name), wanted("ann", "x"), idempotent(number, 1)).await;
        made.unwrap()
    };
    let (own, others) = (request("ann", 1).await, request("bob", 2).await);
    bench.forget("ann").await;
    let now = bench.ledger.now();
    let secret =
        |made: &Created| bench.ledger.state().secrets.lock().find(made.key.key.id, now).is_some();
    assert_eq!((secret(&own), secret(&others)), (false, true));
    let (again, replayed) = (request("ann", 1).await, request("bob", 2).await);
    assert!(!again.replayed && again.key.key.id != own.key.key.id);
    assert!(again.key.key.owner == subject("ann") && again.secret.is_some());
    assert!(replayed.replayed && replayed.key.key.id == others.key.key.id);
    assert!(replayed.key.key.owner.is_erased());
    let text = |made: Created| made.secret.unwrap().reveal().to_owned();
    assert_eq!(text(replayed), text(others));
    bench.check("repeated");
}

#[tokio::test]
async fn only_an_admin_of_all_accounts_has_somebody_forgotten() {
    let bench = Bench::new();
    bench.make(&by("ann"), wanted("ann", "x")).await;
    for (account, role) in [
        (Some("acme"), Role::Admin),
        (Some("acme"), Role::Owner),
        (None, Role::Auditor),
        (None, Role::Verifier),
        (None, Role::Worker),
    ] {
        let refused = bench.ledger.forget(&caller(account, role), &subject("ann")).await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{account:?} {role:?} {refused:?}");
    }
    assert_eq!(bench.forget("ann").await.keys, 1);
    assert_eq!(bench.forget("nobody").await, Forgotten::default());
}

#[tokio::test]
async fn where_keys_cannot_be_destroyed_nobody_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Arc::new(Keyring::open(&folder.path().join("keyring"), true).unwrap());
    let bench = Bench::with(keyring);
    let id = bench.make(&by("ann"), wanted("ann", "x")).await.key.key.id;
    bench.keyring.fail_writes();
    for _ in 0..2 {
        let failed = bench.ledger.forget(&admin(), &subject("ann")).await;
        assert!(matches!(failed, Err(Error::Fault(_))), "{failed:?}");
    }
    assert_eq!(bench.ledger.ready(), Err(NotReady::KeyringBroken));
    assert_eq!(bench.ledger.key(&admin(), id).unwrap().key.owner, subject("ann"));
    bench.check("as before");
    bench.ledger.change(&by("ann"), id, Change::Disable, plain()).await.unwrap();
}
