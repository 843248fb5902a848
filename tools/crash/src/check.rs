//! What must hold after every restart.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::api::{Api, text};
use crate::book::Book;
use crate::receipts;

/// What the log says happened to each key: the type and the place of its events, oldest first.
type Stories = BTreeMap<String, Vec<(String, u64)>>;

/// Checks the log and the keys against what was acknowledged.
///
/// Everything acknowledged is there, once and where it was said to be; the places and each key's
/// revisions have no gap; no request made two keys; each key is what its events make of it, when
/// it is listed and when it is verified; and no receipt that was given is contradicted.
pub(crate) fn check(api: &Api, book: &Book) -> Result<()> {
    let stories = read(api)?;
    for entry in &book.entries().acknowledged {
        let place = usize::try_from(entry.revision - 1)?;
        let found = stories.get(&entry.key).and_then(|story| story.get(place));
        let same = found.is_some_and(|(event, seq)| {
            event == entry.event && entry.seq.is_none_or(|said| said == *seq)
        });
        if !same {
            bail!("acknowledged and lost: {entry:?}, the log has {found:?}");
        }
    }
    let found = read_keys(api, &stories)?;
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
fn read(api: &Api) -> Result<Stories> {
    let mut stories = Stories::new();
    let mut next = 0;
    loop {
        let path = match next {
            0 => "/v1/events?limit=500".to_owned(),
            _ => format!("/v1/events?limit=500&after={}", next - 1),
        };
        let page = api.get(&path)?;
        let items = page.pointer("/items").and_then(Value::as_array).context("no items")?;
        if items.is_empty() {
            return Ok(stories);
        }
        for event in items {
            let seq = event.pointer("/seq").and_then(Value::as_u64);
            ensure!(seq == Some(next), "a gap in the log: {seq:?} stands where {next} should");
            let story = stories.entry(text(event, "/key_id")).or_default();
            story.push((text(event, "/type"), next));
            let revision = event.pointer("/revision").and_then(Value::as_u64);
            let wanted = Some(story.len() as u64);
            ensure!(revision == wanted, "seq {next} has revision {revision:?}, not {wanted:?}");
            next += 1;
        }
    }
}

/// Reads all keys: each is as its last event left it. Gives their statuses.
fn read_keys(api: &Api, stories: &Stories) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/v1/keys?limit=500{cursor}"))?;
        for key in page.pointer("/items").and_then(Value::as_array).into_iter().flatten() {
            let (id, status) = (text(key, "/id"), text(key, "/status"));
            let story = stories.get(&id).with_context(|| format!("{id} has no event"))?;
            let wanted = match story.last().map_or("", |(last, _)| last.as_str()) {
                "created" => "enabled",
                last => last,
            };
            ensure!(status == wanted, "key {id} is {status} and its events say {wanted}");
            let revision = key.pointer("/revision").and_then(Value::as_u64);
            let events = story.len();
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
    let (listed, have) = (found.len(), stories.len());
    ensure!(listed == have, "{listed} keys are listed, {have} have events");
    Ok(found)
}
