//! Events by filter, both ways, held against a plain look at every record.

use keys::{Account, EventKind, KeyId, Subject, Timestamp};

use crate::read::as_of_tests::Story;
use crate::testing::{Dice, caller, draft};
use crate::{Caller, Change, Entry, EventFilter, Ledger, RequestOptions, Role, Seq, Walk};

fn page_by_page(
    ledger: &Ledger,
    caller: &Caller,
    filter: &EventFilter,
    mut walk: Walk,
    limit: usize,
) -> Vec<Seq> {
    let mut found = Vec::new();
    loop {
        let page = ledger.events(caller, filter, walk, limit).unwrap();
        assert!(page.items.len() <= limit);
        found.extend(page.items.iter().map(|entry| entry.seq));
        match page.next {
            Some(next) => {
                assert_ne!(next, walk, "it does not go on");
                walk = next;
            }
            None => return found,
        }
    }
}

/// Every record, with the account of its key.
fn everything(story: &Story) -> Vec<Entry> {
    let auditor = caller(None, Role::Auditor);
    (0..story.length()).map(|seq| story.ledger.event(&auditor, Seq(seq)).unwrap()).collect()
}

fn is_wanted(filter: &EventFilter, entry: &Entry) -> bool {
    let EventFilter { account, owner, key, kind, actor, from, to } = filter;
    let record = &entry.record;
    account.as_ref().is_none_or(|account| *account == entry.account)
        && owner.as_ref().is_none_or(|owner| Some(owner) == entry.owner.as_ref())
        && key.is_none_or(|key| record.links.of(key).is_some())
        && kind.is_none_or(|kind| kind == record.event.kind())
        && actor.as_ref().is_none_or(|actor| *actor == record.actor.subject)
        && from.is_none_or(|from| record.at >= from)
        && to.is_none_or(|to| record.at < to)
}

fn holds(story: &Story, entries: &[Entry], filter: &EventFilter, from: u64, limit: usize) {
    let readers = [
        (None, Role::Auditor),
        (Some("acme"), Role::Auditor),
        (Some("acme"), Role::User),
        (Some("umbrella"), Role::User),
    ];
    for (scope, role) in readers {
        let reader = caller(scope, role);
        let own = |entry: &&Entry| entry.owner.as_ref() == Some(&reader.identity.subject);
        let seen = entries.iter().filter(|entry| {
            scope.is_none_or(|scope| entry.account.as_str() == scope)
                && (role != Role::User || own(entry))
                && is_wanted(filter, entry)
        });
        let seen: Vec<_> = seen.map(|entry| entry.seq).collect();
        let up: Vec<_> = seen.iter().copied().filter(|seq| seq.0 >= from).collect();
        let down: Vec<_> = seen.iter().copied().rev().filter(|seq| seq.0 < from).collect();
        let case = format!("{scope:?} {role:?} {filter:?} {from} {limit}");
        let walk = Walk::Up(Seq(from));
        assert_eq!(page_by_page(&story.ledger, &reader, filter, walk, limit), up, "{case}");
        let walk = Walk::Down(Seq(from));
        assert_eq!(page_by_page(&story.ledger, &reader, filter, walk, limit), down, "{case}");
    }
}

#[tokio::test]
async fn every_filter_finds_what_a_plain_look_finds() {
    for seed in 0..60 {
        let story = match seed {
            0..40 => Story::random(seed, 60).await,
            _ => Story::among(seed, 200, 3).await,
        };
        let entries = everything(&story);
        let mut dice = Dice(seed + 1);
        for _ in 0..40 {
            let mut one = |sides: u64| usize::try_from(dice.roll(sides)).unwrap();
            let account = ["acme", "umbrella", "nobody"].get(one(6)).copied();
            let actor = ["ann", "worker", "nobody"].get(one(6)).copied();
            let owner = ["ann", "bob", "nobody"].get(one(9)).copied();
            let kinds = EventKind::ALL;
            let at = |place: usize| entries[place % entries.len()].record.at;
            let filter = EventFilter {
                account: account.map(|account| Account::new(account).unwrap()),
                owner: owner.map(|owner| Subject::new(owner).unwrap()),
                actor: actor.map(|actor| Subject::new(actor).unwrap()),
                kind: kinds.get(one(2 * kinds.len() as u64)).copied(),
                key: story.keys.get(one(2 * story.keys.len() as u64)).map(|(_, id, _)| *id),
                from: (one(4) == 0).then(|| at(one(60))),
                to: (one(4) == 0).then(|| at(one(60))),
            };
            let from = dice.roll(story.length() + 2);
            let limit = usize::try_from(dice.roll(9)).unwrap() + 1;
            holds(&story, &entries, &filter, from, limit);
        }
        let unknown =
            EventFilter { key: Some(KeyId::from_bytes([7; 16])), ..EventFilter::default() };
        holds(&story, &entries, &unknown, 0, 5);
        let never = EventFilter { from: Some(Timestamp::MAX), ..EventFilter::default() };
        holds(&story, &entries, &never, 0, 5);
    }
}

/// Such a key has a list of its own: its chain is not walked for every page.
#[tokio::test]
async fn a_key_with_very_many_events_has_its_history_page_by_page() {
    let mut story = Story::random(1, 20).await;
    let owner = caller(Some("acme"), Role::Owner);
    let made = story.ledger.create(&owner, draft(None), RequestOptions::default()).await.unwrap();
    let id = made.key.key.id;
    story.keys.push((owner.clone(), id, made.secret.unwrap()));
    for _ in 0..11 {
        let mut tasks = tokio::task::JoinSet::new();
        for change in [Change::Disable, Change::Enable].into_iter().cycle().take(1000) {
            let (ledger, owner) = (story.ledger.clone(), owner.clone());
            tasks.spawn(async move {
                ledger.change(&owner, id, change, RequestOptions::default()).await
            });
        }
        tasks.join_all().await;
        story.ledger.create(&owner, draft(None), RequestOptions::default()).await.unwrap();
    }
    let revision = story.ledger.key(&owner, id).unwrap().state.revision;
    assert!(revision > 10_000, "{revision}");
    let entries = everything(&story);
    for kind in [None, Some(EventKind::Disabled), Some(EventKind::Created)] {
        let filter = EventFilter { key: Some(id), kind, ..EventFilter::default() };
        holds(&story, &entries, &filter, 0, 499);
        holds(&story, &entries, &filter, 5_000, 500);
    }
    let mut from = Seq(0);
    let mut seqs = Vec::new();
    loop {
        let page = story.ledger.history(&owner, id, from, 500).unwrap();
        seqs.extend(page.items.iter().map(|entry| entry.seq));
        match page.next {
            Some(Walk::Up(next)) => from = next,
            Some(Walk::Down(_)) => panic!("it turned round"),
            None => break,
        }
    }
    assert_eq!(seqs.len(), revision as usize);
    assert!(seqs.is_sorted());
}
