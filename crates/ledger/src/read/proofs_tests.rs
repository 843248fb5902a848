//! The ledger's log proves itself to callers: live, after a restart, and not when it was changed.

use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use keys::Revocation;
use tlog::{ProofFile, Rebuild, Tile, TileIndex};

use crate::testing::{ManualClock, caller, draft, open_with, owner};
use crate::{
    Change, Consistency, Ledger, OpenError, Options, ReplayError, RequestOptions, Role, Seq,
    Signing,
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
        let Consistency { path, size } = ledger.consistency(&auditor, old, Some(new)).unwrap();
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

/// What somebody does who cuts the log short and gets every checksum right.
#[tokio::test]
async fn a_log_that_is_not_what_was_signed_is_refused_unless_an_operator_accepts_it() {
    let log = MemoryLog::new();
    let ledger = signed(&log);
    create(&ledger, 600).await;
    ledger.close().await.unwrap();
    let log = log.reopen().unwrap();
    let cut = MemoryLog::new();
    cut.append(Seq(0), &entries(&log)[..590], &[]).unwrap();
    cut.seal(log.guarded().seal.unwrap());
    let cut = cut.reopen().unwrap();
    let refused = match try_open(&cut, false) {
        Err(OpenError::Replay(error @ ReplayError::Integrity(_))) => error.to_string(),
        other => panic!("{:?}", other.map(|ledger| ledger.stats())),
    };
    assert!(refused.contains("is missing") && refused.contains("from a backup"), "{refused}");
    let accepted = try_open(&cut, true).unwrap();
    assert_proved(&accepted, &cut);
    accepted.close().await.unwrap();
    assert_proved(&signed(&cut.reopen().unwrap()), &cut);
}
