//! What a forger could do to a log whose hashes he then makes right, one line for each.

use keys::{Edit, Kind, Revocation, Rotation, Status};

use super::*;
use crate::testing::caller;
use crate::{Change, Changes, Role};

/// A short log with everything in it:
/// 0 a made; 1 a disabled; 2 a enabled; 3 b made; 4 b rotated to c, with 60 s overlap;
/// 5 d made, of another account; 6 e made by covosign; 7 a expired, when due; 8 a revoked;
/// 9 b expired, when met by 10; 10 b revoked; 11 c rotated to f, without overlap; 12 d ended;
/// 13 and 14 e given another name.
pub(super) async fn story() -> Vec<Record> {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    let revoke = Change::Revoke(Revocation::default());
    let options = RequestOptions::default;
    let make = async |caller: &Caller, ttl| {
        ledger.create(caller, draft(ttl), options()).await.unwrap().key.key.id
    };
    let rotate = async |id, overlap_s| {
        let rotation = Rotation::new(overlap_s).unwrap();
        let rotated = ledger.rotate(&owner(), id, Changes::default(), rotation, options()).await;
        rotated.unwrap().key.key.id
    };
    let change = async |caller: &Caller, id, change| {
        ledger.change(caller, id, change, options()).await.unwrap();
        clock.advance(1);
    };
    let other = caller(Some("other"), Role::Owner);
    let a = make(&owner(), Some(30)).await;
    change(&owner(), a, Change::Disable).await;
    change(&owner(), a, Change::Enable).await;
    let b = make(&owner(), None).await;
    let c = rotate(b, 60).await;
    let d = make(&other, None).await;
    let edited = make(&caller_by(Dialect::Covosign), None).await;
    clock.advance(40);
    ledger.expire_due(&crate::caller::worker(), 9, None).await.unwrap();
    change(&owner(), a, revoke).await;
    clock.advance(40);
    change(&owner(), b, revoke).await;
    rotate(c, 0).await;
    change(&other, d, Change::Expire).await;
    for name in ["first", "second"] {
        let name = Some(keys::KeyName::new(name).unwrap());
        let edits = keys::Edits { name, ..keys::Edits::default() };
        let edits = crate::KeyEdits { edits, ..crate::KeyEdits::default() };
        ledger.update(&caller_by(Dialect::Covosign), edited, edits, options()).await.unwrap();
    }
    records(log.as_ref())
}

pub(super) fn made(record: &mut Record, change: impl FnOnce(&mut NewKey)) {
    let Event::Created(key) = &mut record.event else { panic!("{record:?}") };
    let key = Arc::make_mut(key);
    change(key);
    record.links.own = Link::first(key.id);
}

/// Takes a record out or puts one in, with the places in all links made right again.
fn shifted(records: &mut Vec<Record>, at: usize, added: Option<Record>) {
    let place = Seq(at as u64);
    let around = added.is_none().then(|| records.remove(at));
    let links = records
        .iter_mut()
        .flat_map(|record| std::iter::once(&mut record.links.own).chain(&mut record.links.others));
    for link in links {
        let Some((seq, _)) = &mut link.previous else { continue };
        match &around {
            Some(gone) if *seq == place => {
                let before = gone.links.of(link.key).unwrap();
                link.previous = before.previous;
            }
            Some(_) if *seq > place => seq.0 -= 1,
            None if *seq >= place => seq.0 += 1,
            Some(_) | None => {}
        }
    }
    records.splice(at..at, added);
}

fn gone(records: &mut Vec<Record>, at: usize) {
    shifted(records, at, None);
}

fn again(records: &mut Vec<Record>, at: usize) {
    let twice = records[at].clone();
    shifted(records, at + 1, Some(twice));
}

type Forge = fn(&mut Vec<Record>);

/// What a forger did, and what the auditor says to it.
const FORGERIES: &[(&str, Forge, &str)] = &[
    ("nothing", |_| {}, "good"),
    ("the first record is gone", |r| gone(r, 0), "0: the key … was never created"),
    ("a change is gone", |r| gone(r, 2), "6: the link of the key … has the wrong revision"),
    ("time goes back", |r| r[1].at = Timestamp::from_secs(1), "1: it is dated …"),
    (
        "a record twice",
        |r| again(r, 1),
        "2: the rules do not allow it: the key is already disabled",
    ),
    ("a key twice", |r| again(r, 0), "1: the new key has the digest of an earlier one"),
    (
        "enabled instead of revoked",
        |r| r[8].event = Event::Enabled,
        "8: the rules do not allow it: not while the key is expired",
    ),
    (
        "expired too early",
        |r| r[7].at = r[6].at,
        "7: the rules do not allow it: the key is not due",
    ),
    (
        "expired with another due time",
        |r| r[7].event = Event::Expired { due: Some(Timestamp::from_secs(1)) },
        "7: the rules would have given another event",
    ),
    (
        "the end of a due key is gone",
        |r| gone(r, 9),
        "9: the key … was due at …, and that was not recorded first",
    ),
    (
        "a longer life",
        |r| made(&mut r[0], |key| key.expires_at = Some(Timestamp::MAX)),
        "7: the rules do not allow it: the key is not due",
    ),
    (
        "made with a due time in the past",
        |r| made(&mut r[3], |key| key.expires_at = Some(Timestamp::from_secs(1))),
        "3: the rules do not allow it: expires_at must lie in the future",
    ),
    (
        "another number",
        |r| made(&mut r[3], |key| key.number = 7),
        "3: the new key has the number 7; the next one of its account is 2",
    ),
    (
        "another dialect",
        |r| made(&mut r[3], |key| key.dialect = Dialect::Capgo),
        "3: the new key is of another dialect than the request",
    ),
    (
        "public without its text",
        |r| made(&mut r[3], |key| key.kind = Kind::Public),
        "3: the new key is public without its text, or secret with it",
    ),
    (
        "a digest that is not that of the text",
        |r| {
            made(&mut r[3], |key| {
                key.kind = Kind::Public;
                key.public_value = Some("x".into());
            });
        },
        "3: the new key has a digest that is not that of its text",
    ),
    (
        "the digest of another key",
        |r| {
            let of = r[0].clone();
            let Event::Created(first) = of.event else { panic!() };
            made(&mut r[3], |key| key.digest = first.digest);
        },
        "3: the new key has the digest of an earlier one",
    ),
    (
        "the id of another key",
        |r| {
            let id = r[0].links.own.key;
            made(&mut r[3], |key| key.id = id);
        },
        "3: the rules do not allow it: the key exists already",
    ),
    (
        "another account",
        |r| made(&mut r[3], |key| key.account = Account::new("other").unwrap()),
        "3: the actor acts for another account than the key's, other",
    ),
    (
        "changed by an owner of another account",
        |r| r[1].actor.account = Some(Account::new("other").unwrap()),
        "1: the actor acts for another account than the key's, acme",
    ),
    (
        "a revision left out",
        |r| r[2].links.own.revision = 4,
        "2: the link of the key … has the wrong revision",
    ),
    (
        "another status before",
        |r| r[2].links.own.before = Some(Status::Expired),
        "2: the link of the key … has the wrong status before",
    ),
    (
        "another status after",
        |r| r[2].links.own.after = Status::Revoked,
        "2: the link of the key … has the wrong status after",
    ),
    (
        "another previous record",
        |r| r[2].links.own.previous = Some((Seq(0), Leaf([0; 32]))),
        "2: the link of the key … has the wrong previous record",
    ),
    (
        "no previous record",
        |r| r[2].links.own.previous = None,
        "2: the link of the key … has the wrong previous record",
    ),
    (
        "a link of an unknown key",
        |r| r[2].links.own.key = KeyId::from_bytes([9; 16]),
        "2: the key … was never created",
    ),
    (
        "a created record with a past",
        |r| r[3].links.others = r[2].links.iter().copied().collect(),
        "3: the new key and the key that it replaces are not both named",
    ),
    (
        "the old key's link is gone",
        |r| r[4].links.others.clear(),
        "4: the new key and the key that it replaces are not both named",
    ),
    (
        "the old key is not named",
        |r| made(&mut r[4], |key| key.replaces = None),
        "4: the new key and the key that it replaces are not both named",
    ),
    (
        "another old key",
        |r| {
            let id = r[0].links.own.key;
            r[4].links.others[0].key = id;
        },
        "4: the new key and the key that it replaces are not both named",
    ),
    (
        "a rotation with a wrong revision of the old key",
        |r| r[4].links.others[0].revision = 9,
        "4: the link of the key … has the wrong revision",
    ),
    (
        "a rotation that ends the old key",
        |r| r[4].links.others[0].after = Status::Expired,
        "4: the link of the key … has the wrong status after",
    ),
    (
        "an overlap of a year",
        |r| {
            let until = r[4].at.plus_secs(365 * 86_400);
            made(&mut r[4], |key| key.replaces.as_mut().unwrap().valid_until = until);
        },
        "4: the replaced key stays valid for longer than a rotation allows",
    ),
    (
        "an overlap to the past",
        |r| made(&mut r[4], |key| key.replaces.as_mut().unwrap().valid_until = Timestamp::MIN),
        "4: the rules would have given another event",
    ),
    (
        "a longer overlap",
        |r| {
            let until = r[4].at.plus_secs(600);
            made(&mut r[4], |key| key.replaces.as_mut().unwrap().valid_until = until);
        },
        "9: the rules do not allow it: the key is not due",
    ),
    (
        "a rotation to another owner",
        |r| {
            let eve = keys::Subject::new("eve").unwrap();
            r[4].persons.owner = keyring().person(&eve).ok();
            made(&mut r[4], |key| key.owner = eve);
        },
        "4: the new key and the key that it replaces do not belong together",
    ),
    (
        "a change of a key that a rotation replaces",
        |r| r[1].links.others = r[4].links.others.clone(),
        "1: the rules would have given another event",
    ),
    ("an edit that is gone", |r| gone(r, 13), "13: the link of the key … has the wrong revision"),
    (
        "an edit from a name that the key did not have",
        |r| renamed(&mut r[14], "third", "second"),
        "14: the edit names other values before it than the key … had",
    ),
    (
        "an edit to a due time in the past",
        |r| {
            let edit = Edit::ExpiresAt { before: None, after: Some(Timestamp::from_secs(1)) };
            r[13].event = Event::Updated(keys::Update::stored(vec![edit], false).unwrap().into());
        },
        "13: the rules do not allow it: expires_at must lie in the future",
    ),
    (
        "an edit of a key that has ended",
        |r| {
            r[12].event = r[13].event.clone();
            r[8].event = r[13].event.clone();
        },
        "8: the rules do not allow it: not while the key is expired",
    ),
    (
        "a revision that was never asked for",
        |r| r[13].rules = vec![Rule::Revision(7)],
        "13: the rules do not allow it: the key is at revision 1",
    ),
    (
        "a rule that has nothing to do with it",
        |r| r[13].rules = vec![Rule::UniquePrefix],
        "13: the rules that it says it was judged by do not give it",
    ),
    (
        "a longest life that was not kept",
        |r| r[3].rules = vec![Rule::LongestLife(60)],
        "3: the rules do not allow it: a key of this account must have an end",
    ),
    (
        "a longest life that the key outlives",
        |r| r[0].rules = vec![Rule::LongestLife(29)],
        "0: the rules do not allow it: a key of this account must end within 29 seconds",
    ),
    (
        "a permission that its rule does not cover",
        |r| {
            let [wanted, allowed] = ["users.read", "orders.*"].map(|text| text.parse().unwrap());
            made(&mut r[3], |key| key.permissions = [wanted].into());
            r[3].rules = vec![Rule::Permissions([allowed].into())];
        },
        "3: the rules do not allow it: keys of this account may not have all of these permissions",
    ),
    (
        "a prefix that is not that of its rule",
        |r| r[3].rules = vec![Rule::SecretPrefix(keys::Prefix::new("acme_live_").unwrap())],
        "3: the rules do not allow it: the prefix is not that of this account's keys",
    ),
    (
        "fewer alive keys than there were",
        |r| r[3].rules = vec![Rule::AccountAlive { most: 9, counted: 0 }],
        "3: the rules that it says it was judged by do not give it",
    ),
    (
        "more alive keys than there may be",
        |r| r[3].rules = vec![Rule::AccountAlive { most: 1, counted: 1 }],
        "3: the rules do not allow it: the account has 1 keys enabled or disabled",
    ),
];

fn renamed(record: &mut Record, before: &str, after: &str) {
    let [before, after] = [before, after].map(|name| keys::KeyName::new(name).unwrap());
    let edits = vec![Edit::Name { before, after }];
    record.event = Event::Updated(keys::Update::stored(edits, false).unwrap().into());
}

#[tokio::test]
async fn every_forgery_with_right_hashes_is_found() {
    let honest = story().await;
    for (what, forge, want) in FORGERIES {
        let mut forged = honest.clone();
        forge(&mut forged);
        let found = match judge(&chained(&forged)) {
            Ok(_) => "good".to_owned(),
            Err(finding) => finding.to_string(),
        };
        let found = found.strip_prefix("record ").unwrap_or(&found);
        let mut rest = found;
        let fits = want.split('…').all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        });
        assert!(fits, "{what}: {found}");
    }
}
