//! The key table as one number, to compare with that of another who has the same log.

use std::collections::BTreeSet;

use eventlog::Seq;
use tlog::Hash;

use crate::caller::{AUDIT, Caller};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::buckets::bucket;
use crate::projection::table_snapshot::TableTree;
use crate::record::replay::read;

/// How many records the table is taken back at most.
const MOST_BACK: u64 = if cfg!(test) { 40 } else { 10_000 };
/// Records that are read at a time.
const STEP: u64 = 256;

impl Ledger {
    /// The root of the key table as of a length of the log (now, if `None`), and that length: what a table
    /// note of that length signs.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts; [`Error::BeyondTheLog`];
    /// [`Error::TooFarBack`] for more than 10,000 records before now; [`Error::Overloaded`] while another
    /// tree of the table is made.
    pub fn table_digest(&self, caller: &Caller, length: Option<Seq>) -> Result<(Seq, Hash), Error> {
        caller.require_all(AUDIT)?;
        let size = self.state().size();
        if length.is_some_and(|length| length > size) {
            return Err(Error::BeyondTheLog { length: size });
        }
        let making = &self.state().snapshots.making;
        let tree = self.table_tree(&mut making.try_lock().ok_or(Error::Overloaded)?)?;
        match length {
            Some(length) if length < tree.size => {
                Ok((length, self.taken_back(&tree, length)?.buckets.root()))
            }
            Some(_) | None => Ok((tree.size, tree.buckets.root())),
        }
    }

    /// The tree as it was after the first `length` records.
    fn taken_back(&self, tree: &TableTree, length: Seq) -> Result<TableTree, Error> {
        if tree.size.0 - length.0 > MOST_BACK {
            return Err(Error::TooFarBack { most: MOST_BACK });
        }
        let (mut buckets, mut interner) = (BTreeSet::new(), self.state().interner());
        let mut from = length;
        while from < tree.size {
            self.still_wanted()?;
            let count = STEP.min(tree.size.0 - from.0);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let found = read(self.log().stored(), from, count, &mut interner);
            let found = found.map_err(Error::fault)?;
            let Some(last) = found.last() else { break };
            from = last.seq.next();
            let links = found.iter().flat_map(|found| found.record.links.iter());
            buckets.extend(links.map(|link| bucket(link.key)));
        }
        let buckets: Vec<u16> = buckets.into_iter().collect();
        Ok(self.tree_after(tree, &buckets, length)?.0)
    }
}
