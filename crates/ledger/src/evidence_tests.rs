//! The log proves itself: live, after a restart, and not when somebody changed it.

use std::sync::Arc;

use eventlog::memory::MemoryLog;
use eventlog::{Extra, Log};
use keys::Revocation;
use tlog::{ProofFile, Rebuild, Tile, TileIndex, TileReader};

use crate::testing::{ManualClock, caller, draft, open_with, owner};
use crate::tree::{Stored, extras_of};
use crate::{
    Change, Ledger, OpenError, Options, ReplayError, RequestOptions, Role, Seq, Signing, TreeError,
};

fn signing() -> Arc<Signing> {
    Arc::new(Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap())
}

fn signed(log: &MemoryLog) -> Ledger {
    try_open(log, false).unwrap()
}

fn try_open(log: &MemoryLog, accept_rollback: bool) -> Result<Ledger, OpenError> {
    let options = Options { signing: Some(signing()), accept_rollback, ..Options::default() };
    open_with(Arc::new(log.clone()), &ManualClock::new(), options)
}

/// Makes that many keys, many at a time, so that appends cross the edges of tiles.
async fn create(ledger: &Ledger, count: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            ledger.create(&owner(), draft(None), RequestOptions::default()).await
        });
    }
    for made in tasks.join_all().await {
        made.unwrap();
    }
}

fn entries(log: &dyn Log) -> Vec<Vec<u8>> {
    log.read(Seq(0), usize::MAX).unwrap().into_iter().map(|read| read.bytes.to_vec()).collect()
}

/// The checkpoint is signed, and the root of all entries; served tiles are what they make.
fn assert_proved(ledger: &Ledger, log: &dyn Log) {
    let checkpoint = ledger.checkpoint().unwrap();
    let read = signing().chain().open(checkpoint.note.as_bytes()).unwrap();
    assert_eq!((read.size(), read.root()), (checkpoint.size, checkpoint.root));
    let tiles = |index: TileIndex| {
        let bytes = ledger.tile(index).unwrap();
        Ok::<_, std::io::Error>(bytes.map(|bytes| Tile::new(index, bytes).unwrap()))
    };
    let mut rebuild = Rebuild::new(&tiles);
    for entry in entries(log) {
        rebuild.push(&entry).unwrap();
    }
    rebuild.finish(checkpoint.size, &checkpoint.root).unwrap();
}

#[tokio::test]
async fn every_size_is_proved_live_and_after_a_restart() {
    let mut log = MemoryLog::new();
    let mut ledger = signed(&log);
    for (more, size) in [(0, 0), (1, 1), (254, 255), (1, 256), (1, 257), (300, 557), (500, 1057)] {
        create(&ledger, more).await;
        assert_eq!(ledger.checkpoint().unwrap().size, size);
        assert_proved(&ledger, &log);
        let before = ledger.checkpoint().unwrap();
        ledger.close().await.unwrap();
        log = log.reopen().unwrap();
        ledger = signed(&log);
        assert_eq!(ledger.checkpoint().unwrap(), before, "the same note: Ed25519 signs alike");
        assert_proved(&ledger, &log);
    }
}

#[tokio::test]
async fn two_ledgers_of_one_log_sign_the_same_tree() {
    let log = MemoryLog::new();
    let (one, two) = (signed(&log), signed(&log));
    for _ in 0..3 {
        create(&one, 130).await;
        create(&two, 130).await;
    }
    one.catch_up().await;
    assert_eq!(one.checkpoint().unwrap(), two.checkpoint().unwrap());
    assert_proved(&one, &log);
}

#[tokio::test]
async fn a_receipt_proves_its_event_and_no_other() {
    let log = MemoryLog::new();
    let ledger = signed(&log);
    // So many that the first tile is read, and those after it are still held.
    create(&ledger, 1300).await;
    let made = ledger.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
    let revoke = Change::Revoke(Revocation::default());
    ledger.change(&owner(), made.key.key.id, revoke, RequestOptions::default()).await.unwrap();
    let entries = entries(&log);
    let key = signing().chain().newest().clone();
    for seq in [0, 1, 254, 255, 256, 257, 1023, 1024, 1279, 1280, 1300, 1301] {
        let entry = ledger.event(&owner(), Seq(seq)).unwrap();
        let receipt = ledger.receipt(&owner(), &entry).unwrap().to_string();
        let receipt: ProofFile = receipt.parse().unwrap();
        let place = usize::try_from(seq).unwrap();
        assert_eq!(receipt.verify(&entries[place], &key).unwrap().size(), 1302, "{seq}");
        assert!(receipt.verify(&entries[(place + 1) % 1302], &key).is_err(), "{seq}");
    }
}

#[tokio::test]
async fn the_log_is_proved_at_every_size_it_had() {
    let log = MemoryLog::new();
    let ledger = signed(&log);
    create(&ledger, 520).await;
    let auditor = caller(None, Role::Auditor);
    let leaves = entries(&log).iter().map(|entry| tlog::leaf_hash(entry)).collect::<Vec<_>>();
    let root = |size: usize| leaves[..size].iter().copied().collect::<tlog::Frontier>().root();
    for (old, new) in [(0, 520), (1, 256), (255, 257), (256, 512), (300, 520), (520, 520)] {
        let (path, size) = ledger.consistency(&auditor, old, Some(new)).unwrap();
        let roots = (root(usize::try_from(old).unwrap()), root(usize::try_from(new).unwrap()));
        assert_eq!(size, new);
        tlog::verify_consistency(old, &roots.0, new, &roots.1, &path).unwrap();
        let Some(seq) = old.checked_sub(1) else { continue };
        let proof = ledger.inclusion(&auditor, Seq(seq), Some(new)).unwrap();
        assert_eq!(proof.leaf, leaves[usize::try_from(seq).unwrap()]);
        tlog::verify_inclusion(&proof.leaf, seq, new, &proof.path, &roots.1).unwrap();
    }
    assert!(ledger.consistency(&auditor, 3, Some(521)).is_err());
    assert!(ledger.inclusion(&auditor, Seq(520), None).is_err());
    assert!(ledger.entries(&owner(), TileIndex::full(0, 0).unwrap()).is_err());
    assert_eq!(ledger.tile(TileIndex::full(0, 2).unwrap()).unwrap(), None);
}

/// Another log with these records, and the tiles and the seal of `log`: what somebody makes who
/// edits the data directory and gets every checksum right.
fn forged(log: &MemoryLog, records: &[Vec<u8>], tiles: impl Fn(Tile) -> Option<Tile>) -> MemoryLog {
    let other = MemoryLog::new();
    let size = log.length().borrow().0;
    let full = tlog::tiles_of(size).filter(|index| index.is_full());
    let stored = full.filter_map(|index| Stored(log).tile(index).unwrap());
    let extras: Vec<Extra> = stored.filter_map(tiles).flat_map(|tile| extras_of(&tile)).collect();
    other.append(Seq(0), records, &extras).unwrap();
    other.seal(log.guarded().seal.unwrap());
    other.reopen().unwrap()
}

#[tokio::test]
async fn a_log_that_somebody_changed_is_refused_and_says_where() {
    let log = MemoryLog::new();
    let ledger = signed(&log);
    create(&ledger, 600).await;
    ledger.close().await.unwrap();
    let log = log.reopen().unwrap();
    let records = entries(&log);
    // Records of the same length that decode: another one's bytes in its place.
    let swapped = |a: usize, b: usize| {
        let mut records = records.clone();
        records.swap(a, b);
        records
    };
    let refusal = |log: &MemoryLog| match try_open(log, false) {
        Err(OpenError::Replay(ReplayError::Tree(error))) => error,
        other => panic!("{:?}", other.map(|ledger| ledger.stats())),
    };
    let (same, early, late) = (records.clone(), swapped(300, 310), swapped(598, 599));
    assert!(try_open(&forged(&log, &same, Some), false).is_ok());
    let at_300 = refusal(&forged(&log, &early, Some));
    assert!(matches!(at_300, TreeError::Record { seq: Seq(300), .. }), "{at_300}");
    let at_the_end = refusal(&forged(&log, &late, Some));
    assert!(matches!(at_the_end, TreeError::Root { sealed: 600 }), "{at_the_end}");
    let cut = refusal(&forged(&log, &records[..590], Some));
    let shorter = TreeError::Shorter { length: Seq(590), sealed: 600 };
    assert_eq!(cut.to_string(), shorter.to_string());
    let no_tile = refusal(&forged(&log, &same, |tile| (tile.index().number() > 0).then_some(tile)));
    assert!(matches!(no_tile, TreeError::Missing { seq: Seq(255), .. }), "{no_tile}");
    // A forged record with a forged tile that fits it: the root still tells.
    let forged_tile = |tile: Tile| {
        let leaves = early.iter().skip(usize::try_from(tile.index().number()).unwrap() * 256);
        let hashes = leaves.take(256).flat_map(|entry| tlog::leaf_hash(entry).0).collect();
        (tile.index().level() == 0).then(|| Tile::new(tile.index(), hashes).unwrap())
    };
    let forged_both = refusal(&forged(&log, &early, forged_tile));
    assert!(matches!(forged_both, TreeError::Root { sealed: 600 }), "{forged_both}");
    for refused in [&at_300, &at_the_end, &cut, &no_tile, &forged_both] {
        assert!(refused.to_string().contains("--accept-rollback"), "{refused}");
    }
}

#[tokio::test]
async fn what_an_operator_accepts_is_mended_and_opens_from_then_on() {
    let log = MemoryLog::new();
    let ledger = signed(&log);
    create(&ledger, 600).await;
    ledger.close().await.unwrap();
    let log = log.reopen().unwrap();
    let mut records = entries(&log);
    records.truncate(530);
    records.swap(3, 4);
    let other = forged(&log, &records, |tile| (tile.index().number() > 0).then_some(tile));
    let mended = try_open(&other, true).unwrap();
    assert_proved(&mended, &other);
    mended.close().await.unwrap();
    assert_proved(&signed(&other.reopen().unwrap()), &other);
}

#[test]
fn a_seal_that_the_log_never_made_is_refused() {
    let log = MemoryLog::new();
    drop(signed(&log));
    let stranger = Signing::new("other.example.com/log", [1; 32]).unwrap();
    let note = stranger.sign("other.example.com/log\n0\nAAAA\n").unwrap();
    for seal in [note.into_bytes(), b"nothing of the kind".to_vec()] {
        log.seal(seal.into());
        let refused = try_open(&log.reopen().unwrap(), false);
        let Err(OpenError::Replay(ReplayError::Tree(TreeError::Seal))) = refused else {
            panic!("it was opened");
        };
    }
}
