//! Who read the trail is on record, across restarts, in bytes that never change.

use eventlog::memory::{Fault, MemoryLog};
use keys::{KeyId, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::fuzzing::persons;
use crate::keyring::PersonKey;
use crate::record::access::{AccessEvent, Readings};
use crate::record::codec::Interner;
use crate::record::{Actor, Persons};
use crate::testing::{Dice, ManualClock, caller, keyring, owner};

use crate::{Origin, Role};

fn open(log: &MemoryLog) -> Journal {
    open_at(log, &ManualClock::new())
}

fn open_at(log: &MemoryLog, clock: &Arc<ManualClock>) -> Journal {
    let signing = Signing::new("ledger.example.com/apikeys/access", [9; 32]).unwrap();
    let log = Arc::new(log.clone());
    let options = JournalOptions { keyring: keyring(), ..JournalOptions::default() };
    Journal::open(log, Arc::clone(clock) as Arc<dyn Clock>, Arc::new(signing), options).unwrap()
}

fn range(from: u64, until: u64) -> Range {
    Range { from: Seq(from), until: Some(Seq(until)), ..Range::default() }
}

fn entries(journal: &Journal) -> Vec<(u64, u64, Reading)> {
    let page = journal.page(&caller(None, Role::Auditor), Seq(0), 500).unwrap();
    let entries = page.items.iter().map(|(seq, access)| (seq.0, readings(access)));
    entries.map(|(seq, read)| (seq, read.from.0, read.reading)).collect()
}

#[tokio::test]
async fn who_read_what_is_found_again_after_a_restart() {
    let log = MemoryLog::new();
    let journal = open(&log);
    journal.record(&owner(), Reading::Events, range(0, 50)).await.unwrap();
    journal.record(&owner(), Reading::Entries, range(7, 9)).await.unwrap();
    let before = journal.checkpoint().unwrap();
    assert_eq!(before.size, 2);
    journal.close().await.unwrap();
    assert!(journal.record(&owner(), Reading::Event, range(1, 2)).await.is_err());

    let journal = open(&log.reopen().unwrap());
    assert_eq!(journal.checkpoint().unwrap(), before);
    journal.record(&owner(), Reading::Event, range(3, 4)).await.unwrap();
    let expected = [(0, 0, Reading::Events), (1, 7, Reading::Entries), (2, 3, Reading::Event)];
    assert_eq!(entries(&journal), expected);
    let page = journal.page(&caller(None, Role::Auditor), Seq(0), 2).unwrap();
    assert_eq!(page.next, Some(Seq(2)));
    assert_eq!(page.items[0].1.actor.subject, owner().identity.subject);
    assert!(matches!(journal.page(&owner(), Seq(0), 2), Err(Error::Forbidden)));
}

fn readings(access: &Access) -> &Readings {
    let AccessEvent::Read(readings) = &access.event else { panic!("{access:?}") };
    readings
}

fn page(journal: &Journal) -> Vec<Access> {
    let page = journal.page(&caller(None, Role::Auditor), Seq(0), 500).unwrap();
    assert!(page.next.is_none());
    page.items.into_iter().map(|(_, access)| access).collect()
}

/// 12,000 readings a second of one list made 260 GB a day, on the disk of the key log.
#[tokio::test]
async fn equal_readings_of_a_minute_are_one_entry_and_their_count() {
    let (log, clock) = (MemoryLog::new(), ManualClock::new());
    let journal = open_at(&log, &clock);
    for _ in 0..10_000 {
        journal.record(&owner(), Reading::Events, range(0, 50)).await.unwrap();
    }
    // The first is on record before it is answered; that there were more only counts.
    let first = page(&journal);
    assert_eq!(first.iter().map(|entry| readings(entry).count).collect::<Vec<_>>(), [1]);
    assert_eq!((first[0].at, readings(&first[0]).last_at), (clock.now(), clock.now()));
    // Each of these is something else that is known about who read what.
    let elsewhere = Origin { ip: Some([203, 0, 113, 7].into()), request_id: None };
    let far = Caller { origin: elsewhere, ..owner() };
    let of_account = Range { account: Account::new("acme").ok(), ..range(0, 50) };
    let of_key = Range { key: Some(KeyId::from_bytes([1; 16])), ..range(0, 50) };
    let auditor = caller(Some("acme"), Role::Auditor);
    clock.advance(30);
    for (caller, reading, range) in [
        (&far, Reading::Events, range(0, 50)),
        (&auditor, Reading::Events, range(0, 50)),
        (&owner(), Reading::Event, range(0, 50)),
        (&owner(), Reading::Events, range(0, 51)),
        (&owner(), Reading::Events, of_account),
        (&owner(), Reading::Events, of_key),
        (&owner(), Reading::Events, Range { until: None, ..Range::default() }),
    ] {
        let before = page(&journal).len();
        for _ in 0..3 {
            journal.record(caller, reading, range.clone()).await.unwrap();
        }
        assert_eq!(page(&journal).len(), before + 1, "{reading:?} {range:?}");
    }
    // What lies within places that are on record is counted with them.
    journal.record(&owner(), Reading::Events, range(7, 9)).await.unwrap();
    assert_eq!(page(&journal).len(), 8);
    // A minute later the counts are written, and equal readings are new ones.
    clock.advance(31);
    journal.record(&owner(), Reading::Events, range(0, 50)).await.unwrap();
    journal.close().await.unwrap();
    let entries = page(&journal);
    let count = entries.iter().map(|entry| readings(entry).count).sum::<u64>();
    assert_eq!(count, 10_000 + 7 * 3 + 1 + 1);
    let counted = entries.iter().find(|entry| readings(entry).count > 9_000).unwrap();
    let of = readings(counted);
    assert_eq!((counted.at, of.last_at), (first[0].at, first[0].at.plus_secs(30)));
    assert_eq!((of.from, of.until), (Seq(0), Some(Seq(50))));
    assert_eq!(counted.origin.request_id, None);
}

/// Whatever is read, the journal says so before it is answered, and grows like the number of
/// digits of what is read.
#[tokio::test]
async fn whoever_reads_very_much_is_on_record_with_every_reading() {
    for seed in 1..8 {
        let (log, mut dice) = (MemoryLog::new(), Dice(seed));
        let journal = open(&log);
        let mut shown = Vec::new();
        for step in 0..2_000 {
            // One event after the other, or anywhere, or the histories of many keys.
            let (reading, from, key) = match seed % 3 {
                0 => (Reading::Event, step, None),
                1 => (Reading::Event, dice.roll(1 << 40), None),
                _ => (Reading::History, dice.roll(99), Some(KeyId::from_bytes([7; 16]))),
            };
            let key = key.map(|_| KeyId::from_bytes(u128::from(dice.roll(500)).to_be_bytes()));
            let range = Range { key, ..range(from, from + 1) };
            journal.record(&owner(), reading, range.clone()).await.unwrap();
            shown.push((reading, range));
            if step % 97 == 0 {
                assert_covered(&page(&journal), &shown, seed);
            }
        }
        assert_covered(&page(&journal), &shown, seed);
        journal.close().await.unwrap();
        let entries = page(&journal);
        assert!(entries.len() < 150, "seed {seed}: {} entries", entries.len());
        assert_eq!(
            entries.iter().map(|entry| readings(entry).count).sum::<u64>(),
            2_000,
            "seed {seed}"
        );
    }
}

fn assert_covered(entries: &[Access], shown: &[(Reading, Range)], seed: u64) {
    for (reading, range) in shown {
        let covers = |entry: &&Readings| {
            entry.reading == *reading
                && (entry.key.is_none() || entry.key == range.key)
                && entry.from <= range.from
                && entry.until.is_none_or(|until| range.until.is_some_and(|end| end <= until))
        };
        assert!(entries.iter().map(readings).any(|entry| covers(&entry)), "seed {seed} {range:?}");
    }
}

/// One that waits for another's entry is not answered before that is on record, nor if it is not.
#[tokio::test]
async fn a_reading_is_not_counted_on_one_that_was_not_recorded() {
    let log = MemoryLog::new();
    let journal = open(&log);
    log.fail_next(Fault::Lose);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let journal = journal.clone();
        tasks.spawn(async move { journal.record(&owner(), Reading::Event, range(0, 1)).await });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_err));
    assert!(page(&journal).is_empty());
}

/// A caller beyond the number that is kept in memory is recorded each time.
#[tokio::test]
async fn more_callers_than_are_kept_in_memory_are_recorded_one_by_one() {
    let log = MemoryLog::new();
    let journal = open(&log);
    let from = |number: u32| Caller {
        origin: Origin { ip: Some(number.to_be_bytes().into()), request_id: None },
        ..owner()
    };
    for number in 0..600 {
        for _ in 0..2 {
            journal.record(&from(number), Reading::Event, range(0, 1)).await.unwrap();
        }
    }
    assert_eq!(journal.checkpoint().unwrap().size, 512 + 2 * 88);
    // Another account has room of its own.
    for _ in 0..2 {
        journal.record(&caller(Some("b"), Role::Owner), Reading::Event, range(0, 1)).await.unwrap();
    }
    assert_eq!(journal.checkpoint().unwrap().size, 512 + 2 * 88 + 1);
    journal.close().await.unwrap();
    assert_eq!(journal.checkpoint().unwrap().size, 512 + 2 * 88 + 1 + 512 + 1);
}

#[tokio::test]
async fn two_journals_of_one_log_take_turns() {
    let log = MemoryLog::new();
    let (one, two) = (open(&log), open(&log));
    for from in 0..3 {
        one.record(&owner(), Reading::Events, range(from, from + 100)).await.unwrap();
        two.record(&owner(), Reading::Report, range(from, from + 100)).await.unwrap();
    }
    assert_eq!(entries(&two).len(), 6);
}

#[tokio::test]
async fn a_fault_is_told_and_what_was_recorded_is_still_read() {
    let log = MemoryLog::new();
    let journal = open(&log);
    journal.record(&owner(), Reading::Event, range(0, 1)).await.unwrap();
    log.fail_next(Fault::Lose);
    for _ in 0..2 {
        let refused = journal.record(&owner(), Reading::Event, range(1, 2)).await;
        assert!(matches!(refused, Err(Error::Broken)), "{refused:?}");
    }
    assert!(journal.is_broken());
    assert_eq!(entries(&journal).len(), 1);
}

fn access(reading: Reading) -> Access {
    let ann = PersonKey::from_bytes([1; 32]).pseudonym();
    Access {
        at: Timestamp::from_micros(1_700_000_000_000_001),
        actor: Actor {
            roles: crate::Roles::default().with(Role::Auditor),
            subject: keys::Subject::new("ann").unwrap(),
            account: Some(Account::new("acme").unwrap()),
            via: crate::Via::Token { issuer: "keyledger".into(), jti: Some("t1".into()) },
        },
        origin: Origin { ip: Some([203, 0, 113, 7].into()), request_id: Some("r1".into()) },
        event: AccessEvent::Read(Readings {
            last_at: Timestamp::from_micros(1_700_000_059_000_001),
            count: 300,
            reading,
            from: Seq(5),
            until: Some(Seq(300)),
            account: Some(Account::new("acme").unwrap()),
            key: Some(KeyId::from_bytes([2; 16])),
        }),
        salt: [9; 12],
        persons: Persons { actor: Some(ann), ..Persons::default() },
        mac: None,
        request: None,
    }
}

fn encode(access: &Access) -> Vec<u8> {
    codec::encode_access(access, &persons()).unwrap()
}

fn decode(bytes: &[u8]) -> Result<Access, codec::DecodeError> {
    codec::decode_access(bytes, &mut Interner::new(Arc::new(persons())))
}

/// Written once, never again: `schemas/access.md` describes it.
const GOLDEN: &str = concat!(
    "01fd02803c3048140c00010461636d65040009090909090909090909090900fd8209453748140c00fb2c01040501fb",
    "2c01010461636d65010202020202020202020202020202020201010172cd6e8422c407fb6d098690f1130b7d22c76e",
    "49a0cf3272f07e54814fdfda8415ebf6e0a6299fcdc866ec7fcbd0ddccb91098",
);

/// What is to be recorded later gets a tag behind those that are there.
#[test]
fn an_entry_of_another_kind_or_version_is_refused() {
    let bytes = hex::decode(GOLDEN).unwrap();
    let salt = bytes.windows(12).position(|window| window == [9; 12]).unwrap();
    for (place, other) in [(salt + 12, 8), (0, 0), (0, 2)] {
        let mut bytes = bytes.clone();
        bytes[place] = other;
        assert!(decode(&bytes).is_err(), "{place}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(decode(&longer).is_err());
}

#[test]
fn an_entry_of_no_reading_is_refused() {
    let whole = access(Reading::Report);
    let early = Timestamp::from_micros(whole.at.micros() - 1);
    let of = readings(&whole);
    for wrong in [Readings { count: 0, ..of.clone() }, Readings { last_at: early, ..of.clone() }] {
        let wrong = Access { event: AccessEvent::Read(wrong), ..whole.clone() };
        let bytes = encode(&wrong);
        assert!(decode(&bytes).is_err(), "{wrong:?}");
    }
}

#[test]
fn an_entry_never_changes_its_bytes() {
    let bytes = encode(&access(Reading::Report));
    assert_eq!(hex::encode(bytes), GOLDEN);
    let all = ["event", "events", "stream", "history", "report", "entries", "proof", "bundle"];
    let other = encode(&access(Reading::Event));
    for tag in 0..8 {
        let mut bytes = hex::decode(GOLDEN).unwrap();
        let place = bytes.iter().zip(&other).position(|(a, b)| a != b).unwrap();
        bytes[place] = tag;
        let read = decode(&bytes).unwrap();
        assert_eq!(readings(&read).reading.as_str(), all[usize::from(tag)]);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_entry_or_refused(at in 0_usize..200, byte: u8, cut in 0_usize..200) {
        let mut bytes = encode(&access(Reading::Event));
        let place = at % bytes.len();
        bytes[place] = byte;
        bytes.truncate(bytes.len() - cut.min(bytes.len()) / 50);
        if let Ok(read) = decode(&bytes) {
            // One who is nobody reads as erased, and is not written again.
            if let Ok(again) = codec::encode_access(&read, &persons()) {
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
