//! The judge: checks every record in order, against the rules and against all signed statements.

use std::collections::BTreeMap;

use keys::Timestamp;
use ledger::{AuditRecord, Auditor, Entry, Succession, TreeHead};
use tlog::{Hash, Rebuild};

use crate::accounts::Accounts;
use crate::archive::Stored;
use crate::consistency::{Statement, fork};
use crate::layout;
use crate::lineage::{explained, not_rolled_back, rolled_back, rotations};
use crate::manifest::Version;
use crate::opened::Opened;
use crate::outside::{Bounds, Placed};
use crate::part::Part;
use crate::persons::Persons;
use crate::refused::{Invalid, Refused};

/// A signed statement about the log at some size.
enum Signed {
    /// The root of the tree.
    Root(Statement),
    /// The root of the table of keys.
    Table(Hash),
    /// What an old origin signed last.
    Last(Succession),
    /// What a new origin went on from.
    From(Succession, TreeHead),
}

pub(crate) struct Judge<'o, 's, S: Stored + ?Sized> {
    opened: &'o Opened<'s, S>,
    auditor: Auditor,
    /// For a whole log.
    tree: Option<Rebuild<'o, Opened<'s, S>>>,
    /// The statements that are not compared yet, by size.
    signed: BTreeMap<u64, Vec<Signed>>,
    /// For a part.
    accounts: Accounts,
    /// For a part that shows that it is complete.
    part: Option<Part>,
    persons: Persons,
    /// What outside times say of the records.
    bounds: Bounds,
    records: u64,
    /// How many of them are in the scope, and the time of the last one.
    covered: (u64, Option<Timestamp>),
    /// How many of these are beyond what witnesses cosigned.
    unwitnessed: u64,
    /// The first succession of origins, among those that matter to the auditor, whose old log this one
    /// does not contain.
    lost: Option<Succession>,
}

/// What became of the records.
pub(crate) struct Judged {
    /// How many are in the scope.
    pub(crate) records: u64,
    /// The time of the last of these.
    pub(crate) last_at: Option<Timestamp>,
    pub(crate) auditor: Auditor,
    /// Between which outside times they lie.
    pub(crate) placed: Placed,
}

impl<'o, 's, S: Stored + ?Sized> Judge<'o, 's, S> {
    pub(crate) fn new(
        opened: &'o Opened<'s, S>,
        trusted: Option<Statement>,
        stamped: impl Iterator<Item = Statement>,
        bounds: Bounds,
    ) -> Result<Judge<'o, 's, S>, Refused> {
        let mut judge = Judge {
            opened,
            auditor: Auditor::whole(),
            tree: None,
            signed: BTreeMap::new(),
            accounts: Accounts::default(),
            part: Part::of(opened),
            persons: Persons::default(),
            bounds,
            records: 0,
            covered: (0, None),
            unwitnessed: 0,
            lost: None,
        };
        if judge.part.as_ref().is_some_and(Part::is_of_account) {
            judge.auditor = Auditor::of_account();
            return comparable(opened, trusted).map(|()| judge);
        }
        if !opened.scope.is_whole() {
            let accounts = Accounts::parse(&opened.small(layout::ACCOUNTS)?);
            let accounts = accounts.ok_or(Invalid::Malformed(layout::ACCOUNTS))?;
            judge.auditor = Auditor::partial(accounts.into_iter().collect());
            return comparable(opened, trusted).map(|()| judge);
        }
        judge.tree = Some(Rebuild::new(opened));
        let rotations = rotations(&opened.chain);
        // A fork is reported before anything else that is wrong at that size.
        let once = trusted.into_iter().chain([opened.earlier.clone()]).chain(rotations);
        for statement in once.chain(stamped) {
            // A larger one is reported as a rollback when the two are compared.
            judge.expect(statement.size, Signed::Root(statement));
        }
        let successions = opened.chain.successions_after(&opened.trusted).unwrap_or_default();
        for anew in successions.iter().filter(|succession| !succession.is_rotation) {
            judge.expect(anew.last.size, Signed::Last(anew.clone()));
            if let Some(from) = anew.from {
                judge.expect(from.size, Signed::From(anew.clone(), from));
            }
        }
        judge.expect(opened.table.size, Signed::Table(opened.table.root));
        judge.compare()?;
        Ok(judge)
    }

    /// The root of the table of keys that the records make, as a bundle of this version has it.
    fn table_root(&self) -> Hash {
        match self.opened.version {
            Version::One => self.auditor.flat_table_root(),
            Version::Two => self.auditor.table_root(),
        }
    }

    fn expect(&mut self, size: u64, signed: Signed) {
        self.signed.entry(size).or_default().push(signed);
    }

    /// The number of records that were judged.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// How many records in the scope are beyond what witnesses cosigned.
    pub(crate) fn unwitnessed(&self) -> u64 {
        self.unwitnessed
    }

    /// Judges the next records, and returns those in the scope as entries.
    pub(crate) fn batch(&mut self, batch: Vec<AuditRecord>) -> Result<Vec<Entry>, Refused> {
        let witnessed = self.opened.cosigned.as_ref().map_or(0, |(signed, _)| signed.size);
        let mut entries = Vec::with_capacity(batch.len());
        for audited in batch {
            let (entry, covered) = self.one(audited)?;
            if covered {
                self.covered = (self.covered.0 + 1, Some(entry.record.at));
                self.unwitnessed += u64::from(entry.seq.0 >= witnessed);
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Judges the next record. Returns whether it is in the scope, too.
    fn one(&mut self, audited: AuditRecord) -> Result<(Entry, bool), Refused> {
        let account = self.auditor.push(&audited)?;
        let AuditRecord { seq, leaf, record } = audited;
        self.records += 1;
        self.persons.add(&record, &self.opened.keyring);
        if let Some(tree) = &mut self.tree {
            self.bounds.take(seq.0, record.at)?;
            // The first eighth of the log predicts how many keys it creates.
            if self.records == self.opened.records / 8 {
                self.auditor.expect(self.opened.records);
            }
            tree.push_leaf(Hash(leaf.0)).map_err(|error| Invalid::Tree(error.to_string()))?;
            self.compare()?;
            return Ok((Entry { seq, record, account, owner: None }, true));
        }
        let entry = Entry { seq, record, account, owner: None };
        let covered = match &mut self.part {
            Some(part) => part.push(&entry)?,
            None if self.opened.scope.covers(&entry.account, entry.record.at) => true,
            None => return Err(Invalid::Scope(seq.0).into()),
        };
        if covered {
            self.bounds.take(seq.0, entry.record.at)?;
        }
        self.accounts.add(&entry);
        Ok((entry, covered))
    }

    /// Compares the statements at the size that is reached.
    fn compare(&mut self) -> Result<(), Refused> {
        let Some(tree) = &self.tree else { return Ok(()) };
        let Some(next) = self.signed.first_entry() else { return Ok(()) };
        if *next.key() != self.records {
            return Ok(());
        }
        let root = tree.edge().root();
        for signed in next.remove() {
            match signed {
                Signed::Table(table) if table != self.table_root() => {
                    return Err(Invalid::Table(self.records).into());
                }
                Signed::Root(statement) if statement.root != root => {
                    let found = fork(&statement, &self.opened.checkpoint);
                    return Err(explained(&self.opened.chain, &statement, found));
                }
                Signed::From(succession, from) if from.root != root => {
                    let one = succession.note().to_owned();
                    let other = self.opened.checkpoint.note.clone();
                    return Err(Refused::Fork { one, other });
                }
                Signed::Last(succession) if succession.last.root != root => {
                    self.lost.get_or_insert(succession);
                }
                Signed::Table(_) | Signed::Root(_) | Signed::From(..) | Signed::Last(_) => {}
            }
        }
        Ok(())
    }

    /// Compares the final state, after the last record.
    pub(crate) fn finish(self) -> Result<Judged, Refused> {
        let placed = self.bounds.placed();
        let Judge { opened, auditor, tree, accounts, part, persons, covered, lost, .. } = self;
        let (covered, last_at) = covered;
        if covered == 0 && !opened.scope.is_whole() {
            return Err(Invalid::Empty.into());
        }
        if opened.small(layout::PERSONS)? != persons.text() {
            return Err(Invalid::Malformed(layout::PERSONS).into());
        }
        if let Some(tree) = tree {
            tree.finish(opened.checkpoint.size, &opened.checkpoint.root)
                .map_err(|error| Invalid::Tree(error.to_string()))?;
        } else if !part.as_ref().is_some_and(Part::is_of_account)
            && opened.small(layout::ACCOUNTS)? != accounts.text()
        {
            return Err(Invalid::Malformed(layout::ACCOUNTS).into());
        }
        if let Some(part) = part {
            part.finish(opened, &auditor)?;
        }
        // All else is good, and so it is the whole finding.
        not_rolled_back(&opened.chain, &opened.trusted, opened.checkpoint.size)?;
        lost.map_or(Ok(()), |lost| Err(rolled_back(&opened.chain, &lost)))?;
        Ok(Judged { records: covered, last_at, auditor, placed })
    }
}

/// A part of a log determines the root at two sizes only.
fn comparable<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
    trusted: Option<Statement>,
) -> Result<(), Refused> {
    let Some(trusted) = trusted else { return Ok(()) };
    let bundled = [&opened.earlier, &opened.checkpoint];
    match bundled.into_iter().find(|one| one.size == trusted.size) {
        None => Err(Invalid::Incomparable(trusted.size).into()),
        Some(one) if one.root != trusted.root => {
            Err(explained(&opened.chain, &trusted, fork(&trusted, one)))
        }
        Some(_) => Ok(()),
    }
}
