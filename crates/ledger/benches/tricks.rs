//! What each speed trick of the ledger buys, beside the plain way. The files that are measured are
//! private: they are compiled into the bench once more.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use eventlog::memory::MemoryLog;
use eventlog::{Log, Seq};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::salts::Salts;
use self::wake_chain::{Others, SharedReply, Waiting, send, wake_chain, wake_each};
use self::window::Window;

#[path = "../src/error.rs"]
#[expect(dead_code, unreachable_pub, reason = "a part of the ledger, by itself")]
mod error;
#[path = "../src/write/batch/salts.rs"]
mod salts;
#[path = "../src/write/wake_chain.rs"]
mod wake_chain;
#[path = "../src/read/chain/window.rs"]
mod window;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    wake(&mut criterion);
    salt(&mut criterion);
    walk_back(&mut criterion);
    criterion.final_summary();
}

type Wake = fn(Vec<Box<dyn Waiting>>);

struct One(oneshot::Sender<SharedReply<()>>);

impl Waiting for One {
    fn wake(self: Box<Self>, others: Others) {
        send(self.0, Ok(()), others);
    }
}

/// How long a thread outside of the runtime is busy with waking a batch.
fn wake(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build() else {
        return;
    };
    let round = |wake: Wake, waiting: usize| {
        let mut tasks = JoinSet::new();
        let made = (0..waiting).map(|_| {
            let (to, reply) = oneshot::channel::<SharedReply<()>>();
            let task = async move { reply.await.is_ok_and(|reply| reply.take().is_ok()) };
            tasks.spawn_on(task, runtime.handle());
            Box::new(One(to)) as Box<dyn Waiting>
        });
        let made = made.collect();
        let start = Instant::now();
        wake(made);
        let busy = start.elapsed();
        black_box(runtime.block_on(tasks.join_all()));
        busy
    };
    let ways: [(&str, Wake); 2] =
        [("chain", wake_chain), ("each", |waiting| wake_each(waiting.into_iter()))];
    let mut group = criterion.benchmark_group("wake");
    for waiting in [16, 256] {
        for (name, wake) in ways {
            group.bench_function(BenchmarkId::new(name, waiting), |timed| {
                timed.iter_custom(|rounds| {
                    (0..rounds).map(|_| round(wake, waiting)).sum::<Duration>()
                });
            });
        }
    }
    group.finish();
}

fn salt(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("salt");
    let mut salts = Salts::default();
    group.bench_function("many at a time", |timed| timed.iter(|| black_box(salts.next()).is_ok()));
    group.bench_function("one at a time", |timed| {
        timed.iter(|| {
            let mut salt = [0; 16];
            getrandom::fill(black_box(&mut salt)).is_ok()
        });
    });
    group.finish();
}

/// A walk back over records that lie close together.
fn walk_back(criterion: &mut Criterion) {
    const RECORDS: u64 = 1_000;
    let log = MemoryLog::new();
    let records: Vec<_> = (0..RECORDS).map(|n| vec![n.to_le_bytes()[0]; 200]).collect();
    if log.append(Seq(0), &records, &[]).is_err() {
        return;
    }
    let mut group = criterion.benchmark_group("walk back");
    group.bench_function("window", |timed| {
        timed.iter(|| {
            let mut window = Window::default();
            (0..RECORDS).rev().all(|seq| window.record(&log, Seq(seq)).is_ok())
        });
    });
    group.bench_function("one by one", |timed| {
        timed.iter(|| (0..RECORDS).rev().all(|seq| log.read(Seq(seq), 1).is_ok()));
    });
    group.finish();
}
