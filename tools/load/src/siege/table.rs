//! The table of a siege.

use std::fmt;

use super::attack::Responses;
use super::probe::{KINDS, Measured};
use crate::run::real;

/// What the service takes.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Resident memory in bytes.
    pub(crate) memory: u64,
    pub(crate) threads: u64,
}

/// One scenario.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) before: Measured,
    pub(crate) during: Measured,
    pub(crate) cost_before: Cost,
    pub(crate) cost_during: Cost,
    pub(crate) attack: Responses,
    /// Connections that were still open long after the attack.
    pub(crate) left: u64,
}

impl Row {
    /// What makes the siege fail.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let failures = self.before.failures.iter().chain(&self.during.failures);
        let mut found: Vec<_> =
            failures.map(|failure| format!("{}: the quiet tenant: {failure}", self.name)).collect();
        if self.left > 0 {
            found.push(format!("{}: {} connections are left", self.name, self.left));
        }
        found
    }
}

/// All scenarios.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let Row { before, during, cost_before, cost_during, attack, .. } = row;
            writeln!(f, "{}", row.name)?;
            writeln!(f, "  quiet tenant, ms      before p50    p99    during p50    p99")?;
            for (kind, name) in KINDS.iter().enumerate() {
                let times = [(before, 0.5), (before, 0.99), (during, 0.5), (during, 0.99)]
                    .map(|(quiet, quantile)| format!("{:.2}", quiet.millis(kind, quantile)));
                let [quiet, late, besieged, later] = &times;
                writeln!(f, "    {name:<18} {quiet:>12} {late:>6} {besieged:>13} {later:>6}")?;
            }
            let mebi = |bytes: u64| real(bytes) / 1024.0 / 1024.0;
            writeln!(
                f,
                "  service: {:.0} MiB and {} threads before, {:.0} MiB and {} threads during",
                mebi(cost_before.memory),
                cost_before.threads,
                mebi(cost_during.memory),
                cost_during.threads,
            )?;
            let statuses = attack.by_status.iter();
            let statuses: Vec<_> =
                statuses.map(|(status, count)| format!("{count} × {status}")).collect();
            writeln!(
                f,
                "  attackers: {}; {:.0} MiB of streams read; {} connections left",
                statuses.join(", "),
                mebi(attack.read),
                row.left,
            )?;
            if !during.failures.is_empty() {
                let (failed, answered) = (during.failures.len(), during.answered());
                writeln!(f, "  FAILED for the quiet tenant: {failed}, answered {answered}")?;
            }
        }
        Ok(())
    }
}
