//! Looking back: at every place of every random history, what is answered as of then is what a
//! ledger answers that has just the records up to there.

use std::fmt::Debug;
use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{
    Account, Cost, KeyId, Permission, Question, Refusal, Revocation, Rotation, Secret, Status,
    Subject, Timestamp, Verdict,
};

use crate::testing::{Dice, ManualClock, caller, draft, keyring, open_keyed, prefix, some_edits};
use crate::{
    ActivePeriod, AsOf, Caller, Change, Changes, Error, KeyFilter, KeyView, Keyring, Ledger,
    Limits, Moment, NewKeyRequest, RequestOptions, Role, Seq, Verified,
};

/// A log, and all keys that were made in it.
pub(crate) struct Story {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ledger: Ledger,
    keyring: Arc<Keyring>,
    pub(crate) keys: Vec<(Caller, KeyId, Secret)>,
}

const ACCOUNTS: [&str; 2] = ["acme", "umbrella"];

fn auditors() -> [Caller; 3] {
    [None, Some("acme"), Some("umbrella")].map(|account| caller(account, Role::Auditor))
}

impl Story {
    pub(crate) fn new() -> Story {
        Story::with(keyring())
    }

    fn with(keyring: Arc<Keyring>) -> Story {
        let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
        let ledger = open_keyed(&log, &clock, &keyring);
        Story { log, clock, ledger, keyring, keys: Vec::new() }
    }

    /// Two accounts make, rotate and change keys; some fall due, before and after that is
    /// recorded. Half of it happens at the same moment as what was before.
    pub(crate) async fn random(seed: u64, steps: usize) -> Story {
        Story::among(seed, steps, usize::MAX).await
    }

    /// The same with at most so many keys, but for those that rotations make. Few of few keys end,
    /// so that some have many records.
    pub(crate) async fn among(seed: u64, steps: usize, most_keys: usize) -> Story {
        Story::new().go_on(seed, steps, most_keys, false).await
    }

    /// The same, in which one of them is forgotten now and then.
    pub(crate) async fn forgetful(seed: u64, steps: usize, most_keys: usize) -> Story {
        Story::with(Arc::default()).go_on(seed, steps, most_keys, true).await
    }

    pub(crate) async fn go_on(
        self,
        seed: u64,
        steps: usize,
        most_keys: usize,
        forgets: bool,
    ) -> Story {
        let mut dice = Dice(seed * 2 + 1);
        let mut story = self;
        for _ in 0..steps {
            if forgets && dice.roll(12) == 0 {
                let subject = Subject::new(if dice.roll(2) == 0 { "ann" } else { "bob" }).unwrap();
                story.ledger.forget(&caller(None, Role::Admin), &subject).await.unwrap();
            }
            story.clock.advance(i64::try_from(dice.roll(8)).unwrap().saturating_sub(4).max(0));
            let owner = caller(Some(ACCOUNTS[usize::try_from(dice.roll(2)).unwrap()]), Role::Owner);
            let pick = usize::try_from(dice.roll(story.keys.len().max(1) as u64)).unwrap();
            let full = story.keys.len() >= most_keys;
            let step = match dice.roll(9) {
                0..2 if full => 4 + dice.roll(3),
                2 | 7 if full && dice.roll(12) > 0 => 4 + dice.roll(3),
                step => step,
            };
            match (step, story.keys.get(pick).cloned()) {
                (0 | 1, _) | (_, None) => {
                    let longest = if most_keys == usize::MAX { 30 } else { 300 };
                    let ttl = (dice.roll(2) == 0).then(|| dice.roll(longest) + 1);
                    let subject = ["ann", "bob", "ann"][story.keys.len() % 3];
                    let wanted =
                        NewKeyRequest { owner: Some(Subject::new(subject).unwrap()), ..draft(ttl) };
                    let made = story.ledger.create(&owner, wanted, RequestOptions::default()).await;
                    let made = made.unwrap();
                    story.keys.push((owner, made.key.key.id, made.secret.unwrap()));
                }
                (2, Some((owner, id, _))) => {
                    let rotation = Rotation::new(dice.roll(20)).unwrap();
                    let (changes, options) = (Changes::default(), RequestOptions::default());
                    let made = story.ledger.rotate(&owner, id, changes, rotation, options).await;
                    if let Ok(made) = made {
                        story.keys.push((owner, made.key.key.id, made.secret.unwrap()));
                    }
                }
                (3, Some(_)) => {
                    story.ledger.expire_due(&crate::caller::worker(), 100, None).await.unwrap();
                }
                (8, Some((owner, id, _))) => {
                    let edits =
                        some_edits(u32::try_from(dice.roll(999)).unwrap(), story.ledger.now());
                    let options = RequestOptions::default();
                    let _ = story.ledger.update(&owner, id, edits, options).await;
                }
                (n, Some((owner, id, secret))) => {
                    let change = match n {
                        4 | 5 => Change::Enable,
                        6 => Change::Disable,
                        _ if dice.roll(3) == 0 => Change::Revoke(Revocation::default()),
                        _ => Change::Expire,
                    };
                    // A use is not in the log: no answer as of then may know of it.
                    let question = Question::default();
                    story.ledger.verify(&owner, secret.reveal(), &question).unwrap();
                    let _ =
                        story.ledger.change(&owner, id, change, RequestOptions::default()).await;
                }
            }
        }
        story
    }

    /// A ledger of the records that were there at `moment`, whose clock stands there.
    pub(crate) fn then(&self, moment: &Moment) -> Ledger {
        let log = prefix(&self.log, moment.length());
        open_keyed(&log, &ManualClock::at(moment.at()), &self.keyring)
    }

    pub(crate) fn at(&self, as_of: AsOf) -> Moment {
        self.ledger.moment(&caller(None, Role::Auditor), Some(as_of)).unwrap()
    }

    pub(crate) fn length(&self) -> u64 {
        self.log.length().borrow().0
    }
}

fn text(answer: impl Debug) -> String {
    format!("{answer:?}")
}

fn all(mut page: impl FnMut(u64) -> crate::Page<KeyView, u64>) -> Vec<KeyView> {
    let (mut items, mut after) = (Vec::new(), Some(0));
    while let Some(place) = after {
        let found = page(place);
        items.extend(found.items);
        after = found.next;
    }
    items
}

fn same_keys(story: &Story, then: &Ledger, moment: &Moment, case: &str) {
    let filters = [
        KeyFilter::default(),
        KeyFilter { status: Some(Status::Enabled), ..KeyFilter::default() },
        KeyFilter { status: Some(Status::Expired), ..KeyFilter::default() },
        KeyFilter { account: Some(Account::new("acme").unwrap()), ..KeyFilter::default() },
        KeyFilter {
            account: Some(Account::new("acme").unwrap()),
            owner: Some(Subject::new("bob").unwrap()),
            ..KeyFilter::default()
        },
        KeyFilter { q: Some("N1".into()), ..KeyFilter::default() },
        KeyFilter { expires_before: Some(moment.at().plus_secs(9)), ..KeyFilter::default() },
    ];
    for auditor in auditors() {
        for (_, id, _) in &story.keys {
            let (was, is) =
                (then.key(&auditor, *id), story.ledger.key_as_of(&auditor, *id, moment));
            assert_eq!(text(is), text(was), "{case}");
        }
        for filter in &filters {
            let is =
                all(|after| story.ledger.keys_as_of(&auditor, filter, after, 3, moment).unwrap());
            let was = all(|after| then.keys(&auditor, filter, after, 4).unwrap());
            assert_eq!(text(&is), text(was), "{case} {filter:?}");
            if let Some(status) = filter.status {
                assert!(is.iter().all(|view| view.status == status), "{case} {filter:?}");
            }
        }
    }
    // A question of no cost uses nothing up, and of limits the past knows nothing.
    let question = Question { cost: Cost::new(0).unwrap(), ..Question::default() };
    for account in [None, Some("acme"), Some("umbrella")] {
        let [auditor, verifier] = [Role::Auditor, Role::Verifier].map(|role| caller(account, role));
        for (_, _, secret) in &story.keys {
            let is = story.ledger.verify_as_of(&auditor, secret.reveal(), &question, moment);
            let was = then.verify(&verifier, secret.reveal(), &question);
            let was = was.map(|was| Verified { limits: Limits::default(), ..was });
            assert_eq!(text(is), text(was), "{case}");
        }
    }
}

pub(crate) fn held(
    ledger: &Ledger,
    caller: &Caller,
    between: (Timestamp, Timestamp),
    moment: &Moment,
) -> Vec<ActivePeriod> {
    let report = ledger.active_periods(caller, None, between, moment).unwrap();
    let held = report.collect::<Result<Vec<_>, _>>().unwrap();
    assert!(held.is_sorted_by_key(|held| (held.key.id, held.from)));
    held
}

fn same_report(story: &Story, then: &Ledger, moment: &Moment, dice: &mut Dice, case: &str) {
    let start = Timestamp::from_micros(1_700_000_000_000_000);
    let from = start.plus_secs(dice.roll(60));
    let to = from.plus_secs(dice.roll(60));
    for auditor in auditors() {
        let report = |ledger: &Ledger, moment: &Moment| held(ledger, &auditor, (from, to), moment);
        let so_far = then.moment(&auditor, None).unwrap();
        let was = report(then, &so_far);
        assert_eq!(text(report(&story.ledger, moment)), text(&was), "{case} {from} {to}");
        for ActivePeriod { from: since, until, .. } in was {
            assert!(from <= since && since < until && until <= to, "{case}");
        }
    }
}

#[tokio::test]
async fn as_of_every_place_is_what_a_log_of_just_those_records_says() {
    for seed in 0..90 {
        let story = match seed {
            0..60 => Story::random(seed, 40).await,
            // Who was forgotten is so at every moment.
            60..75 => Story::forgetful(seed, 60, usize::MAX).await,
            _ => Story::forgetful(seed, 60, 2).await,
        };
        let mut dice = Dice(seed + 1);
        for seq in 0..story.length() {
            let moment = story.at(AsOf::Seq(Seq(seq)));
            assert_eq!(moment.seq(), Some(Seq(seq)));
            let then = story.then(&moment);
            let case = format!("seed {seed} seq {seq}");
            same_keys(&story, &then, &moment, &case);
            same_report(&story, &then, &moment, &mut dice, &case);
        }
    }
}

/// Keys with more records than are found along their links: what a list of their own says of them
/// is what their links say.
#[tokio::test]
async fn a_key_with_many_records_is_as_of_every_place_what_they_make_it() {
    let (mut longest, mut replaced) = (0, 0);
    for seed in 300..330 {
        let story = Story::among(seed, 140, 2).await;
        let mut dice = Dice(seed + 1);
        for seq in 0..story.length() {
            let moment = story.at(AsOf::Seq(Seq(seq)));
            let then = story.then(&moment);
            let case = format!("seed {seed} seq {seq}");
            same_keys(&story, &then, &moment, &case);
            same_report(&story, &then, &moment, &mut dice, &case);
        }
        let auditor = caller(None, Role::Auditor);
        for (_, id, _) in &story.keys {
            let state = story.ledger.key(&auditor, *id).unwrap().state;
            longest = longest.max(state.revision);
            replaced += u32::from(state.revision > 9 && state.replaced_by.is_some());
        }
    }
    assert!(longest > 30 && replaced > 5, "{longest} {replaced}");
}

#[tokio::test]
async fn as_of_every_time_is_what_was_recorded_by_then_judged_then() {
    for seed in 100..130 {
        let story = Story::random(seed, 40).await;
        let records = story.log.read(Seq(0), usize::MAX).unwrap();
        let times: Vec<_> =
            records.iter().map(|read| crate::decode(&read.bytes, &keyring()).unwrap().at).collect();
        let mut dice = Dice(seed);
        for second in 0..70 {
            let time = times[0].plus_secs(second);
            let auditor = caller(None, Role::Auditor);
            let moment = story.ledger.moment(&auditor, Some(AsOf::Time(time)));
            if time > story.ledger.now() {
                assert!(matches!(moment, Err(Error::InTheFuture)), "{moment:?}");
                break;
            }
            let moment = moment.unwrap();
            let by_then = times.iter().filter(|at| **at <= time).count() as u64;
            assert_eq!((moment.length(), moment.at()), (Seq(by_then), time));
            let then = story.then(&moment);
            let case = format!("seed {seed} time {time}");
            same_keys(&story, &then, &moment, &case);
            same_report(&story, &then, &moment, &mut dice, &case);
        }
    }
}

/// The report as its words have it, a microsecond at a time: a key is held while a ledger of the
/// records so far would let it pass.
#[tokio::test]
async fn a_key_is_held_just_when_it_would_have_passed() {
    for seed in 200..230 {
        let story = match seed {
            200..220 => Story::random(seed, 30).await,
            _ => Story::among(seed, 120, 2).await,
        };
        let auditor = caller(None, Role::Auditor);
        let now = story.ledger.now();
        let moment = story.ledger.moment(&auditor, None).unwrap();
        let held = held(&story.ledger, &auditor, (Timestamp::MIN, now), &moment);
        for back in 0..90 {
            let time = Timestamp::from_micros(now.micros() - back * 500_000 - 1);
            let then = story.at(AsOf::Time(time));
            for (_, id, secret) in &story.keys {
                let question = Question::default();
                let verified =
                    story.ledger.verify_as_of(&auditor, secret.reveal(), &question, &then);
                let spans = held.iter().filter(|held| held.key.id == *id);
                let is_held = spans.filter(|held| held.from <= time && time < held.until).count();
                // From where it may be used is not what the report is about.
                let passes =
                    matches!(verified.unwrap().verdict, Verdict::Valid | Verdict::IpNotAllowed);
                assert_eq!(is_held, usize::from(passes), "seed {seed} {time} {id}");
            }
        }
    }
}

#[tokio::test]
async fn before_the_first_record_there_was_nothing() {
    let story = Story::random(1, 10).await;
    let auditor = caller(None, Role::Auditor);
    let moment = story.at(AsOf::Time(Timestamp::from_secs(1_600_000_000)));
    assert_eq!(moment.seq(), None);
    let (_, id, secret) = &story.keys[0];
    let unknown = story.ledger.key_as_of(&auditor, *id, &moment);
    assert!(matches!(unknown, Err(Error::Refused(Refusal::UnknownKey))), "{unknown:?}");
    let question = Question::default();
    let verified = story.ledger.verify_as_of(&auditor, secret.reveal(), &question, &moment);
    assert_eq!(verified.unwrap().verdict, Verdict::NotFound);
    let page = story.ledger.keys_as_of(&auditor, &KeyFilter::default(), 0, 50, &moment).unwrap();
    assert!(page.items.is_empty() && page.next.is_none());
}

#[tokio::test]
async fn a_moment_that_is_not_there_is_refused() {
    let story = Story::random(2, 10).await;
    let auditor = caller(None, Role::Auditor);
    let find = |as_of| story.ledger.moment(&auditor, Some(as_of));
    let end = story.length();
    for beyond in [end, end + 1, u64::MAX] {
        let refused = find(AsOf::Seq(Seq(beyond)));
        assert!(
            matches!(refused, Err(Error::BeyondTheLog { length }) if length == Seq(end)),
            "{refused:?}"
        );
    }
    let next = Timestamp::from_micros(story.ledger.now().micros() + 1);
    assert!(find(AsOf::Time(story.ledger.now())).is_ok());
    assert!(matches!(find(AsOf::Time(next)), Err(Error::InTheFuture)));
    // A clock that was set back: what is recorded is no future.
    story.clock.advance(-1_000_000);
    assert!(find(AsOf::Seq(Seq(end - 1))).is_ok());
    let last = story.at(AsOf::Seq(Seq(end - 1))).at();
    assert_eq!(story.at(AsOf::Time(last)).seq(), Some(Seq(end - 1)));
    let so_far = story.ledger.moment(&auditor, None).unwrap();
    let far = Timestamp::MAX;
    let held = held(&story.ledger, &auditor, (Timestamp::MIN, far), &so_far);
    assert!(!held.is_empty());
}

#[tokio::test]
async fn only_auditors_and_admins_ask_what_a_key_was_good_for() {
    let story = Story::random(3, 10).await;
    let (owner, _, secret) = &story.keys[0];
    let account = owner.identity.scope.account().map(Account::as_str);
    let moment = story.at(AsOf::Seq(Seq(story.length() - 1)));
    let question =
        Question { permission: Permission::new("a.b").ok().map(Into::into), ..Question::default() };
    let table = [
        (Role::Owner, false),
        (Role::Verifier, false),
        (Role::Worker, false),
        (Role::Auditor, true),
        (Role::Admin, true),
    ];
    for (role, may) in table {
        let asker = caller(account, role);
        let answer = story.ledger.verify_as_of(&asker, secret.reveal(), &question, &moment);
        assert_eq!(answer.is_ok(), may, "{role:?} {answer:?}");
        let reads = story.ledger.moment(&asker, None).is_ok();
        assert_eq!(reads, matches!(role, Role::Owner | Role::Auditor | Role::Admin), "{role:?}");
    }
}
