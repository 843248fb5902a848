//! Printing: lines and tables on stdout, progress on a terminal's stderr.
//!
//! Everything goes through [`line`], which tells a closed pipe as an error and does not panic.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

/// Prints a line.
pub(crate) fn line(text: impl Display) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &Value) -> Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// A table, its columns as wide as they need to be.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(head: &[&str]) -> Table {
        Table { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it.
    pub(crate) fn print(&self) -> Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        self.rows.iter().try_for_each(|row| line(align(row, &widths)))
    }
}

/// One row, each cell filled up to its column's width.
pub(crate) fn align(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// A field of an answer as a cell: text without quotes, `-` for what is not there, and nothing
/// that could steer a terminal.
pub(crate) fn cell(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => plain(text),
        Some(Value::Array(items)) => {
            let items =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), plain));
            items.collect::<Vec<_>>().join(",")
        }
        Some(other) => other.to_string(),
    }
}

/// Text with its control characters shown as `?`.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { '?' } else { one }).collect()
}

/// How far a long work has come; silent when stderr is no terminal.
pub(crate) struct Progress {
    what: &'static str,
    shown: Option<Instant>,
    terminal: bool,
    drawn: bool,
}

impl Progress {
    /// How often it is drawn.
    const EVERY: Duration = Duration::from_millis(100);

    /// Of a work that is named so.
    pub(crate) fn new(what: &'static str) -> Progress {
        Progress { what, shown: None, terminal: stderr().is_terminal(), drawn: false }
    }

    /// It has come to `count`.
    pub(crate) fn at(&mut self, count: u64) {
        if !self.terminal {
            return;
        }
        let now = Instant::now();
        // Not at the very start: work that is short shows nothing.
        let since = *self.shown.get_or_insert(now);
        if now.duration_since(since) >= Progress::EVERY {
            self.shown = Some(now);
            self.drawn = true;
            // A progress that cannot be drawn is no reason to stop.
            drop(write!(stderr(), "\r{} {count}\x1b[K", self.what));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn {
            drop(write!(stderr(), "\r\x1b[K"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_steer_a_terminal() {
        let value = serde_json::json!({"a": "x\u{1b}[2J\ny", "b": null, "c": ["p", "q"], "d": 3});
        assert_eq!(cell(&value, "/a"), "x?[2J?y");
        assert_eq!(cell(&value, "/b"), "-");
        assert_eq!(cell(&value, "/c"), "p,q");
        assert_eq!(cell(&value, "/d"), "3");
        assert_eq!(cell(&value, "/e/f"), "-");
    }
}
