//! Keys come in the order they are asked for in, whole, while they are made and changed.

use std::collections::BTreeSet;

use keys::{KeyId, Refusal};

use super::find_tests::{Story, cases, ids, readers};
use crate::testing::caller;
use crate::{
    AsOf, Caller, Direction, Error, KeyFilter, KeyPlace, KeyQuery, KeySort, KeyView, Ledger, Page,
    Role, Seq, SortValue,
};

fn value(view: &KeyView, sort: KeySort) -> Option<SortValue> {
    match sort {
        KeySort::CreatedAt => Some(SortValue::Time(view.created_at)),
        KeySort::ExpiresAt => view.state.expires_at.map(SortValue::Time),
        KeySort::Name => Some(SortValue::Name(view.key.name.clone())),
        KeySort::LastUsedAt => view.last_used_at.map(SortValue::Time),
    }
}

/// Keys in the order they were made, sorted. Of keys of several accounts and one moment nobody but
/// the log knows which was first: they are in the order of their accounts.
pub(super) fn sorted(mut views: Vec<KeyView>, sort: KeySort, direction: Direction) -> Vec<KeyId> {
    if sort != KeySort::CreatedAt {
        views.sort_by_key(|view| (view.created_at, view.key.account.clone(), view.key.number));
    }
    let (mut with, mut without): (Vec<_>, Vec<_>) =
        views.into_iter().partition(|view| value(view, sort).is_some());
    with.sort_by_key(|view| key(value(view, sort)));
    if direction == Direction::Descending {
        with.reverse();
        without.reverse();
    }
    ids(with.into_iter().chain(without))
}

/// In the order of its kind.
fn key(value: Option<SortValue>) -> (Option<keys::Timestamp>, Option<String>) {
    match value {
        Some(SortValue::Time(at)) => (Some(at), None),
        Some(SortValue::Name(name)) => (None, Some(name.as_str().to_owned())),
        None => (None, None),
    }
}

fn queries(filter: &KeyFilter) -> Vec<KeyQuery> {
    let pairs =
        KeySort::ALL.iter().flat_map(|sort| Direction::ALL.iter().map(move |way| (sort, way)));
    let query = |(sort, way): (&KeySort, &Direction)| KeyQuery {
        filter: filter.clone(),
        sort: *sort,
        direction: *way,
        after: None,
        limit: 7,
    };
    pairs.map(query).collect()
}

fn page(ledger: &Ledger, reader: &Caller, query: &KeyQuery) -> Page<KeyView, KeyPlace> {
    let page = ledger.find_keys(reader, query).unwrap();
    assert!(page.items.len() <= query.limit);
    page
}

#[tokio::test]
async fn every_order_is_that_of_a_plain_sort() {
    for seed in 0..4 {
        // More keys than are sorted for each page, and fewer.
        let story = Story::random(seed, if seed % 2 == 0 { 40 } else { 150 }).await;
        story.ledger.save_usage().unwrap();
        for reader in readers() {
            let all = story.all(&reader);
            for (at, (filter, takes)) in cases().into_iter().enumerate() {
                let taken: Vec<_> = all.iter().filter(|view| takes(view)).cloned().collect();
                for mut query in queries(&filter) {
                    let expected = sorted(taken.clone(), query.sort, query.direction);
                    let mut found = Vec::new();
                    loop {
                        let page = page(&story.ledger, &reader, &query);
                        found.extend(ids(page.items));
                        let Some(next) = page.next else { break };
                        query.after = Some(next);
                    }
                    let KeyQuery { sort, direction, .. } = query;
                    let scope = &reader.identity.scope;
                    assert_eq!(
                        found, expected,
                        "seed {seed} {scope:?} case {at} {sort:?} {direction:?}"
                    );
                }
            }
        }
    }
}

/// Who is there all along and does not change comes once, and in order.
#[tokio::test]
async fn pages_hold_while_keys_are_made_and_changed() {
    for seed in 10..14 {
        let mut story = Story::random(seed, if seed % 2 == 0 { 30 } else { 120 }).await;
        for reader in readers() {
            for (filter, takes) in cases().into_iter().take(6).step_by(5) {
                for mut query in queries(&filter) {
                    story.ledger.save_usage().unwrap();
                    let before = story.all(&reader);
                    let (mut found, mut changed) = (Vec::new(), BTreeSet::new());
                    // Changes fall between the steps that an order is made in, too.
                    while !story.ledger.prepare_keys(&reader, &query).unwrap() {
                        changed.extend(story.change().await);
                    }
                    loop {
                        let page = page(&story.ledger, &reader, &query);
                        found.extend(ids(page.items));
                        let Some(next) = page.next else { break };
                        query.after = Some(next);
                        story.make().await;
                        changed.extend(story.change().await);
                        story.ledger.save_usage().unwrap();
                    }
                    let stay = |id: &KeyId| !changed.contains(id);
                    let stayed =
                        before.into_iter().filter(|view| takes(view) && stay(&view.key.id));
                    let expected = sorted(stayed.collect(), query.sort, query.direction);
                    found.retain(|id| expected.contains(id));
                    let KeyQuery { sort, direction, .. } = query;
                    assert_eq!(found, expected, "seed {seed} {sort:?} {direction:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_past_is_gone_through_both_ways() {
    let story = Story::random(3, 60).await;
    let size = story.ledger.stats().log_size;
    for reader in readers() {
        for seq in (0..size).step_by(11) {
            let moment = story.ledger.moment(&reader, Some(AsOf::Seq(Seq(seq)))).unwrap();
            for (filter, _) in cases().into_iter().take(8) {
                let [up, down] = [Direction::Ascending, Direction::Descending].map(|direction| {
                    let sort = KeySort::CreatedAt;
                    let filter = filter.clone();
                    let mut query = KeyQuery { filter, sort, direction, after: None, limit: 3 };
                    let mut found = Vec::new();
                    loop {
                        let page = story.ledger.find_keys_as_of(&reader, &query, &moment).unwrap();
                        found.extend(ids(page.items));
                        let Some(next) = page.next else { break found };
                        query.after = Some(next);
                    }
                });
                assert!(up.iter().eq(down.iter().rev()), "{seq}");
            }
        }
    }
    let moment = story.ledger.moment(&readers()[0], None).unwrap();
    for query in queries(&KeyFilter::default()).into_iter().skip(2) {
        let refused = story.ledger.find_keys_as_of(&readers()[0], &query, &moment).map(drop);
        assert!(matches!(refused, Err(Error::NotOfThePast("sort"))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_place_of_another_list_is_none() {
    let story = Story::random(5, 90).await;
    let (auditor, umbrella) = (caller(None, Role::Auditor), caller(Some("umbrella"), Role::Owner));
    let elsewhere =
        story.all(&auditor).into_iter().find(|view| view.key.account.as_str() == "acme");
    let of = |key| KeyPlace::Sorted { value: None, key };
    for (place, sort) in [
        (of(elsewhere.unwrap().key.id), KeySort::ExpiresAt),
        (of(KeyId::from_bytes([7; 16])), KeySort::Name),
        (of(KeyId::from_bytes([7; 16])), KeySort::CreatedAt),
        (KeyPlace::Made(1), KeySort::Name),
    ] {
        let query = KeyQuery { sort, after: Some(place), limit: 9, ..KeyQuery::default() };
        let refused = story.ledger.find_keys(&umbrella, &query).map(drop);
        assert!(matches!(refused, Err(Error::Refused(Refusal::UnknownKey))), "{refused:?}");
    }
}

#[tokio::test]
async fn an_order_is_kept_while_somebody_sorts_by_it() {
    let story = Story::random(6, 120).await;
    let orders = || (story.ledger.stats().orders, story.ledger.stats().keys_in_orders);
    let by_name = KeyQuery { sort: KeySort::Name, limit: 9, ..KeyQuery::default() };
    let (auditor, umbrella) = (caller(None, Role::Auditor), caller(Some("umbrella"), Role::Owner));
    story.ledger.find_keys(&umbrella, &by_name).unwrap();
    assert_eq!(orders(), (0, 0), "of few keys none is kept");
    for _ in 0..2 {
        story.ledger.find_keys(&auditor, &by_name).unwrap();
        assert_eq!(orders(), (1, story.keys.len()));
    }
    story.clock.advance(599);
    story.ledger.find_keys(&auditor, &by_name).unwrap();
    story.clock.advance(599);
    story.ledger.forget_idle();
    assert_eq!(orders().0, 1);
    story.clock.advance(2);
    story.ledger.forget_idle();
    assert_eq!(orders(), (0, 0));
}
