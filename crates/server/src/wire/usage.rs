//! Counts of use in answers.

use keys::{Timestamp, Verdict};
use ledger::{Page, UsagePoint};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::text::Time;
use super::words;

/// How often keys were verified, a page at a time.
#[derive(Serialize, ToSchema)]
pub(crate) struct Usage<'a> {
    /// The first moment whose counts are kept.
    #[schema(value_type = String, format = DateTime)]
    since: Time,
    /// The hours or days on this page, oldest first.
    items: Vec<UsageItem<'a>>,
    /// The `cursor` of the next page; null at the end.
    #[schema(value_type = Option<words::Cursor>, required)]
    next_cursor: Option<String>,
}

/// One hour or day in which there was a verify.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageItem<'a> {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    start: Time,
    /// All answers in it.
    total: u64,
    /// How many there were with each code; a code that was not answered is left out.
    #[schema(value_type = words::VerifyCounts)]
    counts: Counts<'a>,
}

impl<'a> Usage<'a> {
    pub(crate) fn new(
        page: &'a Page<UsagePoint, Timestamp>,
        since: Timestamp,
        next_cursor: Option<String>,
    ) -> Usage<'a> {
        let items = page.items.iter().map(|UsagePoint { start, counts }| UsageItem {
            start: Time(*start),
            total: counts.iter().map(|(_, count)| count).sum(),
            counts: Counts(counts),
        });
        Usage { since: Time(since), items: items.collect(), next_cursor }
    }
}

struct Counts<'a>(&'a [(Verdict, u64)]);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (verdict, count) in self.0 {
            map.serialize_entry(verdict.as_str(), count)?;
        }
        map.end()
    }
}
