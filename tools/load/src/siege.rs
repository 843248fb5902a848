//! The siege: what one caller can do to another.
//!
//! A quiet tenant asks for a little, one request after the other, while somebody else does his
//! worst: asks for what is dear, reads nothing of what he is sent, opens all the connections there
//! are, follows everything, floods the log. The table shows what the quiet tenant noticed of that
//! and what it cost the service in memory and threads. Times are printed, never judged; what is
//! judged is that every request of the quiet tenant was answered, that nothing stays behind when
//! the besiegers are gone, and that the service stops when it is told to with all of them there.

mod attack;
mod probe;
mod scenario;
mod table;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::sync::watch;

use crate::client::Target;
use crate::options::Siege;
use crate::process::Server;
use crate::setup::wait;

use attack::Attack;
use probe::{Probe, Quiet};
use scenario::Scenario;
use table::{Row, Table};

/// How long the besiegers have the field to themselves before the quiet tenant is looked at.
const SETTLE: Duration = Duration::from_secs(1);
/// How long it may take until nothing is left of them: the time a write may make no progress, and
/// some more.
const LEAVE: Duration = Duration::from_secs(60);

/// A service under siege.
struct Field {
    server: Server,
    /// The quiet tenant.
    quiet: Target,
    /// The tenant that besieges it.
    greedy: Target,
    /// An auditor of all accounts, whose token the besiegers have too.
    auditor: Target,
    duration: Duration,
}

/// Runs every scenario and prints the table.
pub(crate) fn run(options: &Siege) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("siege-").tempdir_in(&options.under)?;
    wait(besiege(options, folder.path()))
}

async fn besiege(options: &Siege, folder: &Path) -> Result<()> {
    let mut field = Field::open(options, folder).await?;
    let scenarios = scenario::all(&field, options.short).await?;
    let mut table = Table::default();
    let mut complaints = Vec::new();
    let wanted = |scenario: &&Scenario| {
        options.only.is_empty() || options.only.iter().any(|name| *name == scenario.name)
    };
    for scenario in scenarios.iter().filter(wanted) {
        eprintln!("{}", scenario.name);
        let row = field.row(scenario).await?;
        complaints.extend(row.complaints());
        table.rows.push(row);
    }
    println!("{table}");
    let stopped = field.stop(&scenarios).await?;
    println!("SIGTERM with all of them there: ended after {:.1} s", stopped.as_secs_f64());
    match complaints.first() {
        Some(first) => bail!("{} things went wrong; {first}", complaints.len()),
        None => Ok(()),
    }
}

impl Field {
    async fn open(options: &Siege, folder: &Path) -> Result<Field> {
        let data = folder.join("data");
        let mut serve = Command::new(&options.server);
        serve.arg("serve").arg("--data").arg(&data).args(["--listen", "127.0.0.1:0"]);
        serve.args(&options.serve);
        let server = Server::start(&mut serve, "", &folder.join("server.log")).await?;
        let of = |account: &str, role: &str| {
            let token = token(&options.server, &data, account, role)?;
            anyhow::Ok(Target { token, ..server.target.clone() })
        };
        Ok(Field {
            quiet: of("quiet", "owner")?,
            greedy: of("greedy", "owner")?,
            auditor: of("*", "auditor")?,
            duration: options.duration,
            server,
        })
    }

    /// The quiet tenant before and during one scenario.
    async fn row(&mut self, scenario: &Scenario) -> Result<Row> {
        let mut probe = Probe::new(&self.quiet).await?;
        let before = probe.watch(self.duration).await?;
        let cost_before = self.cost()?;
        let (end, ended) = watch::channel(false);
        let attack = Attack::start(&scenario.waves, &ended);
        tokio::time::sleep(SETTLE).await;
        let during: Quiet = probe.watch(self.duration).await?;
        let cost_during = self.cost()?;
        end.send_replace(true);
        let attack = attack.join()?;
        let left = self.left().await;
        Ok(Row { name: scenario.name, before, during, cost_before, cost_during, attack, left })
    }

    /// Memory in bytes, and threads.
    fn cost(&self) -> Result<(u64, u64)> {
        Ok((self.server.resident()?, self.server.threads()?))
    }

    /// How many connections are left when the besiegers are gone, the one that asks not counted.
    async fn left(&self) -> u64 {
        let since = Instant::now();
        loop {
            let open = probe::gauge(&self.server.target, "keyledger_connections").await;
            let left = open.map_or(u64::MAX, |open| open.saturating_sub(1));
            // The probe's own, which is kept between its looks.
            if left <= 1 || since.elapsed() > LEAVE {
                return left.saturating_sub(1);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops the service in the middle of everything at once, and says how long it took.
    async fn stop(self, scenarios: &[Scenario]) -> Result<Duration> {
        let (end, ended) = watch::channel(false);
        let waves: Vec<_> =
            scenarios.iter().flat_map(|scenario| scenario.waves.iter().cloned()).collect();
        let attack = Attack::start(&waves, &ended);
        tokio::time::sleep(SETTLE).await;
        let since = Instant::now();
        let stopped = self.server.stop().await;
        let took = since.elapsed();
        end.send_replace(true);
        attack.join()?;
        stopped.map(|()| took)
    }
}

/// A token of the service's own.
fn token(server: &Path, data: &Path, account: &str, role: &str) -> Result<String> {
    let mut command = Command::new(server);
    command.arg("token").arg("--data").arg(data).args(["--ttl", "24h", "--account", account]);
    command.args(["--subject", role, "--role", role]);
    let made = command.output().context("keyledger token")?;
    if !made.status.success() {
        bail!("keyledger token: {}", String::from_utf8_lossy(&made.stderr));
    }
    let text = String::from_utf8(made.stdout)?;
    Ok(text.lines().last().context("no token")?.to_owned())
}
