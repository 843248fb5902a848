//! Printing: lines and tables on stdout, progress on a terminal's stderr.
//!
//! All output goes through [`line()`], which reports a closed pipe as an error instead of a panic and
//! escapes control characters, whatever a server answers. Errors go through [`error`], which does not
//! block on a stderr that nobody reads and removes API keys.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

/// Prints a line, or several.
pub(crate) fn line(text: impl Display) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{}", lines(&text.to_string()))?;
    out.flush()?;
    Ok(())
}

/// Time limit for writing to stderr, which nobody may be reading.
const STDERR_LIMIT: Duration = Duration::from_secs(1);

/// Prints an error on stderr, without any API key that is in it. Gives up after a second if stderr
/// accepts nothing.
pub(crate) fn error(text: impl Display) {
    raw_error(format_args!("keyledger: {text}"));
}

/// The same, without the program's name.
pub(crate) fn raw_error(text: impl Display) {
    let line = format!("{}\n", lines(&keys::without_keys(&text.to_string())));
    let (done, finished) = std::sync::mpsc::channel();
    let written = std::thread::Builder::new().spawn(move || {
        let _ = stderr().write_all(line.as_bytes());
        let _ = done.send(());
    });
    if written.is_ok() {
        let _ = finished.recv_timeout(STDERR_LIMIT);
    }
}

/// Warns the operator: in the service's log once there is one, else on stderr.
pub(crate) fn warn(text: impl Display) {
    if tracing::dispatcher::has_been_set() {
        tracing::warn!("{text}");
    } else {
        error(format_args!("warning: {text}"));
    }
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &Value) -> Result<()> {
    line(in_json(&serde_json::to_string_pretty(value)?))
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line(value: &Value) -> Result<()> {
    line(in_json(&value.to_string()))
}

/// Text for the terminal: line breaks and tabs stay, other control characters are escaped.
pub(crate) fn lines(text: &str) -> String {
    each(text, &['\n', '\t'], |part| keys::visible(part).into_owned())
}

/// JSON with control and invisible characters as `\u` escapes, so that it means the same.
#[expect(clippy::expect_used, reason = "`hidden` gives the places of characters")]
fn in_json(text: &str) -> String {
    each(text, &['\n'], |part| {
        let (mut shown, mut from) = (String::new(), 0);
        for (at, one) in keys::hidden(part) {
            shown += part.get(from..at).expect("places of characters");
            for unit in one.encode_utf16(&mut [0; 2]) {
                shown += &format!("\\u{unit:04x}");
            }
            from = at + one.len_utf8();
        }
        shown + part.get(from..).expect("the place after a character")
    })
}

/// The text with every part between the `separators` mapped by `show`.
#[expect(clippy::expect_used, reason = "`inner` is the beginning of `part`")]
fn each(text: &str, separators: &[char], show: impl Fn(&str) -> String) -> String {
    let parts = text.split_inclusive(separators).map(|part| {
        let inner = part.strip_suffix(separators).unwrap_or(part);
        show(inner) + part.strip_prefix(inner).expect("a part begins with itself")
    });
    parts.collect()
}

/// One row, each cell filled up to its column's width.
pub(crate) fn align(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// A field of a response as a cell: text without quotes, `-` for an absent value, control characters
/// escaped.
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

/// Text from elsewhere on one line, invisible characters escaped as `\u{202e}`.
pub(crate) fn plain(text: &str) -> String {
    keys::visible(text).into_owned()
}

/// The progress of long work; silent when stderr is no terminal.
pub(crate) struct Progress {
    label: &'static str,
    shown: Option<Instant>,
    terminal: bool,
    drawn: bool,
}

impl Progress {
    /// The shortest time between two updates.
    const INTERVAL: Duration = Duration::from_millis(100);

    /// A progress line with that label.
    pub(crate) fn new(label: &'static str) -> Progress {
        Progress { label, shown: None, terminal: stderr().is_terminal(), drawn: false }
    }

    /// Shows `count`.
    pub(crate) fn at(&mut self, count: u64) {
        self.draw(|label| format!("{label} {count}"));
    }

    /// Shows `count`, and as a bar how much `done` is of `all`.
    pub(crate) fn of(&mut self, count: u64, done: u64, all: u64) {
        self.draw(|label| format!("{label} {} {count}", bar(done, all)));
    }

    fn draw(&mut self, text: impl FnOnce(&str) -> String) {
        if !self.terminal {
            return;
        }
        let now = Instant::now();
        // Not at the start: short work shows nothing.
        let since = *self.shown.get_or_insert(now);
        if now.duration_since(since) >= Progress::INTERVAL {
            self.shown = Some(now);
            self.drawn = true;
            // A progress line that cannot be written is no reason to stop.
            drop(write!(stderr(), "\r{}\x1b[K", text(self.label)));
        }
    }
}

/// `[#####---------------]  25 %`
fn bar(done: u64, all: u64) -> String {
    let percent = done.min(all).saturating_mul(100).checked_div(all).unwrap_or(100);
    let full = usize::try_from(percent / 5).unwrap_or(0);
    format!("[{}{}] {percent:>3} %", "#".repeat(full), "-".repeat(20 - full))
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
        assert_eq!(cell(&value, "/a"), r"x\u{1b}[2J\u{a}y");
        assert_eq!(cell(&value, "/b"), "-");
        assert_eq!(cell(&value, "/c"), "p,q");
        assert_eq!(cell(&value, "/d"), "3");
        assert_eq!(cell(&value, "/e/f"), "-");
    }

    #[test]
    fn a_bar_is_as_long_whatever_it_shows() {
        assert_eq!(bar(0, 8), "[--------------------]   0 %");
        assert_eq!(bar(2, 8), "[#####---------------]  25 %");
        for (done, all) in [(8, 8), (9, 8), (0, 0), (u64::MAX, u64::MAX)] {
            assert!(bar(done, all).ends_with('%') && bar(done, all).len() == 28, "{done} {all}");
        }
    }

    #[test]
    fn whatever_is_printed_cannot_steer_a_terminal() {
        let table = [
            ("two\n\tlines", "two\n\tlines"),
            ("\u{1b}]0;x\u{7}", r"\u{1b}]0;x\u{7}"),
            ("a\u{9b}2J\rb", r"a\u{9b}2J\u{d}b"),
            ("ab\u{202e}dc\n\u{200b}", "ab\\u{202e}dc\n\\u{200b}"),
            ("Zürich 👩\u{200d}💻", "Zürich 👩\u{200d}💻"),
        ];
        for (text, want) in table {
            assert_eq!(lines(text), want);
        }
    }

    #[test]
    fn json_that_is_printed_means_the_same() {
        let value =
            serde_json::json!({"a": "\u{9b}2J\u{202e}\u{e0041}\n\u{1b}", "b": ["ü", "\u{2028}"]});
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = in_json(&text);
            assert!(shown.split('\n').all(|line| keys::hidden(line).next().is_none()), "{shown}");
            assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }
    }
}
