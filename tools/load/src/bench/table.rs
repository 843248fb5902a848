//! The results of a bench, as a table or as JSON, beside the goals of the service.

use std::fmt;

use serde_json::{Value, json};

use crate::expiry::Lateness;
use crate::op::Op;
use crate::run::real;

/// One round of one operation on one side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Responses a second.
    pub(super) per_second: f64,
    /// The median latency.
    pub(super) p50_ms: f64,
    /// The 99th percentile of the latency.
    pub(super) p99_ms: f64,
    /// Processor time of the server per response.
    pub(super) processor_us: f64,
}

/// One operation on both sides.
pub(super) struct Row {
    op: Op,
    connections: usize,
    pub(super) rounds: Vec<Round>,
}

/// The measurements of one round, next to each other in time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    pub(super) service: Sample,
    pub(super) floor: Sample,
    /// The native create on the service, beside a dialect's.
    pub(super) create: Option<Sample>,
}

/// The goal of an operation; a bound of infinity is none.
struct Goal {
    ratio: f64,
    p99_ms: f64,
    p99_ratio: f64,
}

impl Row {
    /// A row without rounds yet.
    pub(super) fn new(op: Op, connections: usize) -> Row {
        Row { op, connections, rounds: Vec::new() }
    }

    fn service(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.rounds.iter().map(|round| of(&round.service)).collect())
    }

    fn floor(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.rounds.iter().map(|round| of(&round.floor)).collect())
    }

    /// Service by floor, round by round, smallest first.
    fn ratios(&self, of: impl Fn(&Sample) -> f64) -> Vec<f64> {
        let mut ratios: Vec<f64> =
            self.rounds.iter().map(|round| of(&round.service) / of(&round.floor)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    fn ratio(&self) -> f64 {
        median(self.ratios(|sample| sample.per_second))
    }

    fn p99_ratio(&self) -> f64 {
        median(self.ratios(|sample| sample.p99_ms))
    }

    /// How far the ratios of the rounds lie apart.
    fn spread(&self) -> (f64, f64) {
        let ratios = self.ratios(|sample| sample.per_second);
        (ratios.first().copied().unwrap_or(0.0), ratios.last().copied().unwrap_or(0.0))
    }

    fn goal(&self) -> Option<Goal> {
        let none = f64::INFINITY;
        match (self.op, self.connections) {
            (Op::Verify, _) => Some(Goal { ratio: 0.93, p99_ms: none, p99_ratio: 1.3 }),
            (Op::Create, 64) => Some(Goal { ratio: 0.40, p99_ms: 5.0, p99_ratio: none }),
            (Op::Create, 256) => Some(Goal { ratio: 0.55, p99_ms: none, p99_ratio: none }),
            _ => None,
        }
    }

    /// A dialect by the native create, round by round.
    fn by_create(&self, what: impl Fn(&Sample) -> f64) -> Option<f64> {
        let of = |round: &Round| Some(what(&round.service) / what(&round.create?));
        let ratios: Vec<f64> = self.rounds.iter().filter_map(of).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }

    /// The goal in words, and whether it is reached.
    fn wanted(&self) -> String {
        if let (Some(rate), Some(cpu)) =
            (self.by_create(|s| s.per_second), self.by_create(|s| s.processor_us))
        {
            let (wanted, least) = if self.op == Op::Receipt {
                ("≥ 0.95 of create", 0.95)
            } else {
                ("as fast as create", AS_FAST)
            };
            let reached = verdict(rate >= least);
            return format!("{wanted}: {reached} ({rate:.2} of it, for {cpu:.2} of its cpu)");
        }
        let Some(goal) = self.goal() else { return String::new() };
        let mut words = vec![format!("ratio ≥ {:.2}", goal.ratio)];
        if goal.p99_ms.is_finite() {
            words.push(format!("p99 ≤ {:.0} ms", goal.p99_ms));
        }
        if goal.p99_ratio.is_finite() {
            words.push(format!("p99 ≤ {:.1} × floor", goal.p99_ratio));
        }
        let p99 = self.service(|sample| sample.p99_ms);
        let reached =
            self.ratio() >= goal.ratio && p99 <= goal.p99_ms && self.p99_ratio() <= goal.p99_ratio;
        format!("{}: {}", words.join(", "), verdict(reached))
    }

    fn json(&self) -> Value {
        let side = |sample: &Sample| {
            json!({
                "per_second": sample.per_second,
                "p50_ms": sample.p50_ms,
                "p99_ms": sample.p99_ms,
                "processor_us": sample.processor_us,
            })
        };
        let rounds: Vec<Value> = self
            .rounds
            .iter()
            .map(|round| {
                json!({
                    "service": side(&round.service),
                    "floor": side(&round.floor),
                    "create": round.create.as_ref().map(side),
                })
            })
            .collect();
        json!({
            "op": self.op.name(),
            "connections": self.connections,
            "per_second": self.service(|sample| sample.per_second),
            "p50_ms": self.service(|sample| sample.p50_ms),
            "p99_ms": self.service(|sample| sample.p99_ms),
            "ratio": self.ratio(),
            "p99_ratio": self.p99_ratio(),
            "by_create": self.by_create(|sample| sample.per_second),
            "processor_by_create": self.by_create(|sample| sample.processor_us),
            "rounds": rounds,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.spread();
        write!(
            out,
            "{:<18}{:>10.0}{:>8.2}{:>8.2}{:>8.1}{:>11.0}{:>8.2}{:>8.1}{:>8.2}  {:<12}{}",
            format!("{}, {}", self.op.name(), self.connections),
            self.service(|sample| sample.per_second),
            self.service(|sample| sample.p50_ms),
            self.service(|sample| sample.p99_ms),
            self.service(|sample| sample.processor_us),
            self.floor(|sample| sample.per_second),
            self.floor(|sample| sample.p99_ms),
            self.floor(|sample| sample.processor_us),
            self.ratio(),
            format!("{low:.2}–{high:.2}"),
            self.wanted(),
        )
    }
}

/// What one key or event takes on average.
pub(super) struct Size {
    what: &'static str,
    of: String,
    bytes: f64,
    at_most: f64,
}

impl Size {
    /// Memory a key.
    pub(super) fn memory(of: &str, bytes: f64) -> Size {
        Size { what: "memory, bytes a key", of: of.to_owned(), bytes, at_most: 600.0 }
    }

    /// Disk an event.
    pub(super) fn disk(of: &str, bytes: f64) -> Size {
        Size { what: "disk, bytes an event", of: of.to_owned(), bytes, at_most: 450.0 }
    }
}

/// A ratio that rounds of one second cannot distinguish from 1.
const AS_FAST: f64 = 0.97;

/// All results.
#[derive(Default)]
pub(super) struct Report {
    /// The operations.
    pub(super) rows: Vec<Row>,
    /// Memory and disk.
    pub(super) sizes: Vec<Size>,
    /// How late keys were denied and their ends recorded.
    pub(super) late: Lateness,
    /// From the start of the process to the first 200 of `/readyz`.
    pub(super) ready_s: f64,
    /// Events that this start replayed.
    pub(super) replayed: u64,
}

/// The goal of a start, in events a second.
const REPLAY: f64 = 600_000.0;

impl Report {
    fn replay_per_second(&self) -> f64 {
        real(self.replayed) / self.ready_s.max(f64::MIN_POSITIVE)
    }

    /// The results as JSON.
    pub(super) fn json(&self) -> Value {
        let size = |size: &Size| json!({"what": size.what, "of": size.of, "bytes": size.bytes});
        json!({
            "operations": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "sizes": self.sizes.iter().map(size).collect::<Vec<_>>(),
            "denied_ms": self.late.denied_ms,
            "recorded_ms": self.late.recorded_ms,
            "ready_s": self.ready_s,
            "replayed": self.replayed,
            "replay_per_second": self.replay_per_second(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<18}{:>10}{:>8}{:>8}{:>8}{:>11}{:>8}{:>8}{:>8}  {:<12}wanted",
            "operation",
            "a second",
            "p50 ms",
            "p99 ms",
            "cpu µs",
            "floor/s",
            "p99 ms",
            "cpu µs",
            "ratio",
            "of rounds",
        )?;
        for row in &self.rows {
            writeln!(out, "{row}")?;
        }
        for Size { what, of, bytes, at_most } in &self.sizes {
            let reached = verdict(bytes <= at_most);
            let of = format!("over {of}");
            writeln!(out, "{what:<24}{bytes:>8.0}  {of:<67}≤ {at_most:.0}: {reached}")?;
        }
        let Lateness { denied_ms, recorded_ms } = &self.late;
        for (what, values, at_most) in [
            ("denied, ms after due", denied_ms, 50.0),
            ("recorded, ms after due", recorded_ms, 250.0),
        ] {
            let Some(longest) = values.iter().copied().reduce(f64::max) else { continue };
            let reached = verdict(longest <= at_most);
            let of = format!("the latest of {} keys, at rest", values.len());
            writeln!(out, "{what:<24}{longest:>8.1}  {of:<67}≤ {at_most:.0}: {reached}")?;
        }
        let rate = self.replay_per_second();
        let of = format!("{} events replayed, {rate:.0} a second", self.replayed);
        let what = "seconds to ready";
        let reached = verdict(rate >= REPLAY);
        write!(out, "{what:<24}{:>8.2}  {of:<67}≥ {REPLAY:.0} a second: {reached}", self.ready_s)
    }
}

fn verdict(reached: bool) -> &'static str {
    if reached { "yes" } else { "NO" }
}

/// The middle one; of an even number the mean of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = values.get(middle).copied().unwrap_or(f64::NAN);
    match values.get(middle.wrapping_sub(1)) {
        Some(low) if values.len().is_multiple_of(2) => f64::midpoint(*low, high),
        Some(_) | None => high,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(per_second: f64, p99_ms: f64) -> Sample {
        Sample { per_second, p50_ms: 1.0, p99_ms, processor_us: 10.0 }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!((median(vec![5.0]) - 5.0).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }

    fn round(service: Sample, floor: Sample) -> Round {
        Round { service, floor, create: None }
    }

    #[test]
    fn a_ratio_is_of_neighbours_in_time() {
        let mut row = Row::new(Op::Create, 64);
        // The machine slowed down by half in the second round; the ratio does not mind.
        row.rounds = vec![
            round(sample(50_000.0, 2.0), sample(100_000.0, 1.0)),
            round(sample(25_000.0, 4.0), sample(50_000.0, 2.0)),
        ];
        assert!((row.ratio() - 0.5).abs() < 1e-9);
        assert_eq!(row.wanted(), "ratio ≥ 0.40, p99 ≤ 5 ms: yes");
        row.rounds = vec![round(sample(50_000.0, 6.0), sample(100_000.0, 1.0))];
        assert_eq!(row.wanted(), "ratio ≥ 0.40, p99 ≤ 5 ms: NO");
    }

    #[test]
    fn a_dialect_is_compared_with_the_native_create() {
        let mut row = Row::new(Op::Capgo, 64);
        let floor = sample(100_000.0, 1.0);
        for (create, verdict) in [(50_000.0, "yes (1.00"), (60_000.0, "NO (0.83")] {
            let create = Some(sample(create, 2.0));
            row.rounds = vec![Round { service: sample(50_000.0, 2.0), floor, create }];
            let wanted = format!("as fast as create: {verdict} of it, for 1.00 of its cpu)");
            assert_eq!(row.wanted(), wanted);
        }
    }

    #[test]
    fn every_line_of_the_table_is_as_wide() {
        let mut row = Row::new(Op::Verify, 64);
        row.rounds = vec![round(sample(98_000.0, 1.2), sample(100_000.0, 1.1))];
        let sizes = vec![Size::memory("98000 keys", 512.0), Size::disk("98000 keys", 200.0)];
        let late = Lateness { denied_ms: vec![0.4, 1.0], recorded_ms: vec![2.0, 251.0] };
        let report = Report { rows: vec![row], sizes, late, ready_s: 0.5, replayed: 400_000 };
        let text = report.to_string();
        let at = |line: &str, what: &str| line.find(what).map(|at| line[..at].chars().count());
        let lines: Vec<&str> = text.lines().collect();
        let column = at(lines[0], "wanted");
        assert_eq!(at(lines[1], "ratio ≥"), column, "{text}");
        assert_eq!(at(lines[2], "≤ 600"), column, "{text}");
        assert_eq!(at(lines[4], "≤ 50: yes"), column, "{text}");
        assert_eq!(at(lines[5], "≤ 250: NO"), column, "{text}");
        assert_eq!(at(lines[6], "≥ 600000"), column, "{text}");
        assert!(lines[6].contains("800000 a second"), "{text}");
    }
}
