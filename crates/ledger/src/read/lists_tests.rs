//! What the lists of a large account find is what a plain look at every key finds: now, at moments of
//! the past, and after the same log was read again.

use keys::{
    Account, Environment, KeyId, KeyRole, Kind, Metadata, Project, Status, Subject, Tag, Tags,
};

use crate::caller::READ;
use crate::read::as_of::Moment;
use crate::read::as_of_tests::Story;
use crate::read::sort_tests::sorted;
use crate::testing::{Dice, caller};
use crate::{
    AsOf, Caller, Direction, Due, KeyCount, KeyFilter, KeyQuery, KeySort, KeyView, Ledger, Role,
    Seq,
};

fn readers() -> [Caller; 4] {
    [
        caller(None, Role::Auditor),
        caller(Some("acme"), Role::Owner),
        caller(Some("umbrella"), Role::Auditor),
        caller(Some("acme"), Role::User),
    ]
}

fn text(dice: &mut Dice) -> String {
    format!("n{}", dice.roll(4))
}

/// A part of a text: at one of its places, of some characters.
fn part(dice: &mut Dice, of: &str, from_start: bool) -> Box<str> {
    let chars: Vec<_> = of.chars().collect();
    let start = if from_start { 0 } else { dice.roll(chars.len() as u64) };
    let length = dice.roll(chars.len() as u64 + 1);
    let some = chars.into_iter().skip(usize::try_from(start).unwrap());
    some.take(usize::try_from(length).unwrap()).collect::<String>().into()
}

/// A filter with a few parts, of which some find nothing.
fn filter(dice: &mut Dice, views: &[KeyView]) -> KeyFilter {
    let mut filter = KeyFilter::default();
    let some = &views[usize::try_from(dice.roll(views.len() as u64)).unwrap()];
    for _ in 0..=dice.roll(2) {
        match dice.roll(13) {
            0 => {
                let at = usize::try_from(dice.roll(4)).unwrap();
                filter.status = Some(Status::ALL[at]);
            }
            1 => filter.status = Some(some.status),
            2 => filter.environment = Some(Environment::ALL[usize::from(dice.roll(9) == 0)]),
            3 => filter.kind = Some(Kind::ALL[usize::from(dice.roll(9) == 0)]),
            4 => filter.project = Some(Project::new(text(dice)).unwrap()),
            5 => filter.role = Some(KeyRole::new(text(dice)).unwrap()),
            6 => filter.tags = Tags::new([Tag::new(text(dice)).unwrap()]).unwrap(),
            7 => {
                let pair = [(text(dice), text(dice))];
                filter.metadata = Metadata::new(pair.into_iter().collect()).unwrap();
            }
            8 => filter.prefix = Some(part(dice, some.key.prefix.as_str(), true)),
            9 => filter.q = Some(part(dice, some.key.name.as_str(), false)),
            10 => filter.expires_before = some.state.expires_at,
            11 => {
                let owner = if dice.roll(2) == 0 { "ann" } else { "bob" };
                filter.owner = Some(Subject::new(owner).unwrap());
            }
            _ => {
                let account = if dice.roll(2) == 0 { "acme" } else { "umbrella" };
                filter.account = Some(Account::new(account).unwrap());
            }
        }
    }
    filter
}

/// The plain way.
fn takes(filter: &KeyFilter, KeyView { key, state, status, .. }: &KeyView) -> bool {
    let contains = |text: &str| {
        let wanted = filter.q.as_deref().unwrap_or_default().to_lowercase();
        text.to_lowercase().contains(&wanted)
    };
    filter.account.as_ref().is_none_or(|wanted| *wanted == key.account)
        && filter.status.is_none_or(|wanted| wanted == *status)
        && filter.environment.is_none_or(|wanted| wanted == key.environment)
        && filter.kind.is_none_or(|wanted| wanted == key.kind)
        && filter.owner.as_ref().is_none_or(|wanted| *wanted == key.owner)
        && filter.project.as_ref().is_none_or(|wanted| Some(wanted) == key.project.as_ref())
        && filter.role.as_ref().is_none_or(|wanted| Some(wanted) == key.role.as_ref())
        && filter.tags.iter().all(|wanted| key.tags.iter().any(|tag| tag == wanted))
        && filter.metadata.iter().all(|(name, value)| key.metadata.get(name) == Some(value))
        && filter.prefix.as_deref().is_none_or(|wanted| key.prefix.as_str().starts_with(wanted))
        && (contains(key.name.as_str())
            || key.description.as_ref().is_some_and(|text| contains(text.as_str())))
        && filter.expires_before.is_none_or(|end| state.expires_at.is_some_and(|due| due < end))
}

fn ids(views: impl IntoIterator<Item = KeyView>) -> Vec<KeyId> {
    views.into_iter().map(|view| view.key.id).collect()
}

/// Every page of a query.
fn all(ledger: &Ledger, reader: &Caller, mut query: KeyQuery, then: Option<&Moment>) -> Vec<KeyId> {
    let mut found = Vec::new();
    loop {
        let page = match then {
            None => ledger.find_keys(reader, &query).unwrap(),
            Some(moment) => ledger.find_keys_as_of(reader, &query, moment).unwrap(),
        };
        assert!(page.items.len() <= query.limit);
        found.extend(ids(page.items));
        match page.next {
            None => return found,
            next => query.after = next,
        }
    }
}

/// Every page of what falls due.
fn expiring(ledger: &Ledger, reader: &Caller, within_s: u64, limit: usize) -> Vec<KeyId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.expiring(reader, within_s, after, limit).unwrap();
        assert!(page.items.len() <= limit);
        found.extend(ids(page.items));
        match page.next {
            None => return found,
            next => after = next,
        }
    }
}

/// Holds what `ledger` answers now, or of then, against a plain look at all keys of the story. How
/// often lists told keys apart.
fn holds(story: &Story, ledger: &Ledger, then: Option<&Moment>, dice: &mut Dice) -> usize {
    let mut listed = 0;
    for reader in readers() {
        let view = |id: &KeyId| match then {
            None => ledger.key(&reader, *id).ok(),
            Some(moment) => ledger.key_as_of(&reader, *id, moment).ok(),
        };
        let views: Vec<_> = story.keys.iter().filter_map(|(_, id, _)| view(id)).collect();
        if views.is_empty() {
            continue;
        }
        for _ in 0..12 {
            let mut filter = filter(dice, &views);
            // A user has no list of somebody else's keys, though it sees what its own were before.
            if then.is_some() && reader.require(READ).unwrap().owner().is_some() {
                filter.owner = None;
            }
            let taken: Vec<_> = views.iter().filter(|view| takes(&filter, view)).cloned().collect();
            let sort = KeySort::ALL[usize::try_from(dice.roll(3)).unwrap()];
            let sort = if then.is_some() { KeySort::CreatedAt } else { sort };
            let limit = usize::try_from(dice.roll(9)).unwrap() + 1;
            for direction in Direction::ALL {
                let filter = filter.clone();
                let query = KeyQuery { filter, sort, direction: *direction, after: None, limit };
                // Some pages are of lists that are not whole.
                while dice.roll(3) > 0 && !ledger.prepare_keys(&reader, &query).unwrap() {}
                let case = format!("{:?} {query:?} {then:?}", reader.identity.scope);
                let expected = sorted(taken.clone(), sort, *direction);
                assert_eq!(all(ledger, &reader, query, then), expected, "{case}");
            }
            let now = Moment::present(ledger.now());
            let moment = then.unwrap_or(&now);
            let KeyCount { keys, is_exact } =
                ledger.count_keys_as_of(&reader, &filter, moment).unwrap();
            let matching = taken.len() as u64;
            assert!(keys == matching || keys < matching && !is_exact, "{filter:?} {then:?}");
            let grant = reader.require(READ).unwrap();
            let list = ledger.key_list(grant, filter.account.as_ref(), filter.owner.as_ref());
            let few = ledger.candidates(&list, &filter, moment).few(usize::MAX);
            listed += usize::from(few.is_some());
        }
        if then.is_some() {
            continue;
        }
        let within_s = dice.roll(40);
        let until = ledger.now().plus_secs(within_s);
        let due = views.iter().filter_map(|view| {
            let at = view.state.expires_at.filter(|at| *at <= until)?;
            view.state.status.is_alive().then_some(Due { at, key: view.key.id })
        });
        let mut due: Vec<_> = due.collect();
        due.sort_unstable();
        let due: Vec<_> = due.into_iter().map(|due| due.key).collect();
        for limit in [1, 7, 500] {
            assert_eq!(expiring(ledger, &reader, within_s, limit), due, "{within_s} {limit}");
        }
    }
    listed
}

#[tokio::test]
async fn what_lists_find_is_what_a_plain_look_finds() {
    let mut listed = 0;
    for seed in 0..12 {
        let mut dice = Dice(2 * seed + 1);
        let forgets = seed % 4 == 3;
        let mut story = if forgets {
            Story::forgetful(seed, 160, usize::MAX).await
        } else {
            Story::random(seed, 160).await
        };
        // Lists are made here, and what happens to keys afterwards is brought in.
        for phase in 0..3 {
            listed += holds(&story, &story.ledger, None, &mut dice);
            if phase == 1 && seed % 2 == 0 {
                // Dropped, and made again from keys that were edited before.
                story.clock.advance(601);
                story.ledger.forget_idle();
            }
            story = story.go_on(seed + 100 * (phase + 1), 60, usize::MAX, forgets).await;
        }
        listed += holds(&story, &story.ledger, None, &mut dice);
        let last = story.at(AsOf::Seq(Seq(story.length() - 1)));
        let replayed = story.then(&last);
        holds(&story, &replayed, None, &mut dice);
        for _ in 0..12 {
            let moment = story.at(AsOf::Seq(Seq(dice.roll(story.length()))));
            listed += holds(&story, &story.ledger, Some(&moment), &mut dice);
            holds(&story, &replayed, Some(&moment), &mut dice);
        }
    }
    assert!(listed > 1_000, "{listed}");
}
