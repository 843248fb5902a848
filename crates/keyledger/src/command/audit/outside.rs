//! Between which outside times the records of a bundle lie, in words and in JSON.

use std::path::Path;

use anyhow::Result;
use bundle::{Placed, Verified};
use serde_json::{Value, json};
use timestamp::Roots;

use crate::exit::misuse;

/// Reads the root certificates of `--tsa-ca`.
pub(super) fn roots(path: &Path) -> Result<Roots> {
    let wrong = |why: String| misuse(format!("--tsa-ca: `{}`: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    Roots::from_pem(&text).map_err(|error| wrong(error.to_string()))
}

/// What they are, for a program.
pub(super) fn json(verified: &Verified) -> Value {
    let placed = verified.placed;
    let count = placed.map_or(verified.stamps, |placed| placed.times as u64);
    let placed = placed.unwrap_or_default();
    json!({
        "checked": verified.placed.is_some(),
        "count": count,
        "first": placed.span.map(|(first, _)| first.to_string()),
        "last": placed.span.map(|(_, last)| last.to_string()),
        "records_between": placed.between,
        "widest_s": placed.widest_us.div_ceil(1_000_000),
        "records_before_first": placed.before,
        "records_after_last": placed.after,
    })
}

/// What they are, for a person; `None` if there is nothing to say.
pub(super) fn sentence(verified: &Verified) -> Option<String> {
    let Some(Placed { times, span, between, widest_us, before, after }) = verified.placed else {
        let unchecked = "time-stamps, not checked; give --tsa-ca with the roots that you trust";
        return (verified.stamps > 0).then(|| format!("{} {unchecked}", verified.stamps));
    };
    let Some((first, last)) = span else {
        return Some("none: nobody but the log says when".to_owned());
    };
    let width = width(widest_us.div_ceil(1_000_000));
    let lie = match between {
        0 => "no record lies between two of them".to_owned(),
        _ => format!("each of {between} records lies between two of them at most {width} apart"),
    };
    let rest = format!("{before} lie before the first, {after} after the last");
    Some(format!("{times}, from {first} to {last}: {lie}; {rest}"))
}

/// Seconds, as in `1d 2h 3m 4s`.
fn width(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, 'd'),
        (seconds / 3_600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let text: Vec<String> = parts.map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_has_the_parts_that_are_not_nothing() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (86_400, "1d"),
            (86_401, "1d 1s"),
            (93_784, "1d 2h 3m 4s"),
            (864_000_000, "10000d"),
        ] {
            assert_eq!(width(seconds), text);
        }
    }
}
