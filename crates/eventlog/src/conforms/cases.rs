//! The cases of the suite.

use std::{sync::mpsc, thread, time::Duration};

use super::Subject;
use crate::{
    AppendError, Broken, CloseError, Extra, Guarded, Log, MAX_EXTRA, MAX_EXTRA_KEY, MAX_RECORD,
    Seq, memory::Fault,
};

/// Numbers that are the same for the same seed (xorshift64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn len(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(sides).unwrap())).unwrap()
    }

    /// Mostly short ones, some of every length.
    pub(crate) fn record(&mut self) -> Vec<u8> {
        let length = if self.roll(8) == 0 { self.len(MAX_RECORD + 1) } else { self.len(400) };
        let byte = u8::try_from(self.roll(256)).unwrap();
        vec![byte; length]
    }
}

pub(crate) fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(crate) fn all(log: &impl Log) -> Vec<Vec<u8>> {
    let records = log.read(Seq(0), usize::MAX).unwrap();
    for (record, seq) in records.iter().zip(0..) {
        assert_eq!(record.seq, Seq(seq));
    }
    records.into_iter().map(|record| record.bytes.to_vec()).collect()
}

pub(crate) fn end(log: &impl Log) -> Seq {
    *log.length().borrow()
}

pub(super) fn a_new_log_is_empty<S: Subject>() {
    let subject = S::fresh().reopen();
    let log = subject.log();
    assert_eq!(end(log), Seq(0));
    assert!(all(log).is_empty());
    assert!(log.extra(b"none").unwrap().is_none());
    assert!(log.health().is_ok());
    assert_eq!(log.append(Seq(0), &[], &[]).unwrap(), Seq(0));
    assert_eq!(subject.check().unwrap().records, Seq(0));
}

pub(super) fn what_was_appended_is_read_in_any_pieces<S: Subject>() {
    let subject = S::fresh();
    let records: Vec<Vec<u8>> = (0..200_u8).map(|n| vec![n; usize::from(n) * 3]).collect();
    assert_eq!(subject.log().append(Seq(0), &records[..150], &[]).unwrap(), Seq(0));
    assert_eq!(subject.log().append(Seq(150), &records[150..], &[]).unwrap(), Seq(150));
    let subject = subject.reopen();
    for from in [0, 1, 23, 77, 149, 150, 151, 199, 200, 201, u64::MAX] {
        for limit in [0, 1, 2, 50, 200, usize::MAX] {
            let read = subject.log().read(Seq(from), limit).unwrap();
            let first = usize::try_from(from).unwrap().min(200);
            let expected = &records[first..first + limit.min(200 - first)];
            assert_eq!(read.len(), expected.len(), "{from} {limit}");
            for (read, (seq, bytes)) in read.iter().zip((from..).zip(expected)) {
                assert_eq!((read.seq, read.bytes.as_ref()), (Seq(seq), bytes.as_slice()));
            }
        }
    }
}

pub(super) fn a_writer_that_is_behind_gets_a_conflict_and_nothing_is_written<S: Subject>() {
    let subject = S::fresh();
    let log = subject.log();
    log.append(Seq(0), &texts(&["a", "b"]), &[]).unwrap();
    for expected in [0, 1, 3] {
        let refused = log.append(Seq(expected), &texts(&["c"]), &[]);
        assert!(matches!(refused, Err(AppendError::Conflict { length: Seq(2) })));
    }
    assert!(log.health().is_ok());
    assert_eq!(all(log), texts(&["a", "b"]));
}

pub(super) fn concurrent_writers_lose_nothing_and_write_nothing_twice<S: Subject>() {
    const WRITERS: u8 = 4;
    const APPENDS: u8 = 40;
    let subject = S::fresh();
    let log = subject.log();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                for n in 0..APPENDS {
                    let records = vec![vec![writer, n, 0], vec![writer, n, 1]];
                    let mut expected = end(log);
                    loop {
                        match log.append(expected, &records, &[]) {
                            Ok(first) => break assert_eq!(first, expected),
                            Err(AppendError::Conflict { length }) => expected = length,
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            });
        }
    });
    let records = all(log);
    assert_eq!(records.len(), usize::from(WRITERS) * usize::from(APPENDS) * 2);
    for writer in 0..WRITERS {
        let own: Vec<_> = records.iter().filter(|record| record[0] == writer).collect();
        let expected: Vec<_> =
            (0..APPENDS).flat_map(|n| [vec![writer, n, 0], vec![writer, n, 1]]).collect();
        assert!(own.into_iter().eq(&expected));
    }
    for pair in records.chunks(2) {
        assert_eq!(pair[0][..2], pair[1][..2], "an append was torn apart");
    }
    subject.check().unwrap();
}

fn failed<S: Subject>(fault: Fault) -> S {
    let subject = S::fresh();
    let log = subject.log();
    log.append(Seq(0), &texts(&["kept"]), &[]).unwrap();
    subject.fail_after(0, fault);
    let extra = Extra { key: b"with it".to_vec(), value: b"x".to_vec() };
    let failed = log.append(Seq(1), &texts(&["a", "b"]), &[extra]);
    assert!(matches!(failed, Err(AppendError::Broken(Broken::Fault(_)))), "{failed:?}");
    // Nobody knows whether it is there: it is not shown, and nothing else is taken.
    assert_eq!(all(log), texts(&["kept"]));
    assert_eq!(end(log), Seq(1));
    for expected in [1, 3] {
        let refused = log.append(Seq(expected), &texts(&["c"]), &[]);
        assert!(matches!(refused, Err(AppendError::Broken(Broken::Fault(_)))));
    }
    assert!(matches!(log.health(), Err(Broken::Fault(_))));
    assert!(matches!(log.close(), Err(CloseError::Broken(_))));
    let subject = subject.reopen();
    assert!(subject.log().health().is_ok());
    subject
}

pub(super) fn an_append_that_fails_but_is_stored_breaks_the_log_and_is_there_after_a_restart<
    S: Subject,
>() {
    let subject = failed::<S>(Fault::Keep);
    assert_eq!(all(subject.log()), texts(&["kept", "a", "b"]));
    assert!(subject.log().extra(b"with it").unwrap().is_some());
    subject.log().append(Seq(3), &texts(&["c"]), &[]).unwrap();
    subject.check().unwrap();
}

pub(super) fn an_append_that_fails_and_is_lost_breaks_the_log_and_is_gone_after_a_restart<
    S: Subject,
>() {
    let subject = failed::<S>(Fault::Lose);
    assert_eq!(all(subject.log()), texts(&["kept"]));
    assert!(subject.log().extra(b"with it").unwrap().is_none());
    subject.log().append(Seq(1), &texts(&["c"]), &[]).unwrap();
    assert_eq!(all(subject.log()), texts(&["kept", "c"]));
    subject.check().unwrap();
}

pub(super) fn a_part_of_an_append_is_never_read_and_the_next_append_takes_its_place<S: Subject>() {
    let long = vec![vec![7; 5_000]; 200];
    for (writes, fault) in [(1, Fault::Lose), (1, Fault::Keep), (2, Fault::Lose)] {
        let subject = S::fresh();
        subject.log().append(Seq(0), &texts(&["first"]), &[]).unwrap();
        subject.fail_after(writes, fault);
        let extra = Extra { key: b"with it".to_vec(), value: b"x".to_vec() };
        assert!(subject.log().append(Seq(1), &long, &[extra]).is_err());
        let subject = subject.reopen();
        assert_eq!(all(subject.log()), texts(&["first"]));
        assert!(subject.log().extra(b"with it").unwrap().is_none());
        subject.log().append(Seq(1), &texts(&["second"]), &[]).unwrap();
        subject.log().append(Seq(2), &long, &[]).unwrap();
        let subject = subject.reopen();
        assert_eq!(all(subject.log())[..2], texts(&["first", "second"]));
        assert_eq!(subject.check().unwrap().records, Seq(202));
    }
}

pub(super) fn what_is_too_long_is_refused_and_nothing_is_written<S: Subject>() {
    let subject = S::fresh();
    let log = subject.log();
    let extra = |key, value| Extra { key: vec![1; key], value: vec![2; value] };
    let ok = vec![3; 10];
    for (records, extras, place) in [
        (vec![ok.clone(), vec![0; MAX_RECORD + 1]], vec![], 1),
        (vec![ok.clone()], vec![extra(1, MAX_EXTRA + 1)], 1),
        (vec![ok.clone()], vec![extra(1, 1), extra(MAX_EXTRA_KEY + 1, 1)], 2),
    ] {
        let refused = log.append(Seq(0), &records, &extras);
        assert!(matches!(refused, Err(AppendError::TooLong { index, .. }) if index == place));
    }
    assert!(log.health().is_ok());
    assert_eq!(end(log), Seq(0));
    assert!(log.extra(&[1]).unwrap().is_none());
}

pub(super) fn the_longest_records_and_extras_fit<S: Subject>() {
    let subject = S::fresh();
    let records = vec![vec![9; MAX_RECORD]; 100];
    let key = |n| [vec![n], vec![0xFF; MAX_EXTRA_KEY - 1]].concat();
    let extras: Vec<Extra> =
        (0..50).map(|n| Extra { key: key(n), value: vec![n; MAX_EXTRA] }).collect();
    subject.log().append(Seq(0), &records, &extras).unwrap();
    let subject = subject.reopen();
    assert_eq!(all(subject.log()), records);
    assert_eq!(subject.log().extra(&key(49)).unwrap().unwrap(), vec![49; MAX_EXTRA]);
    let checked = subject.check().unwrap();
    assert_eq!((checked.records, checked.frames, checked.extras), (Seq(100), 100, 50));
}

pub(super) fn extras_are_written_with_their_records_and_replaced_by_later_ones<S: Subject>() {
    let subject = S::fresh();
    let log = subject.log();
    let extra = |key: &str, value: &str| Extra { key: key.into(), value: value.into() };
    log.append(Seq(0), &texts(&["a"]), &[extra("", "empty"), extra("k", "1")]).unwrap();
    log.append(Seq(1), &[], &[extra("k", "2")]).unwrap();
    assert_eq!(end(log), Seq(1));
    let subject = subject.reopen();
    assert_eq!(subject.log().extra(b"").unwrap().unwrap(), "empty");
    assert_eq!(subject.log().extra(b"k").unwrap().unwrap(), "2");
    assert_eq!(all(subject.log()), texts(&["a"]));
}

pub(super) fn the_last_seal_is_found_after_a_clean_stop<S: Subject>() {
    let subject = S::fresh();
    let log = subject.log();
    assert_eq!(log.guarded(), Guarded::default());
    log.append(Seq(0), &texts(&["a"]), &[]).unwrap();
    log.seal("first".into());
    log.seal("second".into());
    log.seal(vec![0; crate::MAX_SEAL + 1].into());
    assert_eq!(log.guarded().seal, None, "what was found, not what was said since");
    log.close().unwrap();
    let subject = subject.reopen();
    let second = Guarded { length: Seq(1), seal: Some("second".into()) };
    assert_eq!(subject.log().guarded(), second);
    subject.log().close().unwrap();
    assert_eq!(subject.reopen().log().guarded(), second);
}

pub(super) fn a_closed_log_is_read_but_not_written<S: Subject>() {
    let subject = S::fresh();
    let log = subject.log();
    log.append(Seq(0), &texts(&["a"]), &[]).unwrap();
    log.close().unwrap();
    log.close().unwrap();
    let refused = log.append(Seq(1), &texts(&["b"]), &[]);
    assert!(matches!(refused, Err(AppendError::Broken(Broken::Closed))));
    assert!(matches!(log.health(), Err(Broken::Closed)));
    assert_eq!(all(log), texts(&["a"]));
    let subject = subject.reopen();
    subject.log().append(Seq(1), &texts(&["b"]), &[]).unwrap();
    assert_eq!(all(subject.log()), texts(&["a", "b"]));
}

pub(super) fn a_follower_hears_of_every_record<S: Subject>() {
    let subject = S::fresh();
    let log = subject.log();
    thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut length = log.length();
            let mut seen = Vec::new();
            while seen.len() < 100 {
                let at = Seq(u64::try_from(seen.len()).unwrap());
                seen.extend(log.read(at, 7).unwrap());
                if usize::try_from(end(log).get()).unwrap() == seen.len() && seen.len() < 100 {
                    runtime.block_on(length.wait_for(|end| end.get() > at.get())).unwrap();
                }
            }
            seen
        });
        for n in 0..100_u8 {
            log.append(Seq(n.into()), &[vec![n]], &[]).unwrap();
        }
        let seen = follower.join().unwrap();
        assert!(seen.iter().map(|record| record.bytes[0]).eq(0..100));
    });
}

pub(super) fn a_reader_does_not_wait_for_a_writer<S: Subject>() {
    let subject = S::fresh();
    let log = subject.log();
    log.append(Seq(0), &texts(&["a"]), &[]).unwrap();
    thread::scope(|scope| {
        let (read, done) = mpsc::channel();
        // A writer holds this from before its first byte until the disk has answered.
        subject.while_writing(&mut || {
            let read = read.clone();
            scope.spawn(move || read.send((all(log), log.health().is_ok(), end(log))));
            let seen = done.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!(seen, (texts(&["a"]), true, Seq(1)));
        });
    });
}

pub(super) fn any_history_is_the_same_as_a_list<S: Subject>() {
    for seed in 1..=12 {
        let mut dice = Dice(seed * 0x9E37_79B9);
        let mut subject = S::fresh();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for _ in 0..40 {
            let length = Seq(u64::try_from(model.len()).unwrap());
            let records: Vec<_> = (0..dice.roll(60)).map(|_| dice.record()).collect();
            match dice.roll(10) {
                0 => subject = subject.reopen(),
                1 => {
                    let fault = if dice.roll(2) == 0 { Fault::Keep } else { Fault::Lose };
                    subject.fail_after(0, fault);
                    let failed = subject.log().append(length, &records, &[]);
                    if !records.is_empty() {
                        assert!(failed.is_err(), "seed {seed}");
                    }
                    if fault == Fault::Keep {
                        model.extend(records);
                    }
                    subject = subject.reopen();
                }
                2 => {
                    let refused = subject.log().append(length.next(), &records, &[]);
                    assert!(matches!(refused, Err(AppendError::Conflict { .. })), "seed {seed}");
                }
                3 => {
                    let from = dice.roll(length.get() + 2);
                    let limit = dice.len(100);
                    let read = subject.log().read(Seq(from), limit).unwrap();
                    let expected = model.iter().skip(usize::try_from(from).unwrap()).take(limit);
                    assert!(read.iter().map(|r| r.bytes.as_ref()).eq(expected), "seed {seed}");
                }
                _ => {
                    subject.log().append(length, &records, &[]).unwrap();
                    model.extend(records);
                }
            }
        }
        assert_eq!(all(subject.log()), model, "seed {seed}");
        let checked = subject.check().unwrap();
        assert_eq!(checked.records, end(subject.log()), "seed {seed}");
    }
}
