//! What is found is what a plain look at every key finds, page by page, whatever happens meanwhile.

use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{
    Account, KeyId, KeyName, Metadata, Question, Revocation, Rotation, Secret, Status, Subject,
    Tag, Tags,
};

use crate::testing::{Dice, ManualClock, caller, open, some_edits};
use crate::{
    Caller, Change, Changes, Error, Expiry, KeyCount, KeyFilter, KeyView, Ledger, NewKeyRequest,
    RequestOptions, Role,
};

/// A ledger, and all keys of it in the order they were made.
pub(super) struct Story {
    pub(super) clock: Arc<ManualClock>,
    pub(super) ledger: Ledger,
    dice: Dice,
    pub(super) keys: Vec<(Caller, KeyId, Option<Secret>)>,
}

fn pick<T: Copy>(dice: &mut Dice, from: &[T]) -> T {
    from[usize::try_from(dice.roll(from.len() as u64)).unwrap()]
}

impl Story {
    fn new(seed: u64) -> Story {
        let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
        let ledger = open(&log, &clock);
        Story { clock, ledger, dice: Dice(seed * 2 + 1), keys: Vec::new() }
    }

    pub(super) async fn make(&mut self) {
        let dice = &mut self.dice;
        let owner = caller(Some(pick(dice, &["acme", "acme", "acme", "umbrella"])), Role::Owner);
        let pairs = [("team", pick(dice, &["a", "b"])), ("tier", pick(dice, &["a", "b"]))];
        let pairs = pairs.into_iter().take(usize::try_from(dice.roll(3)).unwrap());
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let wanted = NewKeyRequest {
            name: Some(KeyName::new(pick(dice, &["Beta", "alpha", "gamma", "ö"])).unwrap()),
            owner: Some(Subject::new(pick(dice, &["ann", "bob", "ann"])).unwrap()),
            expires: (dice.roll(2) == 0).then(|| Expiry::After(dice.roll(60) + 1)),
            metadata: Metadata::new(pairs).unwrap(),
            ..NewKeyRequest::default()
        };
        let made = self.ledger.create(&owner, wanted, RequestOptions::default()).await.unwrap();
        self.keys.push((owner, made.key.key.id, made.secret));
    }

    /// Something that happens to a key, or to time. The key that it happened to.
    pub(super) async fn change(&mut self) -> Option<KeyId> {
        self.clock.advance(i64::try_from(self.dice.roll(4)).unwrap().saturating_sub(2));
        let at = usize::try_from(self.dice.roll(self.keys.len() as u64)).unwrap();
        let (owner, id, secret) = self.keys[at].clone();
        let options = RequestOptions::default;
        let change = match self.dice.roll(11) {
            0 => Change::Enable,
            1 | 2 => Change::Disable,
            3 => Change::Revoke(Revocation::default()),
            4 => {
                let rotation = Rotation::new(self.dice.roll(20)).unwrap();
                let made =
                    self.ledger.rotate(&owner, id, Changes::default(), rotation, options()).await;
                if let Ok(made) = made {
                    self.keys.push((owner, made.key.key.id, made.secret));
                }
                return Some(id);
            }
            5 => {
                self.ledger.expire_due(&crate::caller::worker(), 3, None).await.unwrap();
                return None;
            }
            6 | 7 => {
                let edits =
                    some_edits(u32::try_from(self.dice.roll(1_000)).unwrap(), self.ledger.now());
                let _ = self.ledger.update(&owner, id, edits, options()).await;
                return Some(id);
            }
            _ => {
                let text = secret.as_ref().map_or("", Secret::reveal);
                self.ledger.verify(&owner, text, &Question::default()).unwrap();
                return Some(id);
            }
        };
        let _ = self.ledger.change(&owner, id, change, options()).await;
        Some(id)
    }

    pub(super) async fn random(seed: u64, keys: usize) -> Story {
        let mut story = Story::new(seed);
        for _ in 0..keys {
            story.make().await;
            story.change().await;
        }
        story
    }

    /// Every key that `reader` sees, as it is.
    pub(super) fn all(&self, reader: &Caller) -> Vec<KeyView> {
        self.keys.iter().filter_map(|(_, id, _)| self.ledger.key(reader, *id).ok()).collect()
    }
}

pub(super) fn readers() -> [Caller; 4] {
    [
        caller(None, Role::Auditor),
        caller(Some("acme"), Role::Owner),
        caller(Some("umbrella"), Role::Auditor),
        caller(Some("acme"), Role::User),
    ]
}

/// A filter, and what it is to take.
pub(super) type Case = (KeyFilter, fn(&KeyView) -> bool);

fn pairs(pairs: &[(&str, &str)]) -> Metadata {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Metadata::new(pairs.collect()).unwrap()
}

fn tags(tags: &[&str]) -> Tags {
    Tags::new(tags.iter().map(|tag| Tag::new(tag).unwrap())).unwrap()
}

fn has(view: &KeyView, name: &str, value: &str) -> bool {
    view.key.metadata.get(name) == Some(value)
}

/// A moment that lies in the middle of every story.
fn midst() -> keys::Timestamp {
    keys::Timestamp::from_secs(1_700_000_000 + 60)
}

pub(super) fn cases() -> Vec<Case> {
    let any = KeyFilter::default;
    let status = |status| KeyFilter { status: Some(status), ..any() };
    vec![
        (any(), |_| true),
        (status(Status::Enabled), |view| view.status == Status::Enabled),
        (status(Status::Disabled), |view| view.status == Status::Disabled),
        (status(Status::Expired), |view| view.status == Status::Expired),
        (status(Status::Revoked), |view| view.status == Status::Revoked),
        (KeyFilter { metadata: pairs(&[("team", "a")]), ..any() }, |view| has(view, "team", "a")),
        (KeyFilter { metadata: pairs(&[("team", "b"), ("tier", "a")]), ..any() }, |view| {
            has(view, "team", "b") && has(view, "tier", "a")
        }),
        (KeyFilter { metadata: pairs(&[("te", "a")]), ..any() }, |_| false),
        (KeyFilter { never_used: Some(true), ..any() }, |view| view.last_used_at.is_none()),
        (KeyFilter { never_used: Some(false), ..any() }, |view| view.last_used_at.is_some()),
        (KeyFilter { unused_since: Some(midst()), ..any() }, |view| {
            view.created_at < midst() && view.last_used_at.is_none_or(|at| at < midst())
        }),
        (KeyFilter { tags: tags(&["n1"]), ..any() }, |view| {
            view.key.tags.iter().any(|tag| tag.as_str() == "n1")
        }),
        (KeyFilter { tags: tags(&["n1", "n2"]), ..any() }, |_| false),
        (KeyFilter { owner: Some(Subject::new("bob").unwrap()), ..any() }, |view| {
            view.key.owner.as_str() == "bob"
        }),
        (
            KeyFilter {
                account: Some(Account::new("acme").unwrap()),
                owner: Some(Subject::new("ann").unwrap()),
                status: Some(Status::Enabled),
                never_used: Some(true),
                ..any()
            },
            |view| {
                view.key.account.as_str() == "acme"
                    && view.key.owner.as_str() == "ann"
                    && view.status == Status::Enabled
                    && view.last_used_at.is_none()
            },
        ),
    ]
}

pub(super) fn ids(views: impl IntoIterator<Item = KeyView>) -> Vec<KeyId> {
    views.into_iter().map(|view| view.key.id).collect()
}

#[tokio::test]
async fn filters_take_and_count_what_they_say() {
    for seed in 0..6 {
        // More keys than are looked at for one page, and fewer.
        let story = Story::random(seed, if seed % 2 == 0 { 40 } else { 150 }).await;
        for reader in readers() {
            let all = story.all(&reader);
            for (at, (filter, takes)) in cases().into_iter().enumerate() {
                let case = format!("seed {seed} {:?} case {at}", reader.identity.scope);
                let expected = ids(all.iter().filter(|view| takes(view)).cloned());
                let (mut found, mut after) = (Vec::new(), Some(0));
                while let Some(place) = after {
                    let page = story.ledger.keys(&reader, &filter, place, 7).unwrap();
                    assert!(page.items.len() <= 7, "{case}");
                    found.extend(ids(page.items));
                    after = page.next;
                }
                assert_eq!(found, expected, "{case}");
                let count = story.ledger.count_keys(&reader, &filter).unwrap();
                let KeyCount { keys, is_exact } = count;
                let matching = expected.len() as u64;
                assert!(
                    if is_exact { keys == matching } else { keys <= matching },
                    "{case} {count:?}"
                );
                // A few keys are always counted, and statuses alone however many there are.
                assert!(is_exact || story.keys.len() > 100 && at >= 5, "{case} {count:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_past_knows_of_no_uses() {
    let story = Story::random(7, 20).await;
    let auditor = caller(None, Role::Auditor);
    let moment = story.ledger.moment(&auditor, None).unwrap();
    for (filter, name) in [
        (KeyFilter { never_used: Some(false), ..KeyFilter::default() }, "never_used"),
        (KeyFilter { unused_since: Some(midst()), ..KeyFilter::default() }, "unused_since"),
    ] {
        let listed = story.ledger.keys_as_of(&auditor, &filter, 0, 9, &moment).map(drop);
        let counted = story.ledger.count_keys_as_of(&auditor, &filter, &moment).map(drop);
        for refused in [listed, counted] {
            assert!(matches!(refused, Err(Error::NotOfThePast(at)) if at == name), "{refused:?}");
        }
    }
    let team = KeyFilter { metadata: pairs(&[("team", "a")]), ..KeyFilter::default() };
    let count = story.ledger.count_keys_as_of(&auditor, &team, &moment).unwrap();
    assert_eq!(count, story.ledger.count_keys(&auditor, &team).unwrap());
}
