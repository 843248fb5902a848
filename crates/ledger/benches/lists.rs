//! How long one page of an account with very many keys takes, for each sort and filter, and each
//! step towards one: `cargo bench -p ledger --bench lists -- [keys]`. Beside that, how long a create
//! takes while an order is made.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "sizes are printed in whole numbers")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventlog::memory::MemoryLog;
use keys::{
    Account, Dialect, EventKind, KeyName, Metadata, Project, Question, Status, Subject, Tag, Tags,
};
use ledger::{
    AsOf, Caller, Direction, EventFilter, Expiry, Identity, KeyFilter, KeyQuery, KeySort, Ledger,
    NewKeyRequest, Options, Origin, RequestOptions, Role, Scope, Seq, Via, Walk,
};

/// Pages of each list.
const PAGES: usize = 500;
const CLIENTS: usize = 512;

fn caller(role: Role) -> Result<Caller, keys::Invalid> {
    Ok(Caller {
        identity: Arc::new(Identity {
            subject: Subject::new("ann")?,
            scope: Scope::Account(Account::new("acme")?),
            roles: [role].into_iter().collect(),
            via: Via::Token { issuer: "keyledger".into(), jti: Some("t1".into()) },
        }),
        dialect: Dialect::Native,
        origin: Origin::default(),
    })
}

/// Key `n`: half of them with a due time, one of a hundred of the team, in no order.
fn draft(n: u64) -> Result<NewKeyRequest, keys::Invalid> {
    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let team = BTreeMap::from([("team".to_owned(), (mixed % 100).to_string())]);
    // One of 100,000 of a tag, one of 1,000 of each project.
    let tag = n.is_multiple_of(100_000).then(|| Tag::new("rare")).transpose()?;
    Ok(NewKeyRequest {
        name: Some(KeyName::new(format!("{mixed:08x} of {n}"))?),
        project: Some(Project::new(format!("p{}", mixed % 1_000))?),
        tags: Tags::new(tag)?,
        expires: mixed.is_multiple_of(2).then_some(Expiry::After(1_000_000 + mixed % 50_000_000)),
        metadata: Metadata::new(team)?,
        ..NewKeyRequest::default()
    })
}

/// Makes the keys, uses one of ten, and revokes one of a thousand.
async fn fill(ledger: &Ledger, keys: u64) -> Result<(), String> {
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..CLIENTS as u64 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let text = |error: &dyn Error| error.to_string();
            let caller = caller(Role::Owner).map_err(|error| text(&error))?;
            for n in (client..keys).step_by(CLIENTS) {
                let draft = draft(n).map_err(|error| text(&error))?;
                let made = ledger.create(&caller, draft, RequestOptions::default()).await;
                let made = made.map_err(|error| text(&error))?;
                if let (0, Some(secret)) = (n % 10, &made.secret) {
                    let verified = ledger.verify(&caller, secret.reveal(), &Question::default());
                    verified.map_err(|error| text(&error))?;
                }
                if n % 1_000 == 7 {
                    let revoke = ledger::Change::Revoke(keys::Revocation::default());
                    let id = made.key.key.id;
                    let done = ledger.change(&caller, id, revoke, RequestOptions::default()).await;
                    done.map_err(|error| text(&error))?;
                }
            }
            Ok::<_, String>(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}

fn filters() -> Result<Vec<(&'static str, KeyFilter)>, keys::Invalid> {
    let any = KeyFilter::default;
    let team = |team: &str| Metadata::new(BTreeMap::from([("team".to_owned(), team.to_owned())]));
    let soon = "2099-01-01T00:00:00Z".parse()?;
    Ok(vec![
        ("all", any()),
        ("status", KeyFilter { status: Some(Status::Revoked), ..any() }),
        ("owner", KeyFilter { owner: Some(Subject::new("ann")?), ..any() }),
        ("metadata, 1 of 100", KeyFilter { metadata: team("7")?, ..any() }),
        ("metadata, none", KeyFilter { metadata: team("none")?, ..any() }),
        ("never_used", KeyFilter { never_used: Some(true), ..any() }),
        ("unused_since", KeyFilter { unused_since: Some(soon), ..any() }),
        ("q, none", KeyFilter { q: Some("nothing".into()), ..any() }),
        ("q, few", KeyFilter { q: Some("of 77777".into()), ..any() }),
        ("tag, 1 of 100,000", KeyFilter { tags: Tags::new([Tag::new("rare")?])?, ..any() }),
        ("project, 1 of 1,000", KeyFilter { project: Some(Project::new("p7")?), ..any() }),
        ("prefix, none", KeyFilter { prefix: Some("no_such_prefix".into()), ..any() }),
        (
            "expires_before, none",
            KeyFilter { expires_before: Some("2001-01-01T00:00:00Z".parse()?), ..any() },
        ),
    ])
}

fn print(name: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
    let most = took.last().copied().unwrap_or_default();
    println!(
        "{name:<50} {:>5} p50 {:>10.1?} p99 {:>10.1?} most {most:>10.1?}",
        took.len(),
        at(50),
        at(99)
    );
}

fn lists(ledger: &Ledger) -> Result<(), Box<dyn Error>> {
    let owner = caller(Role::Owner)?;
    for (name, filter) in filters()? {
        let mut took = Vec::new();
        for _ in 0..PAGES / 10 {
            let start = Instant::now();
            ledger.count_keys(&owner, &filter)?;
            took.push(start.elapsed());
        }
        print(&format!("count: {name}"), &mut took);
        for sort in KeySort::ALL {
            for direction in Direction::ALL {
                let filter = filter.clone();
                let (sort, direction) = (*sort, *direction);
                let mut query = KeyQuery { filter, sort, direction, after: None, limit: 50 };
                while !ledger.prepare_keys(&owner, &query)? {}
                let mut took = Vec::new();
                for _ in 0..PAGES {
                    let start = Instant::now();
                    let page = ledger.find_keys(&owner, &query)?;
                    took.push(start.elapsed());
                    query.after = page.next;
                    if query.after.is_none() {
                        break;
                    }
                }
                let (sort, direction) = (sort.as_str(), direction.as_str());
                print(&format!("{sort} {direction}: {name}"), &mut took);
            }
        }
    }
    Ok(())
}

/// Pages of lists as of the middle of the log, of what falls due, and of events of two long lists.
fn others(ledger: &Ledger) -> Result<(), Box<dyn Error>> {
    let owner = caller(Role::Owner)?;
    let half = AsOf::Seq(Seq(ledger.stats().log_size / 2));
    let moment = ledger.moment(&owner, Some(half))?;
    for (name, filter) in filters()? {
        if filter.never_used.is_some() || filter.unused_since.is_some() {
            continue;
        }
        for direction in Direction::ALL {
            let filter = filter.clone();
            let mut query =
                KeyQuery { filter, limit: 50, direction: *direction, ..KeyQuery::default() };
            while !ledger.prepare_keys(&owner, &query)? {}
            let (mut took, mut found) = (Vec::new(), 0);
            for _ in 0..PAGES {
                let start = Instant::now();
                let page = ledger.find_keys_as_of(&owner, &query, &moment)?;
                took.push(start.elapsed());
                found += page.items.len();
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            print(&format!("as of, {}: {name} ({found})", direction.as_str()), &mut took);
        }
    }
    let start = Instant::now();
    while !ledger.prepare_expiring(&owner)? {}
    println!("what falls due: made in {:.1?}", start.elapsed());
    let (mut took, mut after) = (Vec::new(), None);
    for _ in 0..PAGES {
        let start = Instant::now();
        after = ledger.expiring(&owner, 4_000_000_000, after, 50)?.next;
        took.push(start.elapsed());
    }
    print("expiring", &mut took);
    for kind in [EventKind::Created, EventKind::Revoked, EventKind::Enabled] {
        for walk in [Walk::Up(Seq(0)), Walk::Down(Seq(u64::MAX))] {
            let actor = Some(Subject::new("ann")?);
            let filter = EventFilter { actor, kind: Some(kind), ..EventFilter::default() };
            let (mut took, mut walk) = (Vec::new(), Some(walk));
            while let Some(from) = walk.filter(|_| took.len() < PAGES) {
                let start = Instant::now();
                walk = ledger.events(&owner, &filter, from, 50)?.next;
                took.push(start.elapsed());
            }
            print(&format!("events of an actor, {}", kind.as_str()), &mut took);
        }
    }
    Ok(())
}

/// The plain way to a page: every key is taken out and all are sorted.
fn plain(ledger: &Ledger) -> Result<(), Box<dyn Error>> {
    let (owner, any, start) = (caller(Role::Owner)?, KeyFilter::default(), Instant::now());
    let (mut keys, mut after) = (Vec::new(), Some(0));
    while let Some(place) = after {
        let page = ledger.keys(&owner, &any, place, 500)?;
        keys.extend(page.items.into_iter().map(|view| (view.key.name.clone(), view.key.number)));
        after = page.next;
    }
    keys.sort_unstable();
    println!("sorted for one page, {} keys: {:.1?}", keys.len(), start.elapsed());
    Ok(())
}

/// Makes one order, and keys one by one beside it.
async fn order(ledger: &Ledger, sort: KeySort) -> Result<(), Box<dyn Error>> {
    let (owner, before) = (caller(Role::Owner)?, resident_bytes());
    let query = KeyQuery { sort, limit: 50, ..KeyQuery::default() };
    let (making, by) = (ledger.clone(), owner.clone());
    let start = Instant::now();
    let steps = tokio::task::spawn_blocking(move || {
        let mut steps = Vec::new();
        loop {
            let start = Instant::now();
            let is_done = making.prepare_keys(&by, &query)?;
            steps.push(start.elapsed());
            if is_done {
                return Ok::<_, ledger::Error>(steps);
            }
        }
    });
    let mut creates = Vec::new();
    while !steps.is_finished() {
        let start = Instant::now();
        ledger.create(&owner, draft(7)?, RequestOptions::default()).await?;
        creates.push(start.elapsed());
    }
    let mut steps = steps.await??;
    println!("{}: made in {:.1?}", sort.as_str(), start.elapsed());
    let size = ledger.stats();
    let bytes = resident_bytes().saturating_sub(before) as f64;
    println!("{:.0} bytes a key; {} keys in orders", bytes / size.keys as f64, size.keys_in_orders);
    print("  its steps", &mut steps);
    print("  creates beside it", &mut creates);
    Ok(())
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let (flags, arguments): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument == "--bench");
    // `cargo bench` passes the flag; without it a test only wants to see that this runs.
    let default_keys = if flags.is_empty() { 6_000 } else { 1_000_000 };
    let keys = arguments.first().map_or(Ok(default_keys), |text| text.parse::<u64>())?;
    let ledger = Ledger::open(Arc::new(MemoryLog::new()), Options::default(), &mut |_| {})?;
    let start = Instant::now();
    fill(&ledger, keys).await?;
    ledger.save_usage()?;
    println!("{keys} keys made in {:.1?}", start.elapsed());
    let mut quiet = Vec::new();
    for _ in 0..1_000 {
        let start = Instant::now();
        ledger.create(&caller(Role::Owner)?, draft(7)?, RequestOptions::default()).await?;
        quiet.push(start.elapsed());
    }
    print("creates one by one", &mut quiet);
    plain(&ledger)?;
    for sort in [KeySort::ExpiresAt, KeySort::Name, KeySort::LastUsedAt] {
        order(&ledger, sort).await?;
    }
    lists(&ledger)?;
    others(&ledger)?;
    ledger.close().await?;
    Ok(())
}
