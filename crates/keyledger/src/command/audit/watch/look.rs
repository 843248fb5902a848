//! One look at the log: what it signed meanwhile, what happened to the account's keys, and how they stand.
//!
//! Nothing that the service says is believed that the log did not sign. What no proof can tell, that an event
//! is missing, is found by what must follow from each other: revisions, the numbers of keys, the signed table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use bundle::{Invalid, Refused, Statement};
use keys::{Account, Event, KeyId, Timestamp};
use ledger::{AuditRecord, Auditor, KeyChain, Violation};
use serde_json::Value;
use tlog::note::VerifierKey;
use tlog::policy::Policy;

use super::acknowledged::Acknowledged;
use super::alarm::{Finding, Kind};
use super::fetched::{Fetched, Stop, checked};
use super::followed_key::{FollowedKey, Gap};
use super::state::{State, Waiting};
use super::table::Table;
use crate::client::Client;
use crate::command::audit::before;
use crate::command::audit::served::Served;

/// The most pages of events of one look: then it is written down how far it came.
const MOST_PAGES: usize = 40;

/// What a watch is to look for.
pub(super) struct Wanted<'o> {
    pub(super) account: &'o Account,
    /// The verifier key to trust; without one that of the first look.
    pub(super) key: Option<&'o VerifierKey>,
    /// Whose cosignatures there must be, if any.
    pub(super) policy: Option<&'o Policy>,
    pub(super) max_age: Duration,
    pub(super) grace: Duration,
    pub(super) acknowledged: &'o Acknowledged,
    /// Whether events from before the first look must be acknowledged too.
    pub(super) from_start: bool,
    /// Whether a recorded end of a key's time must be.
    pub(super) with_expiries: bool,
}

/// What came of a look, and the keys of the log if they could be read.
pub(super) struct Looked {
    pub(super) chain: Option<KeyChain>,
    pub(super) outcome: Result<Seen, Refused>,
}

/// What was seen.
pub(super) struct Seen {
    /// What is to be remembered from now on.
    pub(super) state: State,
    /// The size of the log.
    pub(super) size: u64,
    /// How many events there were.
    pub(super) events: u64,
    /// Whether there are more, for another look at once.
    pub(super) more: bool,
}

/// Looks, and compares the signed table of keys if that is wanted.
///
/// # Errors
///
/// The look could not be made, and nothing is found either way.
pub(super) fn look(
    client: &Client,
    wanted: &Wanted<'_>,
    state: &State,
    compare: bool,
    now: Timestamp,
) -> Result<Looked> {
    let mut served = match Served::new(client, wanted.key)? {
        Ok(served) => served,
        Err(refused) => return Ok(Looked { chain: None, outcome: Err(refused) }),
    };
    if let (None, Some(policy)) = (wanted.key, wanted.policy)
        && let Err(refused) = served.trust_named_by(policy)
    {
        return Ok(Looked { chain: Some(served.chain), outcome: Err(refused) });
    }
    let fetched = Fetched { client, served, account: wanted.account };
    let mut look = Look {
        wanted,
        fetched,
        state: state.clone(),
        now,
        auditor: None,
        is_judged: true,
        incomplete: BTreeSet::new(),
        signed_keys: None,
        events: 0,
        more: false,
    };
    let outcome = match look.run(compare) {
        Ok(size) => Ok(Seen { state: look.state, size, events: look.events, more: look.more }),
        Err(Stop::Refused(refused)) => Err(*refused),
        Err(Stop::Failed(error)) => return Err(error),
    };
    Ok(Looked { chain: Some(look.fetched.served.chain), outcome })
}

struct Look<'a> {
    wanted: &'a Wanted<'a>,
    fetched: Fetched<'a>,
    /// As it will be after this look.
    state: State,
    now: Timestamp,
    /// Judges the records of this look by the rules.
    auditor: Option<Auditor>,
    /// Whether it can: not behind a gap.
    is_judged: bool,
    /// Keys of which revisions were not shown.
    incomplete: BTreeSet<KeyId>,
    /// How many keys the account has, as the log signed it.
    signed_keys: Option<u64>,
    events: u64,
    more: bool,
}

impl Look<'_> {
    fn run(&mut self, compare: bool) -> Result<u64, Stop> {
        let previous = self.previous()?;
        // Before the checkpoint, so that they are of no larger tree.
        let policy = self.wanted.policy;
        let cosigned =
            policy.map(|policy| Ok::<_, Stop>((policy, self.fetched.served.cosigned()?)));
        let cosigned = cosigned.transpose()?;
        let pages = if compare { self.fetched.rows()? } else { Vec::new() };
        let oldest = before(self.now, self.wanted.max_age);
        let progress = self.fetched.served.progress(previous.as_ref(), oldest, self.now);
        let (heartbeat, checkpoint) = checked(progress)?;
        if let Some((policy, note)) = cosigned {
            let witnessed = self.fetched.served.witnessed(policy, &note, &checkpoint);
            checked(witnessed)?.is_fresh(oldest, self.now)?;
        }
        let mut table = Table::default();
        for page in pages {
            page.heartbeat.is_fresh(oldest, self.now)?;
            checked(self.fetched.served.extends(&page.heartbeat.statement, &checkpoint))?;
            table.add(page);
        }
        if previous.is_none() && !self.wanted.from_start {
            self.state.judged_from = checkpoint.size;
        }
        self.state.checkpoint = Some(checkpoint.note.clone());
        self.state.seen_at = Some(heartbeat.at.micros());
        self.follow(&checkpoint, &mut table)?;
        if compare && !self.more {
            table.compare_rest(&self.state.keys);
            for id in table.vanished(&self.state.keys) {
                let detail = format!("the key {id} is not among the keys of the account any more");
                self.raise(Finding::new(Kind::Missing, format!("gone-{id}"), detail).key(id));
            }
        }
        let mut suspects = std::mem::take(&mut self.incomplete);
        suspects.extend(table.differing());
        for id in suspects {
            self.complete(id, &checkpoint)?;
        }
        self.count_all()?;
        self.settle();
        Ok(checkpoint.size)
    }

    /// The last checkpoint. Whoever is given no key trusts the one that signed it.
    fn previous(&mut self) -> Result<Option<Statement>, Stop> {
        let Some(note) = &self.state.checkpoint else { return Ok(None) };
        let served = &mut self.fetched.served;
        let previous = bundle::signed_statement(note, &served.chain, served.chain.keys())?;
        let names_log = |policy: &Policy| !policy.logs().is_empty();
        if self.wanted.key.is_none() && !self.wanted.policy.is_some_and(names_log) {
            served.trusted = previous.by.clone();
        }
        Ok(Some(previous))
    }

    /// Takes the events that came since, up to the checkpoint's size or as many as one look takes.
    fn follow(&mut self, checkpoint: &Statement, table: &mut Table) -> Result<(), Stop> {
        for _ in 0..MOST_PAGES {
            let page = self.fetched.events(self.state.next, checkpoint)?;
            for finding in page.findings {
                self.raise(finding);
            }
            for (audited, event) in page.events {
                self.take(&audited, event, table)?;
                self.state.next = audited.seq.next().0;
            }
            if let Some(signed) = page.keys {
                self.state.next = checkpoint.size;
                self.signed_keys = Some(signed);
                return Ok(());
            }
        }
        self.more = true;
        Ok(())
    }

    /// Takes one event, which was proved.
    fn take(&mut self, audited: &AuditRecord, event: Value, table: &mut Table) -> Result<(), Stop> {
        let AuditRecord { seq, record, .. } = audited;
        self.events += 1;
        let touched = record.links.iter().map(|link| &link.key);
        table.compare_before(*seq, touched, &self.state.keys);
        let is_due = self.is_due(audited);
        let mut is_whole = self.count(audited)?;
        for link in record.links.iter() {
            let before = self.state.keys.get(&link.key).copied();
            let (key, gap) = FollowedKey::after(before, audited, link).map_err(Invalid::from)?;
            self.state.keys.insert(link.key, key);
            is_whole &= gap.is_none();
            if let Some(gap) = gap {
                self.incomplete.insert(link.key);
                self.raise(missing(gap, seq.0));
            }
        }
        self.judge(audited, is_whole)?;
        let account = self.wanted.account.as_str();
        let is_own = (is_due && !self.wanted.with_expiries)
            || self.wanted.acknowledged.takes(&event, account, &mut self.state.requests);
        if seq.0 >= self.state.judged_from && !is_own {
            self.state.waiting.push(Waiting { since: self.now.micros(), event });
        }
        Ok(())
    }

    /// Whether the event records that a key's time ran out, as was agreed when that time was set.
    fn is_due(&self, audited: &AuditRecord) -> bool {
        let record = &audited.record;
        let Event::Expired { due: Some(due) } = &record.event else { return false };
        let key = self.state.keys.get(&record.links.own.key);
        key.and_then(|key| key.state.expires_at) == Some(*due) && record.at >= *due
    }

    /// Counts a new key: whether all before it were shown.
    fn count(&mut self, audited: &AuditRecord) -> Result<bool, Stop> {
        let Event::Created(made) = &audited.record.event else { return Ok(true) };
        let expected = self.state.keys_made.saturating_add(1);
        if made.number < expected {
            let violation = Violation::Number { expected, found: made.number };
            return Err(Invalid::from(ledger::Finding { seq: audited.seq, violation }).into());
        }
        self.state.keys_made = made.number;
        if made.number == expected {
            return Ok(true);
        }
        let detail = format!(
            "keys that were made in the account are not shown: event {} makes its key number {}, and the \
             one before was number {}",
            audited.seq,
            made.number,
            expected - 1
        );
        self.raise(Finding::new(Kind::Missing, format!("number-{expected}"), detail));
        Ok(false)
    }

    /// Compares how many keys the account has, as the log signed it, with those that were shown.
    fn count_all(&mut self) -> Result<(), Stop> {
        let found = self.state.keys_made;
        let signed = self.signed_keys.unwrap_or(found);
        if signed < found {
            return Err(Invalid::AccountKeys { signed, found }.into());
        }
        if signed > found {
            let detail = format!(
                "the log signed that the account has {signed} keys, and {found} were shown"
            );
            self.raise(Finding::new(Kind::Missing, format!("keys-{signed}"), detail));
        }
        Ok(())
    }

    /// Judges an event by the rules, from those before it; not behind one that is missing.
    fn judge(&mut self, audited: &AuditRecord, is_whole: bool) -> Result<(), Stop> {
        self.is_judged &= is_whole;
        if !self.is_judged {
            return Ok(());
        }
        let (keys, account) = (&self.state.keys, self.wanted.account);
        let auditor = self.auditor.get_or_insert_with(|| {
            Auditor::partial(keys.keys().map(|id| (*id, account.clone())).collect())
        });
        auditor.push(audited).map_err(Invalid::from)?;
        Ok(())
    }

    /// Has the service prove all records of a key that is not as its events make it.
    fn complete(&mut self, id: KeyId, checkpoint: &Statement) -> Result<(), Stop> {
        let before = self.state.keys.get(&id).copied();
        let seen = before.map_or(0, |key| key.state.revision);
        let (mut key, mut hidden) = (None, Vec::new());
        for (audited, event) in self.fetched.history(id, checkpoint, self.state.next)? {
            let Some(link) = audited.record.links.of(id) else { continue };
            let (after, _) = FollowedKey::after(key, &audited, link).map_err(Invalid::from)?;
            key = Some(after);
            if link.revision > seen {
                hidden.push(Finding::hidden(event));
            }
            if let (Event::Created(made), true) = (&audited.record.event, link.previous.is_none()) {
                self.state.keys_made = self.state.keys_made.max(made.number);
            }
        }
        match key {
            None => {
                let detail = format!(
                    "the key {id} is not as its events make it (revision {seen}), and the service does not \
                     prove how it came to be so"
                );
                self.raise(Finding::new(Kind::Missing, format!("{id}-{seen}"), detail).key(id));
            }
            // All of its events are there, and the signed table says otherwise.
            Some(_) if key == before => return Err(Invalid::Table(checkpoint.size).into()),
            Some(key) => {
                self.state.keys.insert(id, key);
                for finding in hidden {
                    self.raise(finding);
                }
            }
        }
        Ok(())
    }

    /// Raises what nobody acknowledged in time, and what was acknowledged and did not come.
    fn settle(&mut self) {
        let (now, account) = (self.now, self.wanted.account.as_str());
        let is_over = |since: i64| {
            let waited = now.micros_since(Timestamp::from_micros(since));
            u128::from(waited) >= self.wanted.grace.as_micros()
        };
        let acknowledged = self.wanted.acknowledged;
        for waiting in std::mem::take(&mut self.state.waiting) {
            if acknowledged.takes(&waiting.event, account, &mut self.state.requests) {
                continue;
            }
            if is_over(waiting.since) {
                self.state.raise_event(waiting.event, now);
            } else {
                self.state.waiting.push(waiting);
            }
        }
        let mut expected = BTreeMap::new();
        for (id, revision) in acknowledged.revisions() {
            let seen = self.state.keys.get(&id).map_or(0, |key| key.state.revision);
            if seen >= revision {
                continue;
            }
            let name = format!("{id} {revision}");
            let since = self.state.expected.get(&name).copied().unwrap_or(now.micros());
            expected.insert(name, since);
            if is_over(since) && !self.more {
                let detail = format!(
                    "you acknowledged revision {revision} of the key {id}, and its events end at {seen}"
                );
                let finding = Finding::new(Kind::Missing, format!("own-{id}-{revision}"), detail);
                self.state.raise(finding.key(id), now);
            }
        }
        self.state.expected = expected;
    }

    fn raise(&mut self, finding: Finding) {
        self.state.raise(finding, self.now);
    }
}

/// Revisions that were not shown.
fn missing(Gap { key, from, to }: Gap, seq: u64) -> Finding {
    let what = if from == to { format!("{from} is") } else { format!("{from} to {to} are") };
    let detail = format!(
        "event {seq} is revision {} of the key {key}, of which revision {what} not shown",
        u64::from(to) + 1
    );
    Finding::new(Kind::Missing, format!("{key}-{from}"), detail).key(key)
}
