//! That nothing is missing in a part of a log.
//!
//! Recorded times never go back, so a span of time is a run of records; the ones before and after it
//! show where it ends. An account's part has all of the account's records, whatever its span: the log
//! says how many keys the account has, the table of keys what the last record of each is, and the links
//! lead from there to its creation.

use keys::{Account, Event, KeyId};
use ledger::{Auditor, Entry};
use tlog::{Hash, bucket_of, leaf_hash, verify_in_bucket};

use crate::account_note::signed_keys;
use crate::archive::Stored;
use crate::layout::{self, PACK};
use crate::manifest::{Scope, Version};
use crate::opened::{Opened, hashes};
use crate::refused::Invalid;

/// What of a part was seen so far.
pub(crate) struct Part {
    scope: Scope,
    extent: Extent,
}

enum Extent {
    /// The keys of an account, in the order in which they were made.
    Account(Account, Vec<KeyId>),
    /// The last record of a run, and whether it lies behind the span.
    Span(Option<(u64, bool)>),
}

impl Part {
    /// `None` for a whole log, and for a part of the first version, which does not show it.
    pub(crate) fn of<S: Stored + ?Sized>(opened: &Opened<'_, S>) -> Option<Part> {
        if opened.version == Version::One || opened.scope.is_whole() {
            return None;
        }
        let scope = opened.scope.clone();
        let extent = match &scope.account {
            Some(account) => Extent::Account(account.clone(), Vec::new()),
            None => Extent::Span(None),
        };
        Some(Part { scope, extent })
    }

    /// Whether it is one of an account.
    pub(crate) fn is_of_account(&self) -> bool {
        matches!(self.extent, Extent::Account(..))
    }

    /// Takes in the next record. Returns whether it is in the scope; if not, it shows that nothing is
    /// missing.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<bool, Invalid> {
        let (seq, at) = (entry.seq.0, entry.record.at);
        let covered = self.scope.covers(&entry.account, at);
        match &mut self.extent {
            Extent::Account(account, _) if *account != entry.account => {
                return Err(Invalid::Scope(seq));
            }
            Extent::Account(_, created) => {
                if let Event::Created(made) = &entry.record.event {
                    created.push(made.id);
                }
            }
            Extent::Span(last) => {
                let is_behind = self.scope.to.is_some_and(|to| at >= to);
                let expected = match *last {
                    None if covered => 0,
                    None => seq,
                    // Only the first one lies before it, and only the last one behind.
                    Some((_, true)) => return Err(Invalid::Scope(seq)),
                    Some(_) if !covered && !is_behind => return Err(Invalid::Scope(seq)),
                    Some((last, false)) => last + 1,
                };
                if seq != expected {
                    return Err(Invalid::Gap(expected));
                }
                *last = Some((seq, is_behind));
            }
        }
        Ok(covered)
    }

    /// Checks that it is complete, after the last record.
    pub(crate) fn finish<S: Stored + ?Sized>(
        self,
        opened: &Opened<'_, S>,
        auditor: &Auditor,
    ) -> Result<(), Invalid> {
        match self.extent {
            Extent::Account(account, created) => {
                has_all_keys(opened, &account, created.len() as u64)?;
                are_the_last_records(opened, auditor, &created)
            }
            Extent::Span(Some((last, false))) if last + 1 < opened.checkpoint.size => {
                Err(Invalid::Gap(last + 1))
            }
            Extent::Span(_) => Ok(()),
        }
    }
}

/// Checks that the log says that the account has so many keys.
fn has_all_keys<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
    account: &Account,
    found: u64,
) -> Result<(), Invalid> {
    const NAME: &str = layout::ACCOUNT;
    let (size, trusted) = (opened.checkpoint.size, opened.trusted_keys());
    let note = opened.small(NAME)?;
    let (signed, by) = signed_keys(NAME, &note, (&opened.chain, trusted), size, account)?;
    if by.name() != opened.origin {
        return Err(Invalid::Malformed(NAME));
    }
    if signed == found { Ok(()) } else { Err(Invalid::AccountKeys { signed, found }) }
}

/// Checks that the table of keys has the rows that the records make.
fn are_the_last_records<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
    auditor: &Auditor,
    keys: &[KeyId],
) -> Result<(), Invalid> {
    let table = &opened.table;
    if table.size != opened.checkpoint.size {
        return Err(Invalid::Malformed(layout::TABLE));
    }
    let files = keys.len().div_ceil(PACK) as u64;
    if opened.rows_files() != files {
        return Err(Invalid::Malformed("rows"));
    }
    for (number, keys) in (0..).zip(keys.chunks(PACK)) {
        let bytes = opened.bytes(&layout::rows_name(number))?;
        let places = str::from_utf8(&bytes).ok().and_then(parse_rows);
        let places = places.filter(|places| places.len() == keys.len());
        for (key, (index, rows, path)) in keys.iter().zip(places.ok_or(Invalid::Malformed("rows"))?)
        {
            let row = auditor.row(*key).ok_or(Invalid::Row(*key))?;
            let (leaf, bucket) = (leaf_hash(&row.to_bytes()), bucket_of(&row.key));
            verify_in_bucket(&leaf, bucket, (index, rows), &path, &table.root)
                .map_err(|_| Invalid::Row(*key))?;
        }
    }
    Ok(())
}

/// For each key `index <i> of <rows>`, its hashes and an empty line.
fn parse_rows(text: &str) -> Option<Vec<(u64, u64, Vec<Hash>)>> {
    let blocks = text.split_inclusive("\n\n").map(|block| {
        let (head, path) = block.strip_suffix('\n')?.split_once('\n')?;
        let (index, rows) = head.strip_prefix("index ")?.split_once(" of ")?;
        let (index, rows): (u64, u64) = (index.parse().ok()?, rows.parse().ok()?);
        (head == format!("index {index} of {rows}")).then_some((index, rows, hashes(path)?))
    });
    blocks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_one_spelling() {
        let hash = Hash([7; 32]);
        let text = format!("index 0 of 1\n\nindex 2 of 3\n{hash}\n{hash}\n\n");
        let read = parse_rows(&text).unwrap();
        assert_eq!(read, [(0, 1, vec![]), (2, 3, vec![hash, hash])]);
        assert_eq!(parse_rows(""), Some(vec![]));
        for bad in [
            "index 00 of 1\n\n",
            "index 0 of 1\n",
            "index 0 of +1\n\n",
            "index 0\n\n",
            "\n\n",
            "index 0 of 1\n\n\n\n",
        ] {
            assert_eq!(parse_rows(bad), None, "{bad:?}");
        }
    }
}
