//! A storm: very many keys fall due in one second, beside callers that create and verify.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};
use humantime::format_rfc3339_millis;
use serde_json::{Value, json};

use crate::client::{Connection, Target};
use crate::expiry::now_us;
use crate::import;
use crate::run::{self, Outcome, Until, real};
use crate::script::Script;
use crate::setup::{pause, wait};

use super::calls::{text, timed};
use super::progress::progress;
use super::rates::{creating, plan, satisfied, verifying};
use super::report::{Column, Goal};
use super::runner::Runner;

/// Connections that create, and as many that verify.
const BESIDE: usize = 16;
/// For how long they run before the storm, and one piece of their run in it.
const QUIET: Duration = Duration::from_secs(5);
const PIECE: Duration = Duration::from_secs(1);
/// Keys are imported at this rate at least, so that all are there when the first is due.
const SLOWEST_IMPORT: u64 = 15_000;
/// Their numbers begin here, at each size in a range of their own.
const FIRST: u64 = 1_000_000_000_000;
/// What is not recorded by then is not waited for.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Adds how long it took until all `keys` were recorded as expired, and what the others noticed.
pub(super) fn measure(bench: &Runner<'_>, keys: u64, column: &mut Column) -> Result<()> {
    let admin = bench.target(&bench.tokens.admin)?;
    let scripts = Scripts {
        create: creating(&bench.target(&bench.tokens.maker)?)?,
        verify: verifying(&admin, bench.keys)?,
        target: admin.clone(),
    };
    progress(&format!("a storm of {keys} keys"));
    let quiet = scripts.beside(|| pause(QUIET))?;
    let due = (now_us() / 1_000_000 + 5 + keys / SLOWEST_IMPORT) * 1_000_000;
    let first = FIRST + bench.keys * 1_000;
    let line = |lines: &mut String, number: u64| {
        let due = due + number % 1_000 * 1_000;
        *lines += &format!(
            "{{\"name\":\"s\",\"account\":\"storm\",\"expires_at\":\"{}\",\"import\":{{\"secret\":\"{}\"}}}}\n",
            moment(due),
            import::text_of(number),
        );
    };
    wait(import::stream(&admin, first..first + keys, &line))?;
    let last = wait(create_last(&admin, due + 1_000_000))?;
    let ahead = due.saturating_sub(now_us());
    if ahead == 0 {
        bail!("the first keys were due before the last was imported");
    }
    pause(Duration::from_micros(ahead))?;
    let mut recorded = Duration::ZERO;
    let storm = scripts.beside(|| {
        recorded = wait(recorded_after(&admin, &last))?;
        Ok(())
    })?;
    column.add("storm of a tenth, s to record", recorded.as_secs_f64(), Goal::AtMost(10.0));
    for (name, before, during, most) in [
        ("create", &quiet.create, &storm.create, 2.0),
        ("verify", &quiet.verify, &storm.verify, 1.2),
    ] {
        let (before, during) = (before.millis(0.99), during.millis(0.99));
        column.add(&format!("{name} beside none, p99 ms"), before, Goal::None);
        let name = format!("{name} in the storm, p99 ms");
        column.add_ratio(&name, during, during / before, Goal::RatioAtMost(most));
    }
    Ok(())
}

/// What runs beside the storm.
struct Scripts {
    target: Target,
    create: Script,
    verify: Script,
}

/// What it measured.
struct Beside {
    create: Outcome,
    verify: Outcome,
}

impl Scripts {
    /// Creates and verifies for as long as `work` takes.
    fn beside(&self, work: impl FnOnce() -> Result<()>) -> Result<Beside> {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let start = |script| {
                let (over, target) = (&over, &self.target);
                scope.spawn(move || until(over, target, script))
            };
            let (create, verify) = (start(&self.create), start(&self.verify));
            let worked = work();
            over.store(true, Ordering::Relaxed);
            let died = |_| anyhow!("a thread of the generator died");
            let create = create.join().map_err(died)??;
            let verify = verify.join().map_err(died)??;
            worked.map(|()| Beside { create, verify })
        })
    }
}

/// Runs a script until it is over, in pieces.
fn until(over: &AtomicBool, target: &Target, script: &Script) -> Result<Outcome> {
    let mut sum = Outcome::new()?;
    while !over.load(Ordering::Relaxed) {
        let until = Until::Time { warm_up: Duration::ZERO, duration: PIECE };
        let outcome = run::run(target, script, plan(BESIDE, until))?;
        satisfied(&outcome)?;
        sum.add(outcome)?;
    }
    Ok(sum)
}

fn moment(micros: u64) -> String {
    format_rfc3339_millis(UNIX_EPOCH + Duration::from_micros(micros)).to_string()
}

/// Creates the key that is due last; its id.
async fn create_last(target: &Target, due: u64) -> Result<String> {
    let body = json!({"name": "last", "account": "storm", "expires_at": moment(due)}).to_string();
    let mut connection = Connection::open(target.address).await?;
    let (made, _) = timed(&mut connection, &target.post("/v1/keys", &body)).await?;
    Ok(text(&made, "/key/id")?.to_owned())
}

/// Waits until the end of the key is recorded. How long after its due time that was, by the record.
async fn recorded_after(target: &Target, id: &str) -> Result<Duration> {
    let mut connection = Connection::open(target.address).await?;
    let history = target.get(&format!("/v1/keys/{id}/history"));
    let began = tokio::time::Instant::now();
    while began.elapsed() < TIMEOUT {
        let (history, _) = timed(&mut connection, &history).await?;
        if let Some(expired) = history.pointer("/items/1") {
            let late = expired.pointer("/data/late_ms").and_then(Value::as_f64);
            return Ok(Duration::from_secs_f64(late.context("an end without a lateness")? / 1e3));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("not all of the storm was recorded after {:.0} s", real(TIMEOUT.as_secs()))
}
