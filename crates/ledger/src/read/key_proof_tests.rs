//! The table's snapshot says what every key was, proves it, and proves that a key is not there.

use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::{KeyState, Revocation, Rotation};
use signedlog::Leaf;
use tlog::{bucket_of, empty_root, leaf_hash, verify_bucket, verify_in_bucket, verify_inclusion};

use super::*;
use crate::projection::row::Row;
use crate::projection::table_snapshot::RowProof;
use crate::testing::{ManualClock, caller, draft, keyring, open_with, owner};
use crate::{Change, Changes, Options, Role, Signing};

struct Scene {
    ledger: Ledger,
    clock: Arc<ManualClock>,
    keys: Vec<KeyId>,
}

async fn scene(keys: usize) -> Scene {
    let clock = ManualClock::new();
    let signing = Some(Arc::new(Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap()));
    let options = Options { signing, ..Options::default() };
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let ledger = open_with(log, &clock, options).unwrap();
    let mut made = Vec::new();
    for _ in 0..keys {
        let created =
            ledger.create(&owner(), draft(Some(1000)), RequestOptions::default()).await.unwrap();
        made.push(created.key.key.id);
    }
    Scene { ledger, clock, keys: made }
}

impl Scene {
    async fn revoke(&self, key: KeyId) {
        let revoke = Change::Revoke(Revocation::default());
        self.ledger.change(&owner(), key, revoke, RequestOptions::default()).await.unwrap();
    }

    fn prove(&self, key: KeyId) -> KeyProof {
        let auditor = caller(None, Role::Auditor);
        let moment = self.ledger.moment(&auditor, None).unwrap();
        self.ledger.prove_key(&auditor, key, &moment).unwrap()
    }
}

/// The row that the records of a proof make, as far as the table's note reaches.
fn row_of(key: KeyId, proof: &KeyProof) -> Row {
    let snapshot = proof.records.iter().filter(|record| record.seq.0 < proof.table.size);
    let records: Vec<_> = snapshot
        .map(|proved| (&proved.entry, crate::decode(&proved.entry, &keyring()).unwrap()))
        .collect();
    let mut state: Option<KeyState> = None;
    for (_, record) in &records {
        state = match (&record.event, state) {
            (keys::Event::Created(made), None) => Some(KeyState::created(made, record.at)),
            (keys::Event::Created(made), Some(old)) => {
                let until = made.replaces.as_ref().unwrap().valid_until;
                Some(old.replaced(made.id, until, record.at))
            }
            (event, state) => Some(state.unwrap().after(event, record.at)),
        };
    }
    let salt = records.first().unwrap().1.salt;
    Row::of(key, &salt, &state.unwrap(), Leaf::of(records.last().unwrap().0))
}

fn assert_in_table(proof: &KeyProof, row: &RowProof) {
    let (leaf, bucket) = (leaf_hash(&row.row.to_bytes()), bucket_of(&row.row.key));
    let path = [&row.path[..], &proof.bucket.path].concat();
    let place = (row.index, proof.bucket.rows);
    verify_in_bucket(&leaf, bucket, place, &path, &proof.table.root).unwrap();
}

fn assert_records(proof: &KeyProof) {
    for Proved { seq, entry, path } in &proof.records {
        let (leaf, tree) = (leaf_hash(entry), &proof.checkpoint);
        verify_inclusion(&leaf, seq.0, tree.size, path, &tree.root).unwrap();
    }
}

#[tokio::test]
async fn every_key_is_proved_as_its_records_make_it() {
    let mut scene = scene(30).await;
    scene.revoke(scene.keys[3]).await;
    for place in [5, 6] {
        let rotation = Rotation::new(60).unwrap();
        let (ledger, changes) = (&scene.ledger, Changes::default());
        let old = scene.keys[place];
        let new = ledger
            .rotate(&owner(), old, changes, rotation, RequestOptions::default())
            .await
            .unwrap();
        scene.keys.push(new.key.key.id);
    }
    for key in &scene.keys {
        let proof = scene.prove(*key);
        let InTable::Row(row) = &proof.in_table else { panic!("{key} is there") };
        assert_eq!(row.row, row_of(*key, &proof));
        assert_in_table(&proof, row);
        assert_records(&proof);
    }
    let proof = scene.prove(scene.keys[0]);
    assert_eq!(proof.table.size, 33);
    let key = scene.ledger.signing_keys().unwrap().newest().clone();
    let note = tlog::note::open(proof.table.note.as_bytes(), &[key]).unwrap();
    assert_eq!(
        note.text(),
        format!("ledger.example.com/apikeys/table\n33\n{}\n", proof.table.root)
    );
}

#[tokio::test]
async fn a_note_lives_a_minute_and_says_what_was_true_then() {
    let scene = scene(5).await;
    let before = scene.prove(scene.keys[1]);
    scene.revoke(scene.keys[1]).await;
    let after = scene.prove(scene.keys[1]);
    assert_eq!(after.table, before.table);
    assert_eq!((after.records.len(), before.records.len()), (2, 1));
    let InTable::Row(row) = &after.in_table else { panic!("it is there") };
    assert_eq!(row.row, row_of(scene.keys[1], &after), "as of the note, not revoked");
    scene.clock.advance(61);
    let later = scene.prove(scene.keys[1]);
    assert_eq!((before.table.size, later.table.size), (5, 6));
    assert_ne!(later.in_table, after.in_table);
}

#[tokio::test]
async fn that_there_is_no_such_key_is_proved_by_its_neighbours() {
    let empty = scene(0).await.prove(KeyId::from_bytes([1; 16]));
    assert_eq!(empty.in_table, InTable::Absent { before: None, after: None });
    assert_eq!((empty.bucket.rows, empty.table.root), (0, tlog::root_over_buckets([])));
    let scene = scene(9).await;
    for byte in 0..40 {
        let absent = KeyId::from_bytes([byte; 16]);
        let proof = scene.prove(absent);
        let InTable::Absent { before, after } = &proof.in_table else { panic!("there is none") };
        let place = Row::place(absent);
        for row in [before, after].into_iter().flatten() {
            assert_in_table(&proof, row);
        }
        assert!(before.as_ref().is_none_or(|row| row.row.key < place));
        assert!(after.as_ref().is_none_or(|row| place < row.row.key));
        let next = before.as_ref().map_or(0, |row| row.index + 1);
        let bucket = &proof.bucket;
        assert_eq!(after.as_ref().map_or(bucket.rows, |row| row.index), next);
        if bucket.rows == 0 {
            let (root, number) = (&proof.table.root, bucket_of(&place));
            verify_bucket(number, &empty_root(), &bucket.path, root).unwrap();
        }
    }
}

#[tokio::test]
async fn a_caller_of_one_account_is_proved_nothing_of_another() {
    let scene = scene(2).await;
    let stranger = caller(Some("other"), Role::Owner);
    let moment = scene.ledger.moment(&stranger, None).unwrap();
    for key in [scene.keys[0], KeyId::from_bytes([1; 16])] {
        let refused = scene.ledger.prove_key(&stranger, key, &moment);
        assert!(matches!(refused, Err(Error::Refused(Refusal::UnknownKey))), "{refused:?}");
    }
    assert!(matches!(scene.ledger.table_note(&stranger), Err(Error::Forbidden)));
    assert!(scene.ledger.prove_key(&owner(), scene.keys[0], &moment).is_ok());
}

/// A proof is one answer, made in one go: it has a bound, and one of an earlier moment fits.
#[tokio::test]
async fn a_key_with_too_many_records_is_proved_up_to_an_earlier_moment() {
    let scene = scene(2).await;
    let (key, auditor) = (scene.keys[0], caller(None, Role::Auditor));
    for change in [Change::Disable, Change::Enable].into_iter().cycle().take(60) {
        scene.ledger.change(&owner(), key, change, RequestOptions::default()).await.unwrap();
    }
    let prove = |as_of| {
        let moment = scene.ledger.moment(&auditor, as_of).unwrap();
        scene.ledger.prove_key(&auditor, key, &moment)
    };
    let refused = prove(None);
    let (records, most) = (61, MOST_RECORDS);
    assert!(
        matches!(refused, Err(Error::TooManyRecords { records: r, most: m }) if (r, m) == (records, most)),
        "{refused:?}"
    );
    let proof = prove(Some(crate::AsOf::Seq(Seq(50)))).unwrap();
    assert_records(&proof);
    let seqs: Vec<_> = proof.records.iter().map(|record| record.seq.0).collect();
    let expected: Vec<_> = [0].into_iter().chain(2..=50).collect();
    assert_eq!(seqs, expected);
}

#[tokio::test]
async fn while_a_note_is_made_others_get_the_last_one_and_wait_for_nobody() {
    let scene = scene(2).await;
    let auditor = caller(None, Role::Auditor);
    let note = || scene.ledger.table_note(&auditor);
    let notes = &scene.ledger.state().snapshots;
    let making = notes.making.lock();
    assert!(matches!(note(), Err(Error::Overloaded)), "there is none yet");
    drop(making);
    let first = note().unwrap().size;
    scene.revoke(scene.keys[0]).await;
    scene.clock.advance(61);
    let making = notes.making.lock();
    assert_eq!(note().unwrap().size, first);
    drop(making);
    assert_eq!(note().unwrap().size, first + 1);
}
