//! The siege: what one caller can do to another.
//!
//! A quiet tenant sends a few requests, one after the other, while other callers attack the service:
//! they send expensive requests, read no responses, open as many connections as they can, follow
//! everything, flood the log. The table shows the latency of the quiet tenant and the memory and
//! threads of the service. Times are printed, not judged; the siege fails if a request of the quiet
//! tenant is not answered, if connections stay open after an attack, or if the service does not stop
//! at SIGTERM under all attacks at once.

mod attack;
mod field;
mod probe;
mod scenario;
mod table;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::watch;

use crate::gauge::gauge;
use crate::options::Siege;
use crate::setup::wait;

use attack::Attack;
use field::Field;
use probe::Probe;
use scenario::Scenario;
use table::{Cost, Row, Table};

/// How long an attack runs before the quiet tenant is measured.
const SETTLE: Duration = Duration::from_secs(1);
/// How long connections may stay open after an attack: longer than a write may make no progress.
const LEAVE: Duration = Duration::from_secs(60);

/// Runs every scenario and prints the table.
pub(crate) fn run(options: &Siege) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("siege-").tempdir_in(&options.under)?;
    wait(run_scenarios(options, folder.path()))
}

async fn run_scenarios(options: &Siege, folder: &Path) -> Result<()> {
    let field = Field::open(options, folder).await?;
    let scenarios = scenario::all(&field, options.short).await?;
    let mut table = Table::default();
    let mut complaints = Vec::new();
    let selected = |scenario: &&Scenario| {
        options.only.is_empty() || options.only.iter().any(|name| *name == scenario.name)
    };
    for scenario in scenarios.iter().filter(selected) {
        eprintln!("{}", scenario.name);
        let row = field.row(scenario).await?;
        complaints.extend(row.complaints());
        table.rows.push(row);
    }
    println!("{table}");
    let stopped = field.stop(&scenarios).await?;
    println!("SIGTERM under all attacks at once: ended after {:.1} s", stopped.as_secs_f64());
    match complaints.first() {
        Some(first) => bail!("{} things went wrong; {first}", complaints.len()),
        None => Ok(()),
    }
}

impl Field {
    /// Measures the quiet tenant before and during one scenario.
    async fn row(&self, scenario: &Scenario) -> Result<Row> {
        let mut probe = Probe::new(&self.quiet).await?;
        let before = probe.watch(self.duration).await?;
        let cost_before = self.cost()?;
        let (end, ended) = watch::channel(false);
        let attack = Attack::start(&scenario.waves, &ended);
        tokio::time::sleep(SETTLE).await;
        let during = probe.watch(self.duration).await?;
        let cost_during = self.cost()?;
        end.send_replace(true);
        let attack = attack.join()?;
        let left = self.left().await;
        Ok(Row { name: scenario.name, before, during, cost_before, cost_during, attack, left })
    }

    fn cost(&self) -> Result<Cost> {
        Ok(Cost { memory: self.server.resident()?, threads: self.server.threads()? })
    }

    /// How many connections are open after an attack, besides that of this request.
    async fn left(&self) -> u64 {
        let since = Instant::now();
        loop {
            let open = gauge(&self.server.target, "keyledger_connections").await;
            let left = open.map_or(u64::MAX, |open| open.saturating_sub(1));
            // The probe keeps one open.
            if left <= 1 || since.elapsed() > LEAVE {
                return left.saturating_sub(1);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops the service under all attacks at once, and returns how long that took.
    async fn stop(self, scenarios: &[Scenario]) -> Result<Duration> {
        let (end, ended) = watch::channel(false);
        let waves: Vec<_> =
            scenarios.iter().flat_map(|scenario| scenario.waves.iter().cloned()).collect();
        let attack = Attack::start(&waves, &ended);
        tokio::time::sleep(SETTLE).await;
        let stopped = self.server.stop().await;
        end.send_replace(true);
        attack.join()?;
        stopped
    }
}
