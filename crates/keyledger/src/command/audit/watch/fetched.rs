//! What is fetched of an account, each thing checked against what the log signed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bundle::{
    EventsProved, Invalid, Refused, RowsProved, Statement, check_event_proofs, check_key_proof,
    check_row_proofs,
};
use keys::{Account, KeyId};
use ledger::{AuditRecord, Entry, Leaf};
use serde_json::Value;

use super::alarm::Finding;
use crate::client::{self, Call, Client, pause};
use crate::command::audit::served::{Checked, Served};

/// Events of a page: the list of them holds one more.
const PAGE: u64 = 499;
/// The most pages of rows of the table.
const MOST_PAGES: usize = 10_000;
/// How often a request is sent again that the service cannot take just now.
const ATTEMPTS: u32 = 5;

/// Why a look ends.
pub(super) enum Stop {
    /// Something is wrong with the log.
    Refused(Box<Refused>),
    /// It cannot be looked at.
    Failed(anyhow::Error),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Stop {
        Stop::Refused(Box::new(refused))
    }
}

impl From<Invalid> for Stop {
    fn from(invalid: Invalid) -> Stop {
        Refused::from(invalid).into()
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Stop {
        Stop::Failed(error)
    }
}

/// The outcome of a check, or why there is none.
pub(super) fn checked<T>(outcome: Checked<T>) -> Result<T, Stop> {
    Ok(outcome??)
}

/// A service, and the account that is followed.
pub(super) struct Fetched<'a> {
    pub(super) client: &'a Client,
    pub(super) served: Served<'a>,
    pub(super) account: &'a Account,
}

/// A page of events.
pub(super) struct Page {
    /// Each as it was proved: the record, and the JSON that it makes.
    pub(super) events: Vec<(AuditRecord, Value)>,
    /// What the list of events leaves out.
    pub(super) findings: Vec<Finding>,
    /// How many keys the account has in the tree, as the log signed it; `None` where there are more pages.
    pub(super) keys: Option<u64>,
}

impl Fetched<'_> {
    /// The rows of all keys of the account in the signed table.
    pub(super) fn rows(&self) -> Result<Vec<RowsProved>, Stop> {
        let (mut pages, mut cursor) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let call = || self.call("/v1/proofs/rows", 500).query("cursor", cursor.clone());
            let text = self.text(call)?;
            let page = check_row_proofs(&text, &self.served.chain, &self.served.trusted)?;
            cursor.clone_from(&page.next_cursor);
            pages.push(page);
            if cursor.is_none() {
                return Ok(pages);
            }
        }
        Err(endless())
    }

    /// A page of events from place `next` on in the tree of the checkpoint. Each was proved, and the list of
    /// events says the same.
    pub(super) fn events(&self, next: u64, checkpoint: &Statement) -> Result<Page, Stop> {
        let proved = self.proved(next, PAGE, checkpoint)?;
        let end = match proved.records.last() {
            _ if proved.keys.is_some() => checkpoint.size,
            Some(last) => last.seq.next().0,
            None => return Err(endless()),
        };
        let mut listed = self.listed(next, end, proved.records.len() as u64 + 1)?;
        let (mut events, mut findings) = (Vec::with_capacity(proved.records.len()), Vec::new());
        for audited in proved.records {
            let seq = audited.seq.0;
            let mut event = self.json(&audited)?;
            let shown = listed.remove(&seq);
            if shown.as_ref() != Some(&event) {
                event = self.again(seq, checkpoint)?;
                if shown.is_none() {
                    findings.push(Finding::hidden(event.clone()));
                }
            }
            events.push((audited, event));
        }
        // What is shown and not proved.
        match listed.keys().next() {
            Some(&seq) => Err(Invalid::Export { name: "the event", seq }.into()),
            None => Ok(Page { events, findings, keys: proved.keys }),
        }
    }

    /// Proved records from place `next` on.
    fn proved(&self, next: u64, limit: u64, checkpoint: &Statement) -> Result<EventsProved, Stop> {
        let size = Some(checkpoint.size);
        let text = self.text(|| {
            let call = self.call("/v1/proofs/events", limit);
            call.query("after", next.checked_sub(1)).query("size", size)
        })?;
        let (chain, trusted) = (&self.served.chain, &self.served.trusted);
        let proved = check_event_proofs(&text, self.account, checkpoint, chain, trusted)?;
        match proved.records.first() {
            Some(first) if first.seq.0 < next => {
                Err(Invalid::Malformed("the proof of an account's events").into())
            }
            Some(_) | None => Ok(proved),
        }
    }

    /// What the list of events has between two places, of the first `most` that it shows.
    fn listed(&self, next: u64, end: u64, most: u64) -> Result<BTreeMap<u64, Value>> {
        let account = self.account.as_str();
        let after = next.checked_sub(1);
        let call = || {
            let call = Call::get("/v1/events").query("account", Some(account.to_owned()));
            call.query("after", after)
        };
        let mut listed = BTreeMap::new();
        self.client.pages(call, Some(most), &mut |event| {
            let seq = event.get("seq").and_then(Value::as_u64);
            let seq = seq.context("the answer is no list of events")?;
            if seq < end {
                listed.insert(seq, event.clone());
            }
            Ok(())
        })?;
        Ok(listed)
    }

    /// The event as it is proved now, which the service must show so: a person may have been erased between
    /// two answers.
    fn again(&self, seq: u64, checkpoint: &Statement) -> Result<Value, Stop> {
        let proved = self.proved(seq, 1, checkpoint)?;
        let audited = proved.records.first().filter(|audited| audited.seq.0 == seq);
        let altered = || Invalid::Export { name: "the event", seq };
        let event = self.json(audited.ok_or_else(altered)?)?;
        match self.client.call(Call::get(format!("/v1/events/{seq}"))) {
            Ok(shown) if shown == event => Ok(event),
            Ok(_) => Err(altered().into()),
            // Not there: whoever looks for it in the list has not found it either.
            Err(error) if is_refused(&error, &[404]) => Ok(event),
            Err(error) => Err(error.into()),
        }
    }

    /// All records of a key before place `end`, proved, and the JSON of each; none if the service has no proof.
    pub(super) fn history(
        &self,
        id: KeyId,
        checkpoint: &Statement,
        end: u64,
    ) -> Result<Vec<(AuditRecord, Value)>, Stop> {
        let text = match self.text(|| Call::get(format!("/v1/keys/{id}/proof"))) {
            Err(error) if is_refused(&error, &[400, 404, 409]) => return Ok(Vec::new()),
            text => text?,
        };
        let proved = check_key_proof(&text, id, &self.served.chain, &self.served.trusted)?;
        checked(self.served.extends(checkpoint, &proved.checkpoint))?;
        let records = proved.records.into_iter().filter(|(entry, _)| entry.seq.0 < end);
        let records = records.map(|(entry, bytes)| {
            let leaf = Leaf::of(&bytes);
            let audited = AuditRecord { seq: entry.seq, leaf, record: entry.record };
            let event = self.json(&audited)?;
            Ok((audited, event))
        });
        records.collect()
    }

    /// The event that a record is, as the service must show it.
    fn json(&self, audited: &AuditRecord) -> Result<Value> {
        let (seq, record) = (audited.seq, audited.record.clone());
        let entry = Entry { seq, record, account: self.account.clone(), owner: None };
        let mut texts = Default::default();
        (server::EXPORTS.write)(&entry, &mut texts);
        let [event, ..] = texts;
        Ok(serde_json::from_slice(&event)?)
    }

    fn call<'c>(&self, path: &str, limit: u64) -> Call<'c> {
        let account = Some(self.account.as_str().to_owned());
        Call::get(path).query("account", account).query("limit", Some(limit))
    }

    /// The text of an answer. What the service cannot take just now is sent again.
    fn text<'c>(&self, call: impl Fn() -> Call<'c>) -> Result<String> {
        for _ in 1..ATTEMPTS {
            match self.client.text(call()) {
                Err(error) if is_refused(&error, &[429, 503]) => pause(Duration::from_millis(300)),
                text => return text,
            }
        }
        self.client.text(call())
    }
}

/// Whether the service answered with one of these.
pub(super) fn is_refused(error: &anyhow::Error, statuses: &[u16]) -> bool {
    error
        .downcast_ref::<client::Refused>()
        .is_some_and(|refused| statuses.contains(&refused.status))
}

fn endless() -> Stop {
    Stop::Failed(anyhow::anyhow!("the service goes on answering without an end"))
}
