//! What each speed trick of the ledger buys, beside the plain way. The files that are measured are
//! private: they are compiled into the bench once more.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use eventlog::memory::MemoryLog;
use eventlog::{Log, Seq};
use keys::{Account, Dialect, KeyId, Subject};
use ledger::{
    AsOf, Caller, Change, EventFilter, Identity, Ledger, NewKeyRequest, Options, Origin,
    RequestOptions, Role, Scope, Via, Walk,
};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::batch_size::BatchSize;
use self::queue::{Queue, Queued};
use self::salts::Salts;
use self::wake_chain::{Others, SharedReply, Waiting, send, wake_chain, wake_each};
use self::window::Window;

#[path = "../src/write/batch_size.rs"]
#[expect(dead_code, reason = "its tests run elsewhere")]
mod batch_size;
#[path = "../src/error.rs"]
#[expect(dead_code, unreachable_pub, reason = "a part of the ledger, by itself")]
mod error;
#[path = "../src/write/queue.rs"]
#[expect(dead_code, reason = "a part of the ledger, by itself")]
mod queue;
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
    batches(&mut criterion);
    if let Err(error) = look_back(&mut criterion) {
        panic!("{error}");
    }
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

/// A command of the simulation: its account, and when it was put into the queue.
struct Command(Account, Duration);

impl Queued for Command {
    fn account(&self) -> Option<&Account> {
        Some(&self.0)
    }
}

/// A batch takes a sync, and so much for each of its commands.
const SYNC: Duration = Duration::from_millis(1);
const EACH: Duration = Duration::from_micros(20);
/// As many commands of the first account always wait.
const FLOOD: usize = 4_096;

/// The limit on a batch that begins at a moment.
type Limit = fn(&BatchSize, Duration) -> usize;

/// What a simulation measures.
struct Simulated {
    /// The sum of the times that the commands of the other account took.
    waits: Duration,
    /// The time for each command of the flood.
    each: Duration,
}

/// One account keeps the queue filled; another sends `commands`, one after the other. The time is
/// computed, so that no disk is measured.
fn simulate(limit: Limit, commands: u64) -> Option<Simulated> {
    let (flood, other) = (Account::new("flood").ok()?, Account::new("other").ok()?);
    let queue = Queue::new(2 * FLOOD);
    let (mut jobs, mut size, mut dice) =
        (VecDeque::new(), BatchSize::new(), 88_172_645_463_325_u64);
    let (mut now, mut waits) = (Duration::ZERO, Duration::ZERO);
    let (mut done, mut flooded) = (0, 0);
    let mut arrival = Some(now);
    while done < commands {
        for _ in queue.len()..FLOOD {
            drop(queue.push(Command(flood.clone(), now)));
        }
        if let Some(at) = arrival.take_if(|at| *at <= now) {
            drop(queue.push(Command(other.clone(), at)));
        }
        queue.take(&mut jobs, || limit(&size, now), None);
        size.seen(jobs.iter().map(Queued::account), now);
        let took = SYNC + EACH * u32::try_from(jobs.len()).ok()?;
        size.took(jobs.len(), took);
        now += took;
        for Command(account, at) in jobs.drain(..) {
            if account == flood {
                flooded += 1;
                continue;
            }
            (waits, done) = (waits + now.saturating_sub(at), done + 1);
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            arrival = Some(now + Duration::from_micros(dice % 50_000));
        }
    }
    Some(Simulated { waits, each: now / flooded })
}

/// What the limit on a batch gives an account beside a flood, and costs the flood.
fn batches(criterion: &mut Criterion) {
    let ways: [(&str, Limit); 2] =
        [("limited", BatchSize::most), ("as large as can be", |_, _| 1_024)];
    let mut group = criterion.benchmark_group("a command beside a flood (simulated)");
    for (name, limit) in ways {
        group.bench_function(name, |timed| {
            timed.iter_custom(|rounds| {
                simulate(limit, rounds).map_or(Duration::ZERO, |simulated| simulated.waits)
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("a command of the flood (simulated)");
    for (name, limit) in ways {
        group.bench_function(name, |timed| {
            timed.iter_custom(|rounds| {
                let each = simulate(limit, 200).map_or(Duration::ZERO, |simulated| simulated.each);
                each * u32::try_from(rounds).unwrap_or(u32::MAX)
            });
        });
    }
    group.finish();
}

/// The state of a key with many records at some moment: from the nearest landmark, and from the last
/// record back.
fn look_back(criterion: &mut Criterion) -> Result<(), Box<dyn StdError>> {
    const RECORDS: u64 = 3_000;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let ledger = Ledger::open(Arc::new(MemoryLog::new()), Options::default(), &mut |_| {})?;
    let caller = Caller {
        identity: Arc::new(Identity {
            subject: Subject::new("ann")?,
            scope: Scope::Account(Account::new("acme")?),
            roles: [Role::Owner].into_iter().collect(),
            via: Via::Token { issuer: "bench".into(), jti: None },
        }),
        dialect: Dialect::Native,
        origin: Origin::default(),
    };
    let key = runtime.block_on(async {
        let request = NewKeyRequest { name: Some("bench".parse()?), ..NewKeyRequest::default() };
        let key = ledger.create(&caller, request, RequestOptions::default()).await?.key.key.id;
        for change in [Change::Disable, Change::Enable].into_iter().cycle().take(2_999) {
            ledger.change(&caller, key, change, RequestOptions::default()).await?;
        }
        Ok::<KeyId, Box<dyn StdError>>(key)
    })?;
    // A step that meets every part of the log, in no order.
    let mut place = 0;
    let mut next = || {
        place = (place + 1_871) % RECORDS;
        Seq(place)
    };
    let mut group = criterion.benchmark_group("a look back");
    group.bench_function("from a landmark", |timed| {
        timed.iter(|| {
            let moment = ledger.moment(&caller, Some(AsOf::Seq(next())))?;
            ledger.key_as_of(&caller, key, &moment)
        });
    });
    let filter = EventFilter { key: Some(key), ..EventFilter::default() };
    group.bench_function("from the last record", |timed| {
        timed.iter(|| {
            let (wanted, mut walk) = (next(), Some(Walk::Down(Seq(RECORDS))));
            while let Some(from) = walk {
                let page = ledger.events(&caller, &filter, from, 500)?;
                let found = page.items.into_iter().find(|entry| entry.seq <= wanted);
                if found.is_some() {
                    return Ok::<_, ledger::Error>(found);
                }
                walk = page.next;
            }
            Ok(None)
        });
    });
    group.finish();
    Ok(())
}
