//! The soak: mixed load for long, with restarts, kills and storms of expiries, and what is left of it.
//!
//! The service lives several times. In each life it is loaded in rounds, some of them with a storm; after
//! each round, at rest, its memory, open files and threads are counted. A life ends under load, by
//! SIGTERM or by SIGKILL. In the end the log is read from its first record, a bundle is made and
//! verified, and the directory is checked and replayed. Whatever is not as it must be fails the soak.

mod changes;
mod checks;
mod samples;
mod storm;

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::client::Target;
use crate::gauge::gauge;
use crate::op::Op;
use crate::options::Soak;
use crate::process::Server;
use crate::run::{self, Outcome, Plan, Until};
use crate::script::{Script, Secrets};
use crate::setup::{self, Material, pause, wait};
use crate::token;

use self::changes::Book;
use self::samples::Sample;

/// How long a round loads the service, and how long it rests before it is sampled.
const LOADED: Duration = Duration::from_secs(7);
const REST: Duration = Duration::from_secs(3);
/// Rounds in a life at most.
const LONGEST_LIFE: u64 = 30;
/// Connections, and how many requests they send a second all together.
const CONNECTIONS: usize = 16;
const RATE: u32 = 1_500;
/// Keys that are verified.
const KEYS: usize = 2_000;

/// Runs the soak and prints what was found.
pub(crate) fn run(options: &Soak) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("soak-").tempdir_in(&options.under)?;
    let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one(()) % 1_000_000);
    println!("seed {seed}");
    let soaked = soak(options, folder.path(), seed);
    if soaked.is_err() {
        println!("what is left is in {}", folder.keep().display());
    }
    soaked
}

fn soak(options: &Soak, folder: &Path, seed: u64) -> Result<()> {
    let mut soak = Run::start(options, folder, seed)?;
    let rounds = (options.minutes * 60 / (LOADED + REST).as_secs()).max(4);
    let life = (rounds / 6).clamp(2, LONGEST_LIFE);
    let mut lives = vec![Vec::new()];
    for round in 1..=rounds {
        let sample = soak.round(round)?;
        println!("round {round} of {rounds}: {sample}");
        lives.last_mut().context("no life")?.push(sample);
        if round % life == 0 && round < rounds {
            soak.end_life(lives.len() % 2 == 1)?;
            lives.push(Vec::new());
        }
    }
    for samples in &lives {
        samples::flat(samples).map_err(|why| anyhow!(why))?;
    }
    println!("memory, open files and threads are flat in each of {} lives", lives.len());
    soak.finish()
}

/// A soak under way.
struct Run<'a> {
    options: &'a Soak,
    folder: &'a Path,
    service: Option<Server>,
    /// Of all accounts.
    admin: String,
    /// The owner of the account that is loaded.
    owner: String,
    secrets: Arc<Secrets>,
    book: Book,
    random: u64,
}

impl<'a> Run<'a> {
    fn start(options: &'a Soak, folder: &'a Path, seed: u64) -> Result<Run<'a>> {
        let service = serve(options, folder)?;
        let mint = |account: &str, role: &str| {
            let caller = ["--account", account, "--subject", "soak", "--role", role];
            let arguments = [&["--ttl", "24h"], caller.as_slice()].concat();
            token::mint(&options.server, &folder.join("data"), &arguments)
        };
        let (admin, owner) = (mint("*", "admin,auditor")?, mint("soak", "owner")?);
        let target = Target { token: owner.clone(), ..service.target.clone() };
        let secrets = setup::create(&target, KEYS, CONNECTIONS)?;
        let secrets = Arc::new(Secrets::new(&secrets)?);
        let (book, random) = (Book::default(), seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Ok(Run { options, folder, service: Some(service), admin, owner, secrets, book, random })
    }

    fn service(&self) -> Result<&Server> {
        self.service.as_ref().context("the service is not running")
    }

    fn target(&self, token: &str) -> Result<Target> {
        Ok(Target { token: token.to_owned(), ..self.service()?.target.clone() })
    }

    /// A number below `bound` (xorshift64).
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) % bound.max(1)
    }

    /// Loads the service, in every third round with a storm, and samples it at rest.
    fn round(&mut self, round: u64) -> Result<Sample> {
        let admin = self.target(&self.admin)?;
        let keys = 2_000 + self.below(3_000);
        let storm = || if round % 3 == 2 { wait(storm::pass(&admin, round, keys)) } else { Ok(()) };
        let loaded = self.loaded(LOADED, storm)?;
        loaded.outcome?;
        loaded.changed?;
        loaded.worked?;
        pause(REST)?;
        let service = self.service()?;
        Ok(Sample {
            memory: service.resident()?,
            files: service.open_files()?,
            threads: service.threads()?,
            events: wait(async { Ok(gauge(&admin, "keyledger_log_size").await) })?.unwrap_or(0),
        })
    }

    /// Ends the service under load, at a moment that nobody chose, and starts it again.
    fn end_life(&mut self, by_kill: bool) -> Result<()> {
        let how = if by_kill { "SIGKILL" } else { "SIGTERM" };
        println!("{how} under load");
        let ahead = Duration::from_millis(200 + self.below(2_000));
        let service = self.service.take().context("the service is not running")?;
        let target = service.target.clone();
        self.service = None;
        // What is sent to a service that ends is not answered: only the end itself is looked at.
        let end = move || {
            pause(ahead)?;
            if by_kill { service.kill() } else { wait(service.stop()).map(drop) }
        };
        self.loaded_at(&target, ahead + Duration::from_secs(1), end)?.worked?;
        self.service = Some(serve(self.options, self.folder)?);
        Ok(())
    }

    fn loaded(&mut self, time: Duration, work: impl FnOnce() -> Result<()>) -> Result<Loaded> {
        let target = self.service()?.target.clone();
        self.loaded_at(&target, time, work)
    }

    /// Loads the service for that long, and does `work` meanwhile.
    fn loaded_at(
        &mut self,
        target: &Target,
        time: Duration,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<Loaded> {
        let owner = Target { token: self.owner.clone(), ..target.clone() };
        let pages = Arc::new(vec![owner.get("/v1/keys?limit=50")]);
        let material = Material { secrets: Arc::clone(&self.secrets), pages };
        let script = material.script(&owner, Op::Mixed)?;
        let (over, book) = (AtomicBool::new(false), &mut self.book);
        std::thread::scope(|scope| {
            let mixed = scope.spawn(|| mixed(&owner, &script, time));
            let changing = scope.spawn(|| wait(changes::until(&over, &owner, book)));
            let worked = work();
            let died = |_| anyhow!("a thread of the generator died");
            let outcome = mixed.join().map_err(died)?;
            over.store(true, Ordering::Relaxed);
            let changed = changing.join().map_err(died)?;
            let outcome =
                outcome.and_then(|outcome| outcome.complaint().map_or(Ok(()), |c| bail!(c)));
            Ok(Loaded { outcome, changed, worked })
        })
    }

    /// Stops the service and checks everything that is left.
    fn finish(mut self) -> Result<()> {
        wait(self.service.take().context("the service is not running")?.stop())?;
        self.service = Some(serve(self.options, self.folder)?);
        let admin = self.target(&self.admin)?;
        let log = wait(checks::read_log(&admin))?;
        self.book.check(&log)?;
        let events = log.values().sum::<u64>();
        println!("{events} events of {} keys: no gap, nothing acknowledged is missing", log.len());
        checks::bundle(&self.options.server, &admin, &self.folder.join("soak.tar"))?;
        println!("the bundle is good");
        let digest = wait(checks::digest(&admin))?;
        wait(self.service.take().context("the service is not running")?.stop())?;
        checks::directory(&self.options.server, &self.folder.join("data"), &digest)?;
        println!("the directory is good, and its replay has the digest {digest} of the service");
        Ok(())
    }
}

/// How a time under load went.
struct Loaded {
    outcome: Result<()>,
    changed: Result<()>,
    worked: Result<()>,
}

fn mixed(target: &Target, script: &Script, duration: Duration) -> Result<Outcome> {
    let until = Until::Time { warm_up: Duration::ZERO, duration };
    let every = Duration::from_secs(1) * u32::try_from(CONNECTIONS)? / RATE;
    let plan = Plan { connections: CONNECTIONS, threads: 1, until, collect_secrets: false, every };
    run::run(target, script, plan)
}

fn serve(options: &Soak, folder: &Path) -> Result<Server> {
    let began = Instant::now();
    let mut command = Command::new(&options.server);
    command.arg("serve").arg("--data").arg(folder.join("data"));
    command.args(["--listen", "127.0.0.1:0"]).args(&options.serve);
    let server = wait(Server::start(&mut command, "", &folder.join("server.log")));
    println!("started in {:.2} s", began.elapsed().as_secs_f64());
    server
}
