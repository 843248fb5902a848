//! The table: the service beside its floor, in the same run.
//!
//! Both processes run all the time. In every round each is loaded in turn, and who goes first
//! changes from round to round, so that what else the machine does falls on both alike. A ratio is
//! made of two neighbours in time; the table shows the median of the rounds, and how far they lie
//! apart.

mod table;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::options::Bench;
use crate::process::{Server, allocated};
use crate::run::{self, Plan, Until, real};
use crate::script::{Op, Script, Secrets};
use crate::setup::{self, Material, wait};
use crate::{expiry, spoken};

use table::{Report, Round, Row, Sample, Size};

/// Keys created before the memory is looked at for the first time, so that what the process takes
/// once (buffers, caches, threads) is not put down to the keys.
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
        Some(first) => bail!("{} rounds had answers not as wished; {first}", complaints.len()),
        None => Ok(()),
    }
}

/// What a round measures, in turns.
#[derive(Clone, Copy)]
enum Side {
    Floor,
    Service,
    /// The native create on the service, which a dialect's may not be slower than.
    Beside,
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
    /// Memory of the empty service and allocated bytes of its directory.
    empty: (u64, u64),
    report: Report,
    complaints: Vec<String>,
}

impl<'a> Runner<'a> {
    /// Starts both sides.
    fn start(options: &'a Bench, folder: &'a Path) -> Result<Runner<'a>> {
        let program = std::env::current_exe()?;
        let mut floor = Command::new(program);
        set_workers(&mut floor, options.workers).args(["floor", "--listen", "127.0.0.1:0"]);
        std::fs::write(folder.join("users.secret"), spoken::SECRET)?;
        let mut service = serve(options, folder);
        // The first start makes the directory and in it the key that signs tokens.
        let service = wait(Server::start(&mut service, "", &folder.join("server.log")))?;
        let token = token(options, folder)?;
        let floor = wait(Server::start(&mut floor, &token, &folder.join("floor.log")))?;
        let mut service = service;
        service.target.token = token;
        let empty = (service.resident()?, allocated(&folder.join("data"))?);
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

    /// Creates the keys to begin with, and looks at what they take.
    fn preload(&mut self) -> Result<()> {
        let count = self.options.keys.max(1);
        say(&format!("creating {count} keys"));
        let data = self.folder.join("data");
        let target = &self.service.target;
        let mut secrets = setup::create(target, SETTLE.min(count), self.options.connections)?;
        let before = (self.service.resident()?, allocated(&data)?);
        let rest = count.saturating_sub(secrets.len());
        secrets.extend(setup::create(target, rest, self.options.connections)?);
        if rest > 0 {
            let each = |now: u64, then: u64| real(now.saturating_sub(then)) / real(rest as u64);
            let of = format!("{rest} keys");
            let memory = each(self.service.resident()?, before.0);
            self.report.sizes.push(Size::memory(&of, memory));
            self.report.sizes.push(Size::disk(&of, each(allocated(&data)?, before.1)));
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
        let create = op.beside().map(native).transpose()?;
        for round in 0..self.options.rounds.max(1) {
            say(&format!("{}, {connections} connections, round {}", op.name(), round + 1));
            // Each goes first as often as last: the log grows, the machine tires.
            let mut sides = [Side::Floor, Side::Service, Side::Beside];
            if round % 2 == 1 {
                sides.reverse();
            }
            let mut taken = Round::default();
            for side in sides {
                match (side, &create) {
                    (Side::Floor, _) => taken.floor = self.side(false, &script, connections)?,
                    (Side::Service, _) => taken.service = self.side(true, &script, connections)?,
                    (Side::Beside, Some(create)) => {
                        taken.create = Some(self.side(true, create, connections)?);
                    }
                    (Side::Beside, None) => {}
                }
            }
            row.rounds.push(taken);
        }
        self.report.rows.push(row);
        Ok(())
    }

    /// Lets keys run out while nothing else happens.
    fn expiry(&mut self) -> Result<()> {
        let count = self.options.expiring;
        if count > 0 {
            say(&format!("letting {count} keys run out, twice"));
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
        let plan = Plan { connections, threads, until, keep_secrets: false, every: Duration::ZERO };
        let before = server.processor()?;
        let outcome = run::run(&server.target, script, plan)?;
        let used = server.processor()? - before;
        if service {
            self.keys += outcome.created;
        }
        let who = if service { "service" } else { "floor" };
        self.complaints.extend(outcome.complaint().map(|text| format!("{who}: {text}")));
        Ok(Sample {
            per_second: outcome.per_second(),
            p50_ms: outcome.millis(0.5),
            p99_ms: outcome.millis(0.99),
            processor_us: used * 1e6 / real(outcome.answered.max(1)),
        })
    }

    /// Stops the service and starts it again on what it has, and looks at what all keys take.
    fn finish(self) -> Result<(Report, Vec<String>)> {
        let Runner { options, folder, service, floor, keys, empty, mut report, complaints, .. } =
            self;
        drop(floor);
        say(&format!("starting again with {keys} keys"));
        let disk = allocated(&folder.join("data"))?.saturating_sub(empty.1);
        wait(service.stop())?;
        let again =
            wait(Server::start(&mut serve(options, folder), "", &folder.join("server.log")))?;
        let memory = again.resident()?.saturating_sub(empty.0);
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
    command.args(["--jwt-issuer", spoken::ISSUER, "--jwt-audience", spoken::AUDIENCE]);
    command.arg("--jwt-secret-file").arg(folder.join("users.secret"));
    set_workers(&mut command, options.workers);
    command
}

/// Gives both sides as many worker threads.
fn set_workers(command: &mut Command, workers: Option<usize>) -> &mut Command {
    if let Some(workers) = workers {
        command.env("TOKIO_WORKER_THREADS", workers.to_string());
    }
    command
}

/// A token to work with, from the service's own command: the last line it prints.
fn token(options: &Bench, folder: &Path) -> Result<String> {
    let mut command = Command::new(&options.server);
    command.arg("token").arg("--data").arg(folder.join("data"));
    command.args(["--account", "acme", "--subject", "ann", "--role", "owner,admin"]);
    command.args(["--plan", "enterprise", "--ttl", "1h"]);
    let output = command.output().context("cannot run the service's `token`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default().trim();
    if !output.status.success() || last.is_empty() {
        bail!("`token` gave none: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(last.to_owned())
}

/// Tells the person who waits what is being done.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
