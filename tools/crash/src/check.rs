//! What must hold after every restart.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::clients::{Api, Book, text};

/// Checks the log against what was acknowledged: everything there, once; no gap in the places;
/// each key's revisions without a gap; each key's state the one its last event left.
pub(crate) fn check(api: &Api, book: &Book) -> Result<()> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut next = 0;
    loop {
        let path = match next {
            0 => "/v1/events?limit=500".to_owned(),
            _ => format!("/v1/events?limit=500&after={}", next - 1),
        };
        let page = api.get(&path)?;
        let items = page.pointer("/items").and_then(Value::as_array);
        let Some(items) = items.filter(|items| !items.is_empty()) else { break };
        for event in items {
            let seq = event.pointer("/seq").and_then(Value::as_u64);
            ensure!(seq == Some(next), "a gap in the log: {seq:?} stands where {next} should");
            next += 1;
            let story = keys.entry(text(event, "/key_id")).or_default();
            story.push(text(event, "/type"));
            let revision = event.pointer("/revision").and_then(Value::as_u64);
            ensure!(revision == Some(story.len() as u64), "revision {revision:?} at seq {seq:?}");
        }
    }
    let book = book.lock().unwrap_or_else(PoisonError::into_inner);
    for entry in book.iter() {
        let place = usize::try_from(entry.revision - 1)?;
        let found = keys.get(&entry.key).and_then(|story| story.get(place));
        if found.is_none_or(|found| found != entry.event) {
            bail!("acknowledged and lost: {entry:?}, the log has {found:?}");
        }
    }
    states(api, &keys)
}

/// Each key is listed with the status that its last event left.
fn states(api: &Api, keys: &BTreeMap<String, Vec<String>>) -> Result<()> {
    let mut listed = 0;
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/v1/keys?limit=500{cursor}"))?;
        for key in page.pointer("/items").and_then(Value::as_array).into_iter().flatten() {
            listed += 1;
            let (id, status) = (text(key, "/id"), text(key, "/status"));
            let wanted = match keys.get(&id).and_then(|story| story.last()).map(String::as_str) {
                Some("created") => "enabled",
                Some(last) => last,
                None => bail!("key {id} is listed and has no event"),
            };
            ensure!(status == wanted, "key {id} is {status} and its events say {wanted}");
        }
        match page.pointer("/next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    ensure!(listed == keys.len(), "{listed} keys are listed, {} have events", keys.len());
    Ok(())
}
