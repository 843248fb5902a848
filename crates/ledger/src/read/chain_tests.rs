//! Looking back along the records of one key costs the same however many there are.

use keys::{Event, KeyState, Rotation, Timestamp};

use crate::read::as_of_tests::{Story, held};
use crate::testing::{caller, draft, keyring};
use crate::{AsOf, Change, Changes, Moment, RequestOptions, Role, Seq};

/// However often the key has changed since: a record, and the one that names it.
#[tokio::test]
async fn a_look_back_reads_two_records() {
    let mut story = Story::new();
    let owner = caller(Some("acme"), Role::Owner);
    let made = story.ledger.create(&owner, draft(None), RequestOptions::default()).await.unwrap();
    story.keys.push((owner.clone(), made.key.key.id, made.secret.unwrap()));
    for _ in 0..10 {
        for _ in 0..20 {
            story.ledger.create(&owner, draft(None), RequestOptions::default()).await.unwrap();
        }
        for change in [Change::Disable, Change::Enable] {
            story
                .ledger
                .change(&owner, story.keys[0].1, change, RequestOptions::default())
                .await
                .unwrap();
        }
    }
    let key = story.ledger.state().table.get(story.keys[0].1).unwrap();
    let last = story.length() - 1;
    // The first records are on no list, and are found along their links.
    for (seq, cost) in [(last, 0), (last - 1, 2), (last - 2, 2), (last - 23, 2), (0, 4)] {
        let moment = story.at(AsOf::Seq(Seq(seq)));
        let (state, read) = story.ledger.key_at(&key, &moment).unwrap();
        assert!(state.is_some());
        assert_eq!(read, cost, "{seq}");
    }
}

/// A key was switched on and off 40,000 times and asked about over 1,500 connections: each answer
/// walked along all of its records, and nobody else was answered any more.
#[tokio::test]
async fn a_key_with_forty_thousand_records_is_looked_back_to_in_a_few_reads() {
    let story = Story::new();
    let (owner, auditor) = (caller(Some("acme"), Role::Owner), caller(None, Role::Auditor));
    let made =
        story.ledger.create(&owner, draft(Some(1000)), RequestOptions::default()).await.unwrap();
    let id = made.key.key.id;
    for round in 0..40_i64 {
        if round == 25 {
            let rotation = Rotation::new(600).unwrap();
            let (changes, options) = (Changes::default(), RequestOptions::default());
            story.ledger.rotate(&owner, id, changes, rotation, options).await.unwrap();
        }
        story.clock.advance(round % 3);
        let mut tasks = tokio::task::JoinSet::new();
        for change in [Change::Disable, Change::Enable].into_iter().cycle().take(1000) {
            let (ledger, owner) = (story.ledger.clone(), owner.clone());
            tasks.spawn(async move {
                ledger.change(&owner, id, change, RequestOptions::default()).await
            });
        }
        tasks.join_all().await;
    }
    let key = story.ledger.state().table.get(id).unwrap();
    let (mut state, mut replaced) = (None, false);
    for stored in story.log.read(Seq(0), usize::MAX).unwrap() {
        let record = crate::decode(&stored.bytes, &keyring()).unwrap();
        state = match (&record.event, state) {
            (Event::Created(made), None) => Some(KeyState::created(made, record.at)),
            (Event::Created(made), Some(old)) => {
                replaced = true;
                let until = made.replaces.as_ref().unwrap().valid_until;
                Some(old.replaced(made.id, until, record.at))
            }
            (event, state) => Some(state.unwrap().after(event, record.at)),
        };
        if stored.seq.0 % 11 == 0 {
            let moment = Moment { length: stored.seq.next(), at: record.at };
            let (then, read) = story.ledger.key_at(&key, &moment).unwrap();
            assert_eq!(then.map(|(state, _)| state), state, "{}", stored.seq);
            assert!(read <= 5, "{read} records were read at {}", stored.seq);
        }
    }
    assert!(replaced && state.unwrap().revision > 40_000, "{state:?}");
    // The report of a moment is one of that moment, not of all that was before.
    let so_far = story.ledger.moment(&auditor, None).unwrap();
    let (from, to) = (Timestamp::MIN, Timestamp::from_micros(key.created_at.micros() + 1));
    let report = held(&story.ledger, &auditor, (from, to), &so_far);
    assert_eq!(report.len(), 1);
}
