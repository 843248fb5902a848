//! What the pool promises to those who wait, and to those who gave up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use eventlog::memory::MemoryLog;
use ledger::Options;

use super::*;

fn ledger() -> Ledger {
    Ledger::open(Arc::new(MemoryLog::new()), Options::default(), &mut |_| {}).unwrap()
}

fn account(name: &str) -> Share {
    Share::Account(name.parse().unwrap())
}

/// Reads that hold their thread until the test lets them go.
struct Held {
    begun: mpsc::Receiver<()>,
    go: mpsc::Sender<()>,
    task: tokio::task::JoinHandle<Result<bool, Overloaded>>,
}

/// Begins a read of `share`, and answers when it is under way.
fn hold(reads: &Arc<Reads>, ledger: &Ledger, share: Share) -> Held {
    let (tell_begun, begun) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let (reads, ledger) = (Arc::clone(reads), ledger.clone());
    let task = tokio::spawn(async move {
        let work = move |ledger: &Ledger| {
            tell_begun.send(()).unwrap();
            let _ = wait.recv();
            ledger.is_cancelled()
        };
        reads.run(share, &ledger, work).await
    });
    Held { begun, go, task }
}

async fn begun(held: Held) -> Held {
    tokio::task::spawn_blocking(move || {
        held.begun.recv().unwrap();
        held
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_read_is_answered_and_nothing_of_it_is_kept() {
    let (reads, ledger) = (Reads::with(2, 8, 8), ledger());
    let size = reads.run(Share::Public, &ledger, |ledger| ledger.stats().log_size).await;
    assert_eq!(size, Ok(0));
    while reads.stats().busy > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(reads.stats(), ReadStats::default());
    assert!(reads.0.state.lock().running.is_empty());
}

#[tokio::test]
async fn past_the_bound_a_read_is_refused_at_once() {
    let (reads, ledger) = (Arc::new(Reads::with(2, 1, 8)), ledger());
    let busy = begun(hold(&reads, &ledger, account("a"))).await;
    // One waits behind it, for which there is room; for a third there is none.
    let waits = hold(&reads, &ledger, account("a"));
    while reads.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let refused = reads.run(account("a"), &ledger, |_| ()).await;
    assert_eq!(refused, Err(Overloaded));
    assert_eq!(reads.stats(), ReadStats { waiting: 1, busy: 1, refused: 1 });
    // Another account is served, on the thread that no account alone can hold.
    assert_eq!(reads.run(account("b"), &ledger, |_| ()).await, Ok(()));
    drop((busy.go, waits.go));
    assert_eq!(busy.task.await.unwrap(), Ok(false));
    assert_eq!(waits.task.await.unwrap(), Ok(false));
}

#[tokio::test]
async fn what_was_given_up_is_not_begun_and_what_is_under_way_is_told() {
    let (reads, ledger) = (Arc::new(Reads::with(2, 8, 8)), ledger());
    let (answered, hears) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let (of_task, of_ledger) = (Arc::clone(&reads), ledger.clone());
    let under_way = tokio::spawn(async move {
        let work = move |ledger: &Ledger| {
            let _ = wait.recv();
            answered.send(ledger.is_cancelled()).unwrap();
        };
        of_task.run(account("a"), &of_ledger, work).await
    });
    while reads.stats().busy == 0 {
        tokio::task::yield_now().await;
    }
    let begun = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&begun);
    let (of_task, of_ledger) = (Arc::clone(&reads), ledger.clone());
    let waits = tokio::spawn(async move {
        let work = move |_: &Ledger| counts.fetch_add(1, Ordering::Relaxed);
        of_task.run(account("a"), &of_ledger, work).await
    });
    while reads.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    waits.abort();
    assert!(waits.await.unwrap_err().is_cancelled());
    assert_eq!(reads.stats().waiting, 0, "it has left its line");
    under_way.abort();
    assert!(under_way.await.unwrap_err().is_cancelled());
    drop(go);
    assert!(tokio::task::spawn_blocking(move || hears.recv()).await.unwrap().unwrap());
    // In the same line, so that what was given up would have come before.
    assert_eq!(reads.run(account("a"), &ledger, |_| ()).await, Ok(()));
    assert_eq!(begun.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_closed_pool_begins_nothing_and_cancels_what_is_under_way() {
    let (reads, ledger) = (Arc::new(Reads::with(2, 8, 8)), ledger());
    let busy = begun(hold(&reads, &ledger, account("a"))).await;
    let waits = hold(&reads, &ledger, account("a"));
    while reads.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    reads.close();
    assert_eq!(waits.task.await.unwrap(), Err(Overloaded));
    assert_eq!(reads.run(account("b"), &ledger, |_| ()).await, Err(Overloaded));
    drop(busy.go);
    assert_eq!(busy.task.await.unwrap(), Ok(true));
}
