//! Who read the trail is on record, across restarts, in bytes that never change.

use eventlog::memory::{Fault, MemoryLog};
use proptest::prelude::*;

use super::*;
use crate::Duty;
use crate::testing::{ManualClock, caller, owner};

fn open(log: &MemoryLog) -> Journal {
    let signing = Signing::new("ledger.example.com/apikeys/access", [9; 32]).unwrap();
    let log = Arc::new(log.clone());
    Journal::open(log, ManualClock::new(), Arc::new(signing), false).unwrap()
}

fn range(from: u64, until: u64) -> Range {
    Range { from: Seq(from), until: Some(Seq(until)), ..Range::default() }
}

fn entries(journal: &Journal) -> Vec<(u64, u64, Reading)> {
    let page = journal.page(&caller(None, Duty::Auditor), Seq(0), 500).unwrap();
    page.items.iter().map(|(seq, access)| (seq.0, access.from.0, access.reading)).collect()
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
    let page = journal.page(&caller(None, Duty::Auditor), Seq(0), 2).unwrap();
    assert_eq!(page.next, Some(Seq(2)));
    assert_eq!(page.items[0].1.actor.subject, owner().identity.subject);
    assert!(matches!(journal.page(&owner(), Seq(0), 2), Err(Error::Forbidden)));
}

#[tokio::test]
async fn two_journals_of_one_log_take_turns() {
    let log = MemoryLog::new();
    let (one, two) = (open(&log), open(&log));
    for from in 0..3 {
        one.record(&owner(), Reading::Events, range(from, 100)).await.unwrap();
        two.record(&owner(), Reading::Report, range(from, 100)).await.unwrap();
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
    Access {
        at: Timestamp::from_micros(1_700_000_000_000_001),
        actor: Actor {
            subject: keys::Subject::new("ann").unwrap(),
            account: Some(Account::new("acme").unwrap()),
            via: crate::Via::Token { issuer: "keyledger".into(), jti: Some("t1".into()) },
        },
        origin: Origin { ip: Some([203, 0, 113, 7].into()), request_id: Some("r1".into()) },
        reading,
        from: Seq(5),
        until: Some(Seq(300)),
        account: Some(Account::new("acme").unwrap()),
        key: Some(KeyId::from_bytes([2; 16])),
        salt: [9; 16],
    }
}

/// Written once, never again: `schemas/access.md` describes it.
const GOLDEN: &str = concat!(
    "01fd02803c3048140c0003616e6e010461636d6500096b65796c6564676572010274310100cb007107010272310405",
    "01fb2c01010461636d65010202020202020202020202020202020209090909090909090909090909090909",
);

#[test]
fn an_entry_never_changes_its_bytes() {
    let bytes = codec::encode_access(&access(Reading::Report));
    assert_eq!(hex::encode(bytes), GOLDEN);
    let all = ["event", "events", "stream", "history", "report", "entries", "proof", "bundle"];
    let other = codec::encode_access(&access(Reading::Event));
    for tag in 0..8 {
        let mut bytes = hex::decode(GOLDEN).unwrap();
        let place = bytes.iter().zip(&other).position(|(a, b)| a != b).unwrap();
        bytes[place] = tag;
        let read = codec::decode_access(&bytes, &mut Interner::default()).unwrap();
        assert_eq!(read.reading.as_str(), all[usize::from(tag)]);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_entry_or_refused(at in 0_usize..200, byte: u8, cut in 0_usize..200) {
        let mut bytes = codec::encode_access(&access(Reading::Event));
        let place = at % bytes.len();
        bytes[place] = byte;
        bytes.truncate(bytes.len() - cut.min(bytes.len()) / 50);
        if let Ok(read) = codec::decode_access(&bytes, &mut Interner::default()) {
            prop_assert_eq!(codec::encode_access(&read), bytes);
        }
    }
}
