//! The key table that the records make, as table notes commit to it.

use keys::KeyId;
use rayon::prelude::*;
use tlog::{Frontier, Hash, bucket_of, root_over_buckets};

use super::Auditor;
use crate::projection::row::Row;
use crate::projection::table_snapshot::bucket_root;

/// How many rows one processor takes at a time: a power of two.
const PART: usize = 4096;

impl Auditor {
    /// A key's row in the key table after the records so far; `None` also for a key whose
    /// creation was not handed in.
    #[must_use]
    pub fn row(&self, key: KeyId) -> Option<Row> {
        self.keys.get(&key)?.row(key)
    }

    /// The rows of the key table after the records so far, sorted. Of a whole log only: a key
    /// whose creation was not handed in has no row here.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let rows = self.keys.par_iter().filter_map(|(id, tracked)| tracked.row(*id));
        let mut rows: Vec<Row> = rows.collect();
        rows.par_sort_unstable();
        rows
    }

    /// The root of the table with [`Auditor::rows`], as a table note of this size has it.
    #[must_use]
    pub fn table_root(&self) -> Hash {
        let rows = self.rows();
        let buckets: Vec<&[Row]> = rows.chunk_by(|one, other| place(one) == place(other)).collect();
        let roots =
            buckets.par_iter().filter_map(|rows| Some((place(rows.first()?), bucket_root(rows))));
        root_over_buckets(roots.collect::<Vec<_>>())
    }

    /// The root over all [`Auditor::rows`] in one tree: that of the table notes in bundles of the first
    /// version.
    #[must_use]
    pub fn flat_table_root(&self) -> Hash {
        flat_root(&self.rows(), PART)
    }
}

/// The bucket of a row.
fn place(row: &Row) -> u16 {
    bucket_of(&row.key)
}

/// The root over rows. A tree splits at powers of two: its parts of `width` rows, which is one, are
/// the leaves of a smaller tree with the same root, also where the last part is narrower.
fn flat_root(rows: &[Row], width: usize) -> Hash {
    rows.par_chunks(width)
        .map(bucket_root)
        .collect::<Vec<Hash>>()
        .into_iter()
        .collect::<Frontier>()
        .root()
}

#[cfg(test)]
mod tests {
    use tlog::leaf_hash;

    use super::*;

    #[test]
    fn a_root_made_in_parts_is_the_root() {
        let row = |n: u8| Row { key: [n; 32], state: [!n; 32] };
        let rows: Vec<Row> = (0..130).map(row).collect();
        for size in 0..=rows.len() {
            let rows = &rows[..size];
            let leaves = rows.iter().map(|row| leaf_hash(&row.to_bytes()));
            let whole = leaves.collect::<Frontier>().root();
            for width in [1, 2, 8, 64, 256] {
                assert_eq!(flat_root(rows, width), whole, "{size} in parts of {width}");
            }
        }
    }
}
