//! What a ledger wrote is found good; what anybody changed in it, with every hash made right again,
//! is found.

mod any;
mod authority;
mod forgeries;

use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{Dialect, Refusal, Rule};

use super::*;
use crate::testing::{ManualClock, decoder, draft, keyring, open, owner};
use crate::{Caller, NewKeyRequest, RequestOptions};

/// Reads a whole log back.
fn records(log: &dyn Log) -> Vec<Record> {
    let read = log.read(Seq(0), usize::MAX).unwrap();
    read.iter().map(|stored| crate::decode(&stored.bytes, &keyring()).unwrap()).collect()
}

/// Encodes the records anew and makes every leaf in every link right, as a forger would.
fn chained(records: &[Record]) -> Vec<Vec<u8>> {
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut stored = Vec::new();
    for record in records {
        let mut record = record.clone();
        for link in std::iter::once(&mut record.links.own).chain(&mut record.links.others) {
            if let Some((seq, leaf)) = &mut link.previous {
                *leaf = leaves.get(usize::try_from(seq.0).unwrap()).copied().unwrap_or(*leaf);
            }
        }
        // Whoever has the signing key has those of all persons too.
        record.persons.owner = record.persons.owner.or(record.persons.actor);
        let bytes = codec::encode(&record, &keyring()).unwrap();
        leaves.push(Leaf::of(&bytes));
        stored.push(bytes);
    }
    stored
}

fn judge(stored: &[Vec<u8>]) -> Result<Auditor, Finding> {
    let (mut decoder, mut auditor) = (decoder(), Auditor::whole());
    for (seq, bytes) in (0..).zip(stored) {
        auditor.push(&decoder.read(Seq(seq), bytes)?)?;
    }
    Ok(auditor)
}

fn caller_by(dialect: Dialect) -> Caller {
    Caller { dialect, ..owner() }
}

fn capped() -> NewKeyRequest {
    let policy = Policy { owner_active: Dialect::Callcov.most_active(), ..Policy::default() };
    NewKeyRequest { policy, ..draft(None) }
}

#[tokio::test]
async fn a_leaf_that_is_not_chained_is_found() {
    let mut stored = chained(&forgeries::story().await);
    let mut changed = crate::decode(&stored[0], &keyring()).unwrap();
    changed.salt[0] ^= 1;
    stored[0] = codec::encode(&changed, &keyring()).unwrap();
    let found = judge(&stored).err().unwrap().to_string();
    assert!(found.ends_with("has the wrong previous record"), "{found}");
    stored[1].push(0);
    let found = judge(&stored).err().unwrap();
    assert!(matches!(found.violation, Violation::Unreadable(_)), "{found}");
}

#[tokio::test]
async fn a_cap_that_was_passed_over_is_found() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    let caller = caller_by(Dialect::Callcov);
    for _ in 0..10 {
        ledger.create(&caller, capped(), RequestOptions::default()).await.unwrap();
    }
    assert!(judge(&chained(&records(log.as_ref()))).is_ok());
    // A handler that forgets the cap cannot say that it was kept.
    ledger.create(&caller, draft(None), RequestOptions::default()).await.unwrap();
    let mut forged = records(log.as_ref());
    assert!(judge(&chained(&forged)).is_ok());
    let tenth = forged[9].rules.clone();
    let last = forged.last_mut().unwrap();
    last.rules = tenth;
    let found = judge(&chained(&forged)).err().unwrap();
    assert!(matches!(found.violation, Violation::Refused(Refusal::ActiveKeyLimit(10))), "{found}");
    // Nor by a smaller number of keys, or a larger cap.
    for (most, counted, want) in
        [(11, 9, "do not give it"), (11, 10, "good"), (10, 10, "at most 10")]
    {
        let last = forged.last_mut().unwrap();
        last.rules = vec![Rule::OwnerActive { most, counted }];
        let verdict = judge(&chained(&forged)).err().map_or("good".into(), |f| f.to_string());
        assert!(verdict.contains(want), "{verdict}");
    }
}

#[tokio::test]
async fn a_handle_given_twice_is_found() {
    let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
    let ledger = open(&log, &clock);
    for _ in 0..2 {
        let caller = caller_by(Dialect::Cloudsigma);
        let policy = Policy { unique_prefix: true, ..Policy::default() };
        let wanted = NewKeyRequest { policy, ..draft(None) };
        ledger.create(&caller, wanted, RequestOptions::default()).await.unwrap();
    }
    let mut records_read = records(log.as_ref());
    assert!(judge(&chained(&records_read)).is_ok());
    let Event::Created(first) = records_read[0].event.clone() else { panic!() };
    forgeries::made(&mut records_read[1], |key| key.prefix = first.prefix.clone());
    let found = judge(&chained(&records_read)).err().unwrap();
    assert!(matches!(found.violation, Violation::Refused(Refusal::PrefixTaken)), "{found}");
}
