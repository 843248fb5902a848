//! The log proves itself: live, after it was opened again, and not when somebody changed it.

use std::sync::Arc;

use eventlog::memory::{Fault, MemoryLog};
use eventlog::{AppendError, Extra, Log, Seq};
use tlog::{ProofFile, Rebuild, Tile, TileIndex, TileReader as _};

use crate::tiles::{StoredTiles, extras_of};
use crate::{
    CloseError, IntegrityError, Leaf, Mismatch, ProofError, ReplayError, SignedLog, Signing,
};

mod catch_up;

fn signing() -> Arc<Signing> {
    Arc::new(Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap())
}

fn try_open(log: &MemoryLog, mismatch: Mismatch) -> Result<SignedLog, ReplayError> {
    SignedLog::open(Arc::new(log.clone()), Some(signing()), mismatch, |_| Ok(()), drop)
}

fn open(log: &MemoryLog) -> SignedLog {
    try_open(log, Mismatch::Refuse).unwrap()
}

/// Records that nobody but this test understands.
fn records(from: u64, count: u64) -> Vec<Vec<u8>> {
    (from..from + count).map(|number| format!("record {number}").into_bytes()).collect()
}

fn append(signed: &SignedLog, count: u64) {
    let end = signed.length();
    let first = signed.append(end, &records(end.0, count)).unwrap();
    assert_eq!(first, end);
    signed.publish(signed.length());
}

fn entries(log: &dyn Log) -> Vec<Vec<u8>> {
    log.read(Seq(0), usize::MAX).unwrap().into_iter().map(|read| read.bytes.to_vec()).collect()
}

/// The checkpoint is signed, and the root of all entries; served tiles are what they make.
fn assert_proved(signed: &SignedLog) {
    let head = signed.head();
    let checkpoint = head.checkpoint().unwrap();
    let read = signing().chain().open(checkpoint.note.as_bytes()).unwrap();
    assert_eq!((read.size(), read.root()), (checkpoint.size, checkpoint.root));
    assert_eq!((head.size(), head.root()), (checkpoint.size, checkpoint.root));
    let tiles = |index: TileIndex| {
        let bytes = head.tile(index).unwrap();
        Ok::<_, std::io::Error>(bytes.map(|bytes| Tile::new(index, bytes).unwrap()))
    };
    let mut rebuild = Rebuild::new(&tiles);
    for entry in entries(signed.stored()) {
        rebuild.push(&entry).unwrap();
    }
    rebuild.finish(checkpoint.size, &checkpoint.root).unwrap();
}

#[tokio::test]
async fn every_size_is_proved_live_and_after_a_restart() {
    let mut log = MemoryLog::new();
    let mut signed = open(&log);
    for (more, size) in [(0, 0), (1, 1), (254, 255), (1, 256), (1, 257), (300, 557), (500, 1057)] {
        if more > 0 {
            append(&signed, more);
        }
        assert_eq!(signed.head().size(), size);
        assert_proved(&signed);
        let before = signed.head().checkpoint().unwrap().clone();
        signed.close().await.unwrap();
        log = log.reopen().unwrap();
        signed = open(&log);
        let after = signed.head().checkpoint().unwrap().clone();
        assert_eq!(after, before, "the same note: Ed25519 signs alike");
        assert_eq!(*signed.published().borrow(), Seq(size));
        assert_proved(&signed);
    }
}

#[test]
fn records_come_back_in_order_with_their_leaves() {
    let log = MemoryLog::new();
    append(&open(&log), 5_000);
    let mut read = Vec::new();
    let decode = |record: &eventlog::Record| Ok::<_, ReplayError>(record.bytes.to_vec());
    let signed = SignedLog::open(
        Arc::new(log.reopen().unwrap()),
        Some(signing()),
        Mismatch::Refuse,
        decode,
        |chunk| {
            assert_eq!(chunk.iter().next().map(|(seq, _, _)| seq.0), Some(read.len() as u64));
            for (_, leaf, record) in chunk.iter() {
                assert_eq!(leaf, Leaf::of(record));
            }
            read.extend(chunk.into_records().map(|(_, record)| record));
        },
    );
    assert_eq!(signed.unwrap().head().size(), 5_000);
    assert_eq!(read, records(0, 5_000));
}

#[test]
fn a_log_that_is_shorter_than_it_says_is_an_error() {
    let log = MemoryLog::new();
    let signed = open(&log);
    append(&signed, 3);
    let other = open(&log);
    let caught_up = other.catch_up(Seq(9), |_| Ok::<_, ReplayError>(()), drop);
    let Err(ReplayError::Ended { end: Seq(3), length: Seq(9) }) = caught_up else {
        panic!("{caught_up:?}");
    };
}

#[test]
fn a_record_that_the_client_refuses_ends_the_replay() {
    #[derive(Debug)]
    enum Refused {
        Record(Seq),
        Replay,
    }
    impl From<ReplayError> for Refused {
        fn from(_: ReplayError) -> Refused {
            Refused::Replay
        }
    }
    let log = MemoryLog::new();
    append(&open(&log), 5_000);
    let decode = |record: &eventlog::Record| match record.seq {
        Seq(4_321) => Err(Refused::Record(record.seq)),
        _ => Ok(()),
    };
    let opened = SignedLog::open(Arc::new(log), Some(signing()), Mismatch::Refuse, decode, drop);
    assert!(matches!(opened.err(), Some(Refused::Record(Seq(4_321)))));
}

#[test]
fn an_append_that_failed_is_not_signed() {
    for fault in [Fault::Lose, Fault::Keep] {
        let log = MemoryLog::new();
        let signed = open(&log);
        append(&signed, 3);
        log.fail_next(fault);
        let failed = signed.append(Seq(3), &records(3, 2)).unwrap_err();
        assert!(matches!(failed, AppendError::Broken(_)), "{failed}");
        assert_eq!(signed.head().size(), 3);
        assert!(!signed.is_writable());
        // What became of the records shows when the log is read again.
        let again = open(&log.reopen().unwrap());
        assert_eq!(again.head().size(), again.length().0);
        assert_proved(&again);
    }
}

#[test]
fn a_log_without_a_key_keeps_no_tree() {
    let log = MemoryLog::new();
    let shared: Arc<dyn Log> = Arc::new(log.clone());
    let decode = |_: &eventlog::Record| Ok::<_, ReplayError>(());
    let plain = SignedLog::open(shared, None, Mismatch::Refuse, decode, drop).unwrap();
    append(&plain, 300);
    assert_eq!((plain.head().size(), plain.length()), (0, Seq(300)));
    assert!(matches!(plain.head().checkpoint(), Err(ProofError::NotSigned)));
    assert!(matches!(plain.head().receipt(Seq(0)), Err(ProofError::NotSigned)));
    assert!(plain.key_chain().is_err());
    assert_eq!(log.guarded().seal, None);
    assert!(StoredTiles(&log).tile(TileIndex::full(0, 0).unwrap()).unwrap().is_none());
}

#[test]
fn a_receipt_proves_its_record_and_no_other() {
    let log = MemoryLog::new();
    let signed = open(&log);
    // So many that the first tile is read, and those after it are still held.
    for _ in 0..14 {
        append(&signed, 93);
    }
    let entries = entries(&log);
    let key = signing().chain().newest().clone();
    for seq in [0, 1, 254, 255, 256, 257, 1023, 1024, 1279, 1280, 1300, 1301] {
        let receipt = signed.head().receipt(Seq(seq)).unwrap().to_string();
        let receipt: ProofFile = receipt.parse().unwrap();
        let place = usize::try_from(seq).unwrap();
        assert_eq!(receipt.verify(&entries[place], &key).unwrap().size(), 1302, "{seq}");
        assert!(receipt.verify(&entries[(place + 1) % 1302], &key).is_err(), "{seq}");
    }
    assert!(signed.head().receipt(Seq(1302)).is_err());
}

/// The newest are made of what is in memory, the others of stored tiles.
#[test]
fn a_receipt_is_the_same_however_it_is_made() {
    let log = MemoryLog::new();
    let signed = open(&log);
    for size in [1, 255, 256, 257, 1_300, 2_600] {
        append(&signed, size - signed.length().0);
        let head = signed.head();
        for seq in (0..size).step_by(41).chain([size - 1]) {
            let path = head.inclusion(Seq(seq), None).unwrap().path;
            let plain = ProofFile::new(seq, path, &head.checkpoint().unwrap().note).unwrap();
            let receipt = head.receipt(Seq(seq)).unwrap();
            assert_eq!(receipt.to_string(), plain.to_string(), "{seq} of {size}");
            let mut quoted = Vec::new();
            receipt.push_beginning(&mut quoted, "\\n");
            quoted.extend(receipt.tail().quoted(|text| text.replace('\n', "\\n")).as_bytes());
            assert_eq!(quoted, plain.to_string().replace('\n', "\\n").as_bytes());
        }
    }
}

#[test]
fn receipts_of_one_checkpoint_share_their_tail() {
    let log = MemoryLog::new();
    let signed = open(&log);
    append(&signed, 200);
    let head = signed.head();
    let quoted = |seq| {
        let receipt = head.receipt(Seq(seq)).unwrap();
        receipt.tail().quoted(|text| format!("{seq}: {text}")).to_owned()
    };
    assert!(quoted(3).starts_with("3: "));
    assert_eq!(quoted(7), quoted(3), "the text was made once");
}

#[test]
fn the_log_is_proved_at_every_size_it_had() {
    let log = MemoryLog::new();
    let signed = open(&log);
    append(&signed, 520);
    let head = signed.head();
    let leaves = entries(&log).iter().map(|entry| tlog::leaf_hash(entry)).collect::<Vec<_>>();
    let root = |size: u64| {
        let leaves = leaves[..usize::try_from(size).unwrap()].iter().copied();
        leaves.collect::<tlog::Frontier>().root()
    };
    for (old, new) in [(0, 520), (1, 256), (255, 257), (256, 512), (300, 520), (520, 520)] {
        let proof = head.consistency(old, Some(new)).unwrap();
        assert_eq!(proof.size, new);
        tlog::verify_consistency(old, &root(old), new, &root(new), &proof.path).unwrap();
        assert_eq!(head.root_at(new).unwrap(), root(new));
        let Some(seq) = old.checked_sub(1) else { continue };
        let proof = head.inclusion(Seq(seq), Some(new)).unwrap();
        assert_eq!(proof.leaf, leaves[usize::try_from(seq).unwrap()]);
        tlog::verify_inclusion(&proof.leaf, seq, new, &proof.path, &root(new)).unwrap();
    }
    let together = head.audit_paths([Seq(519), Seq(0)], None).unwrap();
    let alone = [519, 0].map(|seq| head.inclusion(Seq(seq), None).unwrap().path);
    assert_eq!(together, alone);
    assert!(matches!(
        head.consistency(3, Some(521)),
        Err(ProofError::BeyondTheLog { length: Seq(520) })
    ));
    assert!(head.inclusion(Seq(520), None).is_err());
    assert_eq!(head.tile(TileIndex::full(0, 2).unwrap()).unwrap(), None);
    assert_eq!(head.entries(TileIndex::full(0, 2).unwrap()).unwrap(), None);
    let bundle = head.entries(TileIndex::full(0, 1).unwrap()).unwrap().unwrap();
    assert_eq!(tlog::entries::decode(&bundle).unwrap(), records(256, 256));
}

#[test]
fn a_head_stays_as_it_was_when_it_was_taken() {
    let log = MemoryLog::new();
    let signed = open(&log);
    append(&signed, 250);
    let taken = signed.head();
    let before = taken.receipt(Seq(100)).unwrap().to_string();
    append(&signed, 2_000);
    assert_eq!((taken.size(), signed.head().size()), (250, 2_250));
    assert_eq!(taken.receipt(Seq(100)).unwrap().to_string(), before);
    assert!(taken.inclusion(Seq(250), None).is_err());
}

/// Another log with these records, and the tiles and the seal of `log`: what somebody makes who
/// edits the data directory and gets every checksum right.
fn forged(log: &MemoryLog, records: &[Vec<u8>], tiles: impl Fn(Tile) -> Option<Tile>) -> MemoryLog {
    let other = MemoryLog::new();
    let size = log.length().borrow().0;
    let full = tlog::tiles_of(size).filter(|index| index.is_full());
    let stored = full.filter_map(|index| StoredTiles(log).tile(index).unwrap());
    let extras: Vec<Extra> = stored.filter_map(tiles).flat_map(|tile| extras_of(&tile)).collect();
    other.append(Seq(0), records, &extras).unwrap();
    other.seal(log.guarded().seal.unwrap());
    other.reopen().unwrap()
}

/// A closed log of 600 records.
async fn log_of_600() -> MemoryLog {
    let log = MemoryLog::new();
    let signed = open(&log);
    append(&signed, 350);
    append(&signed, 250);
    signed.close().await.unwrap();
    log.reopen().unwrap()
}

#[tokio::test]
async fn a_log_that_somebody_changed_is_refused_and_says_where() {
    let log = log_of_600().await;
    let records = entries(&log);
    // Records of the same length: another one's bytes in its place.
    let swapped = |a: usize, b: usize| {
        let mut records = records.clone();
        records.swap(a, b);
        records
    };
    let refusal = |log: &MemoryLog| match try_open(log, Mismatch::Refuse) {
        Err(ReplayError::Integrity(error)) => error,
        other => panic!("{:?}", other.map(|signed| signed.length())),
    };
    let (same, early, late) = (records.clone(), swapped(300, 310), swapped(598, 599));
    assert!(try_open(&forged(&log, &same, Some), Mismatch::Refuse).is_ok());
    let at_300 = refusal(&forged(&log, &early, Some));
    assert!(matches!(at_300, IntegrityError::Record { seq: Seq(300), .. }), "{at_300}");
    assert_eq!(refusal(&forged(&log, &late, Some)), IntegrityError::Root { sealed: 600 });
    let cut = refusal(&forged(&log, &records[..590], Some));
    assert_eq!(cut, IntegrityError::Shorter { length: Seq(590), sealed: 600 });
    let no_tile = refusal(&forged(&log, &same, |tile| (tile.index().number() > 0).then_some(tile)));
    assert!(matches!(no_tile, IntegrityError::Missing { seq: Seq(255), .. }), "{no_tile}");
    // A forged record with a forged tile that fits it: the root still tells.
    let forged_tile = |tile: Tile| {
        let leaves = early.iter().skip(usize::try_from(tile.index().number()).unwrap() * 256);
        let hashes = leaves.take(256).flat_map(|entry| tlog::leaf_hash(entry).0).collect();
        (tile.index().level() == 0).then(|| Tile::new(tile.index(), hashes).unwrap())
    };
    assert_eq!(refusal(&forged(&log, &early, forged_tile)), IntegrityError::Root { sealed: 600 });
}

#[tokio::test]
async fn what_an_operator_accepts_is_mended_and_opens_from_then_on() {
    let log = log_of_600().await;
    let mut records = entries(&log);
    records.truncate(530);
    records.swap(3, 4);
    let other = forged(&log, &records, |tile| (tile.index().number() > 0).then_some(tile));
    let mended = try_open(&other, Mismatch::Accept).unwrap();
    assert_proved(&mended);
    mended.close().await.unwrap();
    assert_proved(&open(&other.reopen().unwrap()));
}

#[test]
fn a_seal_that_the_log_never_made_is_refused() {
    let log = MemoryLog::new();
    drop(open(&log));
    let stranger = Signing::new("other.example.com/log", [1; 32]).unwrap();
    let note = stranger.sign("other.example.com/log\n0\nAAAA\n").unwrap();
    for seal in [note.into_bytes(), b"nothing of the kind".to_vec()] {
        log.seal(seal.into());
        let refused = try_open(&log.reopen().unwrap(), Mismatch::Refuse);
        let Err(ReplayError::Integrity(IntegrityError::Seal)) = refused else {
            panic!("it was opened");
        };
    }
}

#[tokio::test]
async fn a_closed_log_is_still_read_and_takes_nothing() {
    let log = MemoryLog::new();
    let signed = open(&log);
    append(&signed, 3);
    let closed: Result<(), CloseError> = signed.close().await;
    closed.unwrap();
    assert!(signed.append(Seq(3), &records(3, 1)).is_err());
    assert!(!signed.is_writable());
    assert_proved(&signed);
}
