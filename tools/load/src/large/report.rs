//! The figures at each size, side by side.

use std::fmt;

use serde_json::{Value, json};

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    None,
    AtMost(f64),
    AtLeast(f64),
    RatioAtMost(f64),
    RatioAtLeast(f64),
}

/// One figure at one size.
#[derive(Debug)]
struct Figure {
    name: String,
    /// `None`: it was not to be had.
    value: Option<f64>,
    /// To the floor, or to the same without a storm.
    ratio: Option<f64>,
    goal: Goal,
}

impl Figure {
    /// The goal in words, and whether it is reached.
    fn verdict(&self) -> String {
        let (words, reached) = match self.goal {
            Goal::None => return String::new(),
            Goal::AtMost(most) => (format!("≤ {most}"), self.value.is_some_and(|v| v <= most)),
            Goal::AtLeast(least) => (format!("≥ {least}"), self.value.is_some_and(|v| v >= least)),
            Goal::RatioAtMost(most) => {
                (format!("ratio ≤ {most}"), self.ratio.is_some_and(|ratio| ratio <= most))
            }
            Goal::RatioAtLeast(least) => {
                (format!("ratio ≥ {least}"), self.ratio.is_some_and(|ratio| ratio >= least))
            }
        };
        format!("{words}: {}", if reached { "yes" } else { "NO" })
    }

    fn cell(&self) -> String {
        let value = self.value.map_or_else(|| "–".to_owned(), number);
        self.ratio.map_or(value.clone(), |ratio| format!("{value} ({ratio:.2})"))
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// The figures at one size.
#[derive(Debug)]
pub(super) struct Column {
    keys: u64,
    figures: Vec<Figure>,
}

impl Column {
    /// Of a table with so many keys.
    pub(super) fn new(keys: u64) -> Column {
        Column { keys, figures: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &str, value: f64, goal: Goal) {
        self.add_measured(name, Some(value), goal);
    }

    /// A figure that may not be to be had.
    pub(super) fn add_measured(&mut self, name: &str, value: Option<f64>, goal: Goal) {
        self.figures.push(Figure { name: name.to_owned(), value, ratio: None, goal });
    }

    pub(super) fn add_ratio(&mut self, name: &str, value: f64, ratio: f64, goal: Goal) {
        let (name, value, ratio) = (name.to_owned(), Some(value), Some(ratio));
        self.figures.push(Figure { name, value, ratio, goal });
    }

    fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

/// All figures. The goals are those of the largest size.
#[derive(Default)]
pub(super) struct Report {
    pub(super) columns: Vec<Column>,
}

impl Report {
    pub(super) fn json(&self) -> Value {
        let figure = |figure: &Figure| {
            json!({"name": figure.name, "value": figure.value, "ratio": figure.ratio,
                "wanted": figure.verdict()})
        };
        let column = |column: &Column| {
            let figures: Vec<Value> = column.figures.iter().map(figure).collect();
            json!({"keys": column.keys, "figures": figures})
        };
        json!({"sizes": self.columns.iter().map(column).collect::<Vec<_>>()})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<32}", "keys")?;
        self.columns.iter().try_for_each(|column| write!(out, "{:>18}", column.keys))?;
        writeln!(out, "  wanted")?;
        let Some(largest) = self.columns.last() else { return Ok(()) };
        for figure in &largest.figures {
            write!(out, "{:<32}", figure.name)?;
            for column in &self.columns {
                let cell = column.figure(&figure.name).map(Figure::cell).unwrap_or_default();
                write!(out, "{cell:>18}")?;
            }
            writeln!(out, "  {}", figure.verdict())?;
        }
        Ok(())
    }
}

/// The middle one.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stand_side_by_side() {
        let mut small = Column::new(100_000);
        small.add_ratio("verify, a second", 61_234.0, 0.97, Goal::RatioAtLeast(0.95));
        small.add("stop, s", 0.123_4, Goal::AtMost(2.0));
        let mut large = Column::new(10_000_000);
        large.add_ratio("verify, a second", 58_000.0, 0.912, Goal::RatioAtLeast(0.95));
        large.add("stop, s", 1.5, Goal::AtMost(2.0));
        large.add_measured("table-digest, s", None, Goal::AtMost(1.0));
        large.add("bundle, events a second", 150_000.0, Goal::AtLeast(150_000.0));
        let report = Report { columns: vec![small, large] };
        let text = report.to_string();
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["keys", "100000", "10000000", "wanted"]);
        assert_eq!(
            lines[1][3..],
            ["61234", "(0.97)", "58000", "(0.91)", "ratio", "≥", "0.95:", "NO"]
        );
        assert_eq!(lines[2][2..], ["0.123", "1.50", "≤", "2:", "yes"]);
        assert_eq!(lines[3][2..], ["–", "≤", "1:", "NO"]);
        assert_eq!(lines[4][4..], ["150000", "≥", "150000:", "yes"]);
        assert_eq!(report.json()["sizes"][1]["figures"][0]["ratio"], 0.912);
    }
}
