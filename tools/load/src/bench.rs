//! The table: the service beside its floor, in the same run.
//!
//! Both processes run all the time. In every round each is loaded in turn, and who goes first
//! changes from round to round, so that other work of the machine affects both alike. A ratio is
//! made of two neighbours in time; the table shows the median of the rounds, and how far they lie
//! apart.

mod table;

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::op::Op;
use crate::options::Bench;
use crate::process::{Server, allocated};
use crate::run::{self, Plan, Until, real};
use crate::script::{Script, Secrets};
use crate::setup::{self, Material, wait};
use crate::{dialect_requests, expiry, token};

use table::{Report, Round, Row, Sample, Size};

/// Keys that are created before the memory is measured for the first time, so that what the process
/// takes once (buffers, caches, threads) is not counted for the keys.
const SETTLE: usize = 2_000;

/// Runs everything and prints the table.
pub(crate) fn run(options: &Bench) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(&options.under)?;
    let mut bench = Runner::start(options, folder.path())?;
    bench.preload()?;
    for op in &options.ops {
        bench.row(*op, options.connections)?;
        if *op == Op::Create && options.many > 0 {
            bench.row(*op, options.many)?;
        }
    }
    bench.expiry()?;
    let (report, complaints) = bench.finish()?;
    if options.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    match complaints.first() {
        Some(first) => bail!("{} rounds had unexpected responses; {first}", complaints.len()),
        None => Ok(()),
    }
}

/// What a round measures, in turns.
#[derive(Clone, Copy)]
enum Side {
    Floor,
    Service,
    /// The native create on the service, which a dialect's create is compared with.
    Baseline,
}

/// What a service takes, in bytes.
#[derive(Clone, Copy)]
struct Taken {
    /// Resident memory.
    memory: u64,
    /// Allocated blocks of its data directory.
    disk: u64,
}

impl Taken {
    fn by(service: &Server, folder: &Path) -> Result<Taken> {
        Ok(Taken { memory: service.resident()?, disk: allocated(&folder.join("data"))? })
    }
}

/// A bench under way.
struct Runner<'a> {
    options: &'a Bench,
    folder: &'a Path,
    service: Server,
    floor: Server,
    material: Material,
    /// Keys created so far, each an event.
    keys: u64,
    /// Of the empty service.
    empty: Taken,
    report: Report,
    complaints: Vec<String>,
}

impl<'a> Runner<'a> {
    /// Starts both sides.
    fn start(options: &'a Bench, folder: &'a Path) -> Result<Runner<'a>> {
        let program = std::env::current_exe()?;
        let mut floor = Command::new(program);
        set_workers(&mut floor, options.workers).args(["floor", "--listen", "127.0.0.1:0"]);
        write_secret(&folder.join("users.secret"), dialect_requests::SECRET)?;
        let mut service = serve(options, folder);
        // The first start makes the directory and in it the key that signs tokens.
        let service = wait(Server::start(&mut service, "", &folder.join("server.log")))?;
        let arguments =
            "--account acme --subject ann --role owner,admin --plan enterprise --ttl 1h";
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let token = token::mint(&options.server, &folder.join("data"), &arguments)?;
        let floor = wait(Server::start(&mut floor, &token, &folder.join("floor.log")))?;
        let mut service = service;
        service.target.token = token;
        let empty = Taken::by(&service, folder)?;
        Ok(Runner {
            options,
            folder,
            service,
            floor,
            material: Material::default(),
            keys: 0,
            empty,
            report: Report::default(),
            complaints: Vec::new(),
        })
    }

    /// Creates the first keys and measures what they take.
    fn preload(&mut self) -> Result<()> {
        let count = self.options.keys.max(1);
        progress(&format!("creating {count} keys"));
        let target = &self.service.target;
        let mut secrets = setup::create(target, SETTLE.min(count), self.options.connections)?;
        let before = Taken::by(&self.service, self.folder)?;
        let rest = count.saturating_sub(secrets.len());
        secrets.extend(setup::create(target, rest, self.options.connections)?);
        if rest > 0 {
            let each = |now: u64, then: u64| real(now.saturating_sub(then)) / real(rest as u64);
            let of = format!("{rest} keys");
            let now = Taken::by(&self.service, self.folder)?;
            self.report.sizes.push(Size::memory(&of, each(now.memory, before.memory)));
            self.report.sizes.push(Size::disk(&of, each(now.disk, before.disk)));
        }
        self.keys = secrets.len() as u64;
        self.material.secrets = Arc::new(Secrets::new(&secrets)?);
        self.material.pages = Arc::new(wait(setup::pages(target))?);
        // The floor keeps no keys, but its allocator gets the same past. (glibc gives the top of a
        // heap back to the kernel or not as its past will have it: two equal processes can come
        // out a quarter apart in `list`, whose answers are long.)
        setup::create(&self.floor.target, count, self.options.connections)?;
        Ok(())
    }

    /// Measures one operation on both sides, in turns.
    fn row(&mut self, op: Op, connections: usize) -> Result<()> {
        let mut row = Row::new(op, connections);
        let script = self.material.script(&self.service.target, op)?;
        let native = |op| self.material.script(&self.service.target, op);
        let create = op.baseline().map(native).transpose()?;
        for round in 0..self.options.rounds.max(1) {
            progress(&format!("{}, {connections} connections, round {}", op.name(), round + 1));
            // Each goes first as often as last, because the log grows and the machine slows down.
            let mut sides = [Side::Floor, Side::Service, Side::Baseline];
            if round % 2 == 1 {
                sides.reverse();
            }
            let mut taken = Round::default();
            for side in sides {
                match (side, &create) {
                    (Side::Floor, _) => taken.floor = self.side(false, &script, connections)?,
                    (Side::Service, _) => taken.service = self.side(true, &script, connections)?,
                    (Side::Baseline, Some(create)) => {
                        taken.create = Some(self.side(true, create, connections)?);
                    }
                    (Side::Baseline, None) => {}
                }
            }
            row.rounds.push(taken);
        }
        self.report.rows.push(row);
        Ok(())
    }

    /// Measures the expiry of keys while nothing else happens.
    fn expiry(&mut self) -> Result<()> {
        let count = self.options.expiring;
        if count > 0 {
            progress(&format!("letting {count} keys run out, twice"));
            self.report.late = wait(expiry::measure(&self.service.target, count))?;
            // Each was made and ended.
            self.keys += 2 * count as u64;
        }
        Ok(())
    }

    /// Loads one side once.
    fn side(&mut self, service: bool, script: &Script, connections: usize) -> Result<Sample> {
        let server = if service { &self.service } else { &self.floor };
        let Bench { warm_up, duration, threads, .. } = *self.options;
        let until = Until::Time { warm_up, duration };
        let plan =
            Plan { connections, threads, until, collect_secrets: false, every: Duration::ZERO };
        let before = server.processor()?;
        let outcome = run::run(&server.target, script, plan)?;
        let used = server.processor()? - before;
        if service {
            self.keys += outcome.created;
        }
        let side = if service { "service" } else { "floor" };
        self.complaints.extend(outcome.complaint().map(|text| format!("{side}: {text}")));
        Ok(Sample {
            per_second: outcome.per_second(),
            p50_ms: outcome.millis(0.5),
            p99_ms: outcome.millis(0.99),
            processor_us: used * 1e6 / real(outcome.answered.max(1)),
        })
    }

    /// Restarts the service on its data and measures the start, and what all keys take.
    fn finish(self) -> Result<(Report, Vec<String>)> {
        let Runner { options, folder, service, floor, keys, empty, mut report, complaints, .. } =
            self;
        drop(floor);
        progress(&format!("starting again with {keys} keys"));
        let disk = allocated(&folder.join("data"))?.saturating_sub(empty.disk);
        wait(service.stop())?;
        let again =
            wait(Server::start(&mut serve(options, folder), "", &folder.join("server.log")))?;
        let memory = again.resident()?.saturating_sub(empty.memory);
        let of = format!("{keys} keys");
        let each = |bytes| real(bytes) / real(keys.max(1));
        report.sizes.push(Size::memory(&format!("{of}, after a restart"), each(memory)));
        report.sizes.push(Size::disk(&of, each(disk)));
        report.ready_s = again.ready_after.as_secs_f64();
        report.replayed = keys;
        Ok((report, complaints))
    }
}

/// The command that serves the data in `folder`.
fn serve(options: &Bench, folder: &Path) -> Command {
    let mut command = Command::new(&options.server);
    command.arg("serve").arg("--data").arg(folder.join("data"));
    command.args(["--listen", "127.0.0.1:0"]);
    command.args([
        "--jwt-issuer",
        dialect_requests::ISSUER,
        "--jwt-audience",
        dialect_requests::AUDIENCE,
    ]);
    command.arg("--jwt-secret-file").arg(folder.join("users.secret"));
    set_workers(&mut command, options.workers);
    command
}

/// Writes a file that its owner alone may read: the service refuses any other.
fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(secret.as_bytes())?)
}

/// Gives both sides as many worker threads.
fn set_workers(command: &mut Command, workers: Option<usize>) -> &mut Command {
    if let Some(workers) = workers {
        command.env("TOKIO_WORKER_THREADS", workers.to_string());
    }
    command
}

/// Prints what is being done.
fn progress(what: &str) {
    eprintln!("bench: {what}");
}
