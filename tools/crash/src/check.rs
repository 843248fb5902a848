//! The check after every restart.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::api::{Api, text};
use crate::book::Book;
use crate::receipts;

/// The events of each key, oldest first: type and place.
type Histories = BTreeMap<String, Vec<(String, u64)>>;

/// Checks the log and the keys against what was acknowledged.
///
/// Everything acknowledged is there, once and at the acknowledged place; the places and each key's
/// revisions have no gap; no request made two keys; each key agrees with its events, when it is
/// listed and when it is verified; and every receipt holds.
pub(crate) fn check(api: &Api, book: &Book) -> Result<()> {
    let histories = read(api)?;
    for entry in &book.entries().acknowledged {
        let place = usize::try_from(entry.revision - 1)?;
        let found = histories.get(&entry.key).and_then(|history| history.get(place));
        let same = found.is_some_and(|(event, seq)| {
            event == entry.event && entry.seq.is_none_or(|acknowledged| acknowledged == *seq)
        });
        if !same {
            bail!("acknowledged and lost: {entry:?}, the log has {found:?}");
        }
    }
    let found = read_keys(api, &histories)?;
    let secrets = book.entries().secrets.clone();
    for (key, secret) in secrets {
        let wanted = match found.get(&key).map(String::as_str) {
            Some("enabled") => "VALID".to_owned(),
            Some(status) => status.to_uppercase(),
            None => bail!("key {key} was acknowledged and is not listed"),
        };
        let verdict = api.verify(&secret)?;
        ensure!(verdict == wanted, "the secret of {key} is {verdict} and should be {wanted}");
    }
    let receipts = book.entries().receipts.clone();
    receipts::check(api, &receipts)
}

/// Reads the whole log.
fn read(api: &Api) -> Result<Histories> {
    let mut histories = Histories::new();
    let mut next = 0;
    loop {
        let path = match next {
            0 => "/v1/events?limit=500".to_owned(),
            _ => format!("/v1/events?limit=500&after={}", next - 1),
        };
        let page = api.get(&path)?;
        let items = page.pointer("/items").and_then(Value::as_array).context("no items")?;
        if items.is_empty() {
            return Ok(histories);
        }
        for event in items {
            let seq = event.pointer("/seq").and_then(Value::as_u64);
            ensure!(seq == Some(next), "a gap in the log: {seq:?} is where {next} should be");
            let history = histories.entry(text(event, "/key_id")).or_default();
            history.push((text(event, "/type"), next));
            let revision = event.pointer("/revision").and_then(Value::as_u64);
            let wanted = Some(history.len() as u64);
            ensure!(revision == wanted, "seq {next} has revision {revision:?}, not {wanted:?}");
            next += 1;
        }
    }
}

/// Reads all keys and checks that each agrees with its events. Returns their statuses.
fn read_keys(api: &Api, histories: &Histories) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/v1/keys?limit=500{cursor}"))?;
        for key in page.pointer("/items").and_then(Value::as_array).into_iter().flatten() {
            let (id, status) = (text(key, "/id"), text(key, "/status"));
            let history = histories.get(&id).with_context(|| format!("{id} has no event"))?;
            let wanted = match history.last().map_or("", |(last, _)| last.as_str()) {
                "created" => "enabled",
                last => last,
            };
            ensure!(status == wanted, "key {id} is {status} and its events say {wanted}");
            let revision = key.pointer("/revision").and_then(Value::as_u64);
            let events = history.len();
            ensure!(revision == Some(events as u64), "{id} has {events} events and {revision:?}");
            // Each request to create has a name of its own.
            let name = text(key, "/name");
            ensure!(names.insert(name.clone()), "two keys are named {name}: one was made twice");
            ensure!(found.insert(id.clone(), status).is_none(), "{id} is listed twice");
        }
        match page.pointer("/next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let (listed, have) = (found.len(), histories.len());
    ensure!(listed == have, "{listed} keys are listed, {have} have events");
    Ok(found)
}
