//! How fast the ledger is without HTTP: durable creates, verifies, replay; bytes a key and an
//! event. `cargo bench -p ledger --bench speed -- [events] [folder]`; with 0 events it only reads the
//! folder again. With `evidence` in front of that it holds a ledger that signs against
//! one that does not, in turns; with `as_of` it looks back along one key of so many records; with
//! `flood` one account makes so many keys at once, and another one by one beside it.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "a rate is printed in whole numbers")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eventlog::sled::{Options as LogOptions, SledLog};
use keys::{Account, Dialect, KeyName, Question, Subject};
use ledger::{
    AsOf, Caller, Change, Identity, Keyring, Ledger, NewKeyRequest, Options, Origin,
    RequestOptions, Role, Scope, Seq, Signing, Via,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn caller() -> Result<Caller, keys::Invalid> {
    caller_of("acme")
}

fn caller_of(account: &str) -> Result<Caller, keys::Invalid> {
    Ok(Caller {
        identity: Arc::new(Identity {
            subject: Subject::new("ann")?,
            scope: Scope::Account(Account::new(account)?),
            roles: [Role::Owner].into_iter().collect(),
            via: Via::Token { issuer: "keyledger".into(), jti: Some("t1".into()) },
        }),
        dialect: Dialect::Native,
        origin: Origin {
            ip: Some([127, 0, 0, 1].into()),
            request_id: Some("0123456789abcdef".into()),
        },
    })
}

fn draft() -> Result<NewKeyRequest, keys::Invalid> {
    Ok(NewKeyRequest { name: Some(KeyName::new("load test key")?), ..NewKeyRequest::default() })
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn folder_bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => folder_bytes(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}

async fn create(ledger: &Ledger, clients: u64, events: u64) -> Result<Vec<String>, String> {
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let caller = caller().map_err(|error| error.to_string())?;
            let draft = draft().map_err(|error| error.to_string())?;
            let mut secrets = Vec::new();
            for _ in 0..events / clients {
                let made = ledger.create(&caller, draft.clone(), RequestOptions::default()).await;
                let made = made.map_err(|error| error.to_string())?;
                secrets.extend(made.secret.map(|secret| secret.reveal().to_owned()));
            }
            Ok::<_, String>(secrets)
        });
    }
    let mut secrets = Vec::new();
    for made in tasks.join_all().await {
        secrets.extend(made?);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("create, {clients} waiting: {:.0} a second", secrets.len() as f64 / seconds);
    Ok(secrets)
}

fn verify(ledger: &Ledger, secrets: &[String]) -> Result<(), Box<dyn Error>> {
    let (caller, question) = (caller()?, Question::default());
    let start = Instant::now();
    for secret in secrets {
        ledger.verify(&caller, secret, &question)?;
    }
    println!("verify: {:.0} a second", secrets.len() as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let (flags, arguments): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument == "--bench");
    let mut arguments = arguments.into_iter().peekable();
    // `cargo bench` passes the flag; without it a test only wants to see that this runs.
    let default_events = if flags.is_empty() { 2_000 } else { 300_000 };
    let flooding = arguments.next_if(|first| first == "flood").is_some();
    let looking_back = arguments.next_if(|first| first == "as_of").is_some();
    let evidence = arguments.next_if(|first| first == "evidence").is_some();
    let events = arguments.next().map_or(Ok(default_events), |text| text.parse::<u64>())?;
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/speed").to_owned();
    let folder = arguments.next().unwrap_or(folder);
    if flooding {
        return flood(Path::new(&folder), events).await;
    }
    if looking_back {
        return look_back(Path::new(&folder), events).await;
    }
    if evidence {
        return compare(Path::new(&folder), events).await;
    }
    let options = LogOptions::new(&folder);
    if events > 0 {
        let _ = std::fs::remove_dir_all(&folder);
        write(&options, events).await?;
    }
    // In a process that wrote before, what was freed hides what is taken: for the memory of a
    // key, run again with 0 events.
    let before = resident_bytes();
    let log = Arc::new(SledLog::open(&options)?);
    let start = Instant::now();
    let ledger = Ledger::open(log, with_keyring(Path::new(&folder))?, &mut |_| {})?;
    let (seconds, stats) = (start.elapsed().as_secs_f64(), ledger.stats());
    println!("replay: {:.0} events a second", stats.log_size as f64 / seconds);
    println!("memory: {} bytes a key", resident_bytes().saturating_sub(before) / stats.keys.max(1));
    let disk = folder_bytes(&Path::new(&folder).join("log")) / stats.log_size.max(1);
    println!("disk: {disk} bytes an event");
    ledger.close().await?;
    Ok(())
}

/// Creates in turns with and without evidence, and prints the ratio of neighbours in time.
async fn compare(folder: &Path, events: u64) -> Result<(), Box<dyn Error>> {
    const ROUNDS: u64 = 7;
    let _ = std::fs::remove_dir_all(folder);
    let open = |name: &str, signing| {
        let log = SledLog::open(&LogOptions::new(folder.join(name)))?;
        let options = Options { signing, ..Options::default() };
        Ok::<_, Box<dyn Error>>(Ledger::open(Arc::new(log), options, &mut |_| {})?)
    };
    let signing = Signing::new("ledger.example.com/speed", [7; 32])?;
    let (plain, signed) = (open("plain", None)?, open("signed", Some(Arc::new(signing)))?);
    for clients in [16, 64, 256] {
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let mut rate = [0.0, 0.0];
            let mut pair = [(0, &plain), (1, &signed)];
            // Who goes first changes, so that what else the machine does falls on both alike.
            pair.rotate_left(usize::from(round % 2 == 1));
            for (side, ledger) in pair {
                let start = Instant::now();
                let made = create(ledger, clients, events / ROUNDS / 6).await?.len();
                if let Some(rate) = rate.get_mut(side) {
                    *rate = made as f64 / start.elapsed().as_secs_f64();
                }
            }
            let [plain, signed] = rate;
            ratios.push(signed / plain);
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
        println!("create with evidence, {clients} waiting: {median:.2} of without ({ratios:.2?})");
    }
    plain.close().await?;
    signed.close().await?;
    Ok(())
}

/// With the keys of persons in a file beside the log, so that it can be opened again.
fn with_keyring(folder: &Path) -> Result<Options, Box<dyn Error>> {
    let keyring = Arc::new(Keyring::open(&folder.join("keyring"), true)?);
    Ok(Options { keyring, ..Options::default() })
}

async fn write(options: &LogOptions, events: u64) -> Result<(), Box<dyn Error>> {
    let log = Arc::new(SledLog::open(options)?);
    let ledger = Ledger::open(log, with_keyring(&options.dir)?, &mut |_| {})?;
    for clients in [16, 64, 256, 1024] {
        let secrets = create(&ledger, clients, events / 4).await?;
        verify(&ledger, &secrets)?;
    }
    ledger.close().await?;
    Ok(())
}

/// Makes one key of `changes` records, and looks back to places all over them.
async fn look_back(folder: &Path, changes: u64) -> Result<(), Box<dyn Error>> {
    const LOOKS: u64 = 2_000;
    let _ = std::fs::remove_dir_all(folder);
    let log = SledLog::open(&LogOptions::new(folder))?;
    let ledger = Ledger::open(Arc::new(log), Options::default(), &mut |_| {})?;
    let caller = caller()?;
    let key = ledger.create(&caller, draft()?, RequestOptions::default()).await?.key.key.id;
    for _ in 0..changes.div_ceil(1_000) {
        let mut tasks = tokio::task::JoinSet::new();
        for change in [Change::Disable, Change::Enable].into_iter().cycle().take(1_000) {
            let (ledger, caller) = (ledger.clone(), caller.clone());
            tasks.spawn(async move {
                ledger.change(&caller, key, change, RequestOptions::default()).await
            });
        }
        tasks.join_all().await;
    }
    let size = ledger.stats().log_size;
    let mut took = Vec::new();
    for look in 0..LOOKS {
        // A step that meets every part of the log, in no order.
        let seq = Seq(look.wrapping_mul(7_919) % size);
        let start = Instant::now();
        let moment = ledger.moment(&caller, Some(AsOf::Seq(seq)))?;
        ledger.key_as_of(&caller, key, &moment)?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
    println!("as of any of {size} records of one key: p50 {:?}, p99 {:?}", at(50), at(99));
    ledger.close().await?;
    Ok(())
}

/// One account keeps `waiting` creates under way, more than the queue holds; how long another
/// waits for each of its own, without and with that.
async fn flood(folder: &Path, waiting: u64) -> Result<(), Box<dyn Error>> {
    let _ = std::fs::remove_dir_all(folder);
    let log = SledLog::open(&LogOptions::new(folder))?;
    let ledger = Ledger::open(Arc::new(log), Options::default(), &mut |_| {})?;
    let quiet = one_by_one(&ledger).await?;
    let (stop, made, refused) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..waiting {
        let (ledger, caller, draft) = (ledger.clone(), caller_of("greedy")?, draft()?);
        let (stop, made, refused) = (Arc::clone(&stop), Arc::clone(&made), Arc::clone(&refused));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let done = ledger.create(&caller, draft.clone(), RequestOptions::default()).await;
                let count = if done.is_ok() { &made } else { &refused };
                count.fetch_add(1, Ordering::Relaxed);
                if done.is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    let start = Instant::now();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let beside = one_by_one(&ledger).await?;
    let rate = made.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    println!("quiet: p50 {:?}, p99 {:?}", quiet.0, quiet.1);
    println!("beside a flood: p50 {:?}, p99 {:?}, refused {}", beside.0, beside.1, beside.2);
    println!("the flood: {rate:.0} a second, refused {}", refused.load(Ordering::Relaxed));
    ledger.close().await?;
    Ok(())
}

/// p50 and p99 of 500 creates, one after the other, and how many were refused.
async fn one_by_one(ledger: &Ledger) -> Result<(Duration, Duration, usize), Box<dyn Error>> {
    let (caller, draft) = (caller_of("modest")?, draft()?);
    let (mut took, mut refused) = (Vec::new(), 0);
    for _ in 0..500 {
        let start = Instant::now();
        let made = ledger.create(&caller, draft.clone(), RequestOptions::default()).await;
        took.push(start.elapsed());
        refused += usize::from(made.is_err());
    }
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
    Ok((at(50), at(99), refused))
}
