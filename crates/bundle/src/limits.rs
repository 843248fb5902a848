//! The bounds that records are judged by, as they stand in every bundle: `limits.json`.

use keys::bounds::{self, Length, TextBounds};
use serde::Deserialize;

/// The version of the table. A bound that becomes wider makes another one.
const VERSION: u32 = 1;

/// The file: what `schemas/limits.json` is, too.
#[must_use]
pub fn limits_text() -> String {
    let texts: Vec<String> = bounds::TEXTS.iter().map(text).collect();
    let counts = bounds::COUNTS.iter().map(|(name, most)| format!("    \"{name}\": {most}"));
    format!(
        "{{\n  \"limits\": {VERSION},\n  \"record_bytes\": [1, {}],\n  \"texts\": {},\n  \
         \"counts\": {},\n  \"numbers\": {},\n  \"of_requests\": {}\n}}\n",
        ledger::MAX_RECORD,
        object(texts),
        object(counts),
        object(numbers(bounds::NUMBERS)),
        object(numbers(bounds::OF_REQUESTS)),
    )
}

fn object(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().collect();
    format!("{{\n{}\n  }}", lines.join(",\n"))
}

#[expect(clippy::expect_used, reason = "a text is always JSON")]
fn text(TextBounds { name, form, length }: &TextBounds) -> String {
    let (unit, least, most) = match length {
        Length::Characters(least, most) => ("characters", least, most),
        Length::Bytes(least, most) => ("bytes", least, most),
    };
    let pattern = serde_json::to_string(form.pattern()).expect("a text is JSON");
    format!("    \"{name}\": {{\"{unit}\": [{least}, {most}], \"pattern\": {pattern}}}")
}

fn numbers(table: &[(&str, u64, u64)]) -> Vec<String> {
    table.iter().map(|(name, least, most)| format!("    \"{name}\": [{least}, {most}]")).collect()
}

/// Checks that `text` is the table that this program judges by.
///
/// # Errors
///
/// What is said of it otherwise.
pub(crate) fn check(text: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Named {
        limits: u64,
    }
    if text == limits_text() {
        return Ok(());
    }
    let named = serde_json::from_str::<Named>(text).ok().map(|named| named.limits);
    Err(match named {
        Some(other) if other != u64::from(VERSION) => format!(
            "`limits.json` is of version {other}, and this program judges by version {VERSION}: \
             check the bundle with the program that made it, or a newer one"
        ),
        Some(_) | None => format!("`limits.json` is not the one of version {VERSION}"),
    })
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::layout::VERIFIER_TEXT;

    #[test]
    fn the_published_table_is_this_one() {
        let published = include_str!("../../../schemas/limits.json");
        assert!(published == limits_text(), "write it anew: cargo xtask schemas");
        let table: serde_json::Value = serde_json::from_str(published).unwrap();
        assert_eq!(table["texts"]["name"]["characters"], serde_json::json!([1, 200]));
    }

    /// The other verifier knows no other table, whoever signs one.
    #[test]
    fn the_other_verifier_knows_the_table() {
        let hash = hex::encode(Sha256::digest(limits_text()));
        let line = format!("{VERSION}: \"{hash}\"");
        assert!(VERIFIER_TEXT.contains(&line), "LIMITS of tools/verify.py must have {line}");
    }

    #[test]
    fn another_table_is_told_by_its_version() {
        let newer = limits_text().replace("\"limits\": 1", "\"limits\": 2");
        let wider = limits_text().replace("6000", "6001");
        for (text, words) in [(&*newer, "version 2"), (&wider, "not the one"), ("", "not the one")]
        {
            let why = check(text).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        assert_eq!(check(&limits_text()), Ok(()));
    }
}
