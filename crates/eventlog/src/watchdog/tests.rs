//! Storage that does not answer.

use std::{sync::mpsc, thread, time::Duration};

use crate::{
    AppendError, Broken, CloseError, Log, Seq,
    memory::{Fault, MemoryLog},
};

/// Far beyond what anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// A log with a record, and two appends that do not return.
fn hanging() -> (MemoryLog, mpsc::Receiver<Result<Seq, AppendError>>) {
    let log = MemoryLog::watched(Duration::from_millis(40)).unwrap();
    log.append(Seq(0), &[vec![1]], &[]).unwrap();
    log.fail_next(Fault::Hang);
    let (done, waiting) = mpsc::channel();
    // One of them waits for the storage, the other one for its turn.
    for _ in 0..2 {
        let (hung, done) = (log.clone(), done.clone());
        thread::spawn(move || done.send(hung.append(Seq(1), &[vec![2]], &[])));
    }
    (log, waiting)
}

/// Waits until the log was declared broken.
fn until_stalled(log: &MemoryLog) {
    let stalled = log.stalled();
    let deadline = std::time::Instant::now() + LONG;
    while !*stalled.borrow() {
        assert!(std::time::Instant::now() < deadline, "nobody noticed");
        thread::yield_now();
    }
}

/// All creates waited as long as their clients did, and the service said that it was ready.
#[test]
fn a_log_whose_storage_does_not_answer_is_broken_and_keeps_nobody_waiting() {
    let (log, waiting) = hanging();
    until_stalled(&log);
    assert!(matches!(log.health(), Err(Broken::Stalled)));
    let refused = |refused| matches!(refused, Err(AppendError::Broken(Broken::Stalled)));
    assert!(refused(log.append(Seq(1), &[vec![4]], &[])));
    assert!(matches!(log.close(), Err(CloseError::Broken(Broken::Stalled))));
    // Reading goes on.
    assert_eq!(log.read(Seq(0), 9).unwrap().len(), 1);
    // It was given up: that it comes to an end does not change what was said.
    log.answer();
    for _ in 0..2 {
        assert!(refused(waiting.recv_timeout(LONG).unwrap()));
    }
    assert_eq!(*log.length().borrow(), Seq(1));
    assert_eq!(*log.reopen().unwrap().length().borrow(), Seq(2));
}

#[test]
fn a_log_whose_storage_answers_in_time_is_not_broken() {
    let log = MemoryLog::watched(LONG).unwrap();
    for n in 0..100 {
        log.append(Seq(n), &[vec![1]], &[]).unwrap();
    }
    assert!(log.health().is_ok() && !*log.stalled().borrow());
    log.close().unwrap();
}
