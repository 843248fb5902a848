//! Every kind of damage, made on purpose, is found where it is.

use crate::{
    CheckError, Damage, DamageKind, Extra, Log, MAX_EXTRA, ReadError, Seq,
    frame::Frame,
    memory::MemoryLog,
    store::{Change, Store, extra_key, frame_key},
};

/// Four appends: records 0 to 4, 5 to 9, 10 to 11 in two frames, and 12.
fn log() -> MemoryLog {
    let log = MemoryLog::new();
    for (at, records) in [(0, vec![vec![1; 9]; 5]), (5, vec![vec![2; 9]; 5])] {
        log.append(Seq(at), &records, &[]).unwrap();
    }
    log.append(Seq(10), &vec![vec![3; 5_000]; 2], &[]).unwrap();
    log.append(Seq(12), &[vec![4]], &[]).unwrap();
    log
}

fn put(log: &MemoryLog, at: u64, bytes: Vec<u8>) {
    log.engine().store().write(vec![Change::Put(frame_key(Seq(at)).into(), bytes)]).unwrap();
}

fn frame(log: &MemoryLog, at: u64) -> Frame {
    let bytes = log.engine().store().get(&frame_key(Seq(at))).unwrap().unwrap();
    Frame::decode(&bytes).unwrap()
}

fn damage(log: &MemoryLog) -> (u64, DamageKind) {
    let mut last = Seq(0);
    let found = log.check(&mut |seq| last = seq).unwrap_err();
    let CheckError::Damaged(Damage { at, kind }) = found else { panic!("{found}") };
    assert_eq!(at, last, "what was said to be in order is up to the damage");
    (at.get(), kind)
}

#[test]
fn a_log_in_order_passes_and_says_how_far_it_is() {
    let log = log();
    let mut seen = Vec::new();
    let checked = log.check(&mut |seq| seen.push(seq.get())).unwrap();
    assert_eq!((checked.records, checked.frames), (Seq(13), 5));
    assert_eq!(seen, [5, 10, 11, 12, 13]);
}

#[test]
fn a_missing_frame_is_found() {
    for (at, missing) in [(0, 0), (5, 5), (12, 12)] {
        let log = log();
        let key = frame_key(Seq(missing)).into();
        log.engine().store().write(vec![Change::Remove(key)]).unwrap();
        assert_eq!(damage(&log), (at, DamageKind::Gap));
        let read = log.read(Seq(0), 100).unwrap_err();
        assert!(
            matches!(read, ReadError::Damaged(Damage { at: Seq(gap), kind: DamageKind::Gap }) if gap == at)
        );
        assert_eq!(log.read(Seq(0), usize::try_from(at).unwrap()).unwrap().len() as u64, at);
    }
}

#[test]
fn a_changed_byte_is_found() {
    let log = log();
    let mut bytes = frame(&log, 5).encode();
    bytes[80] ^= 1;
    put(&log, 5, bytes);
    assert_eq!(damage(&log), (5, DamageKind::Checksum));
    assert!(log.read(Seq(7), 1).is_err());
    assert_eq!(log.read(Seq(3), 2).unwrap().len(), 2);
}

#[test]
fn a_frame_that_was_forged_with_its_checksum_is_found() {
    let log = log();
    let mut forged = frame(&log, 5);
    forged.records[2] = vec![9; 9].into();
    put(&log, 5, forged.encode());
    assert_eq!(damage(&log), (10, DamageKind::Chain));
}

#[test]
fn a_frame_in_the_wrong_place_is_found() {
    let log = log();
    put(&log, 5, frame(&log, 0).encode());
    assert_eq!(damage(&log), (5, DamageKind::Place));
    assert!(log.read(Seq(5), 1).is_err());
}

#[test]
fn an_append_that_lacks_a_part_is_found() {
    let log = log();
    let mut forged = frame(&log, 12);
    (forged.place, forged.number) = (1, 2);
    put(&log, 12, forged.encode());
    assert_eq!(damage(&log), (12, DamageKind::Append));
    forged.place = 0;
    put(&log, 12, forged.encode());
    assert_eq!(damage(&log), (13, DamageKind::Append));
}

#[test]
fn an_extra_that_is_too_long_is_found() {
    let log = log();
    log.append(Seq(13), &[], &[Extra { key: vec![1], value: vec![0; MAX_EXTRA] }]).unwrap();
    assert_eq!(log.check(&mut |_| ()).unwrap().extras, 1);
    let change = Change::Put(extra_key(&[2]), vec![0; MAX_EXTRA + 1]);
    log.engine().store().write(vec![change]).unwrap();
    assert_eq!(damage(&log), (13, DamageKind::Extra));
}
