//! Keys that are created, disabled, enabled, rotated and revoked, one change after the other, and what
//! was acknowledged of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::client::{Connection, Target};

/// What becomes of each key; `ID` stands for its id.
const CHANGES: [(&str, &str); 5] = [
    ("/v1/keys/ID/disable", r#"{"reason":"soak"}"#),
    ("/v1/keys/ID/enable", "{}"),
    ("/v1/keys/ID/rotate", r#"{"overlap_s":0}"#),
    ("/v1/keys/ID/revoke", r#"{"reason_code":"superseded"}"#),
    ("/v1/keys/ID/history", ""),
];

/// The revision of each key that was acknowledged last.
#[derive(Debug, Default)]
pub(super) struct Book(BTreeMap<String, u64>);

impl Book {
    /// Whether everything acknowledged is in the log, which has so many events of each key.
    pub(super) fn check(&self, log: &BTreeMap<String, u64>) -> Result<()> {
        for (key, revision) in &self.0 {
            let found = log.get(key).copied().unwrap_or(0);
            ensure!(
                found >= *revision,
                "revision {revision} of key {key} was acknowledged, and the log has {found}"
            );
        }
        Ok(())
    }
}

/// Changes keys until it is over.
///
/// # Errors
///
/// A change that was refused, or without an answer: what became of that one is unknown, and all before it
/// is in the book.
pub(super) async fn until(over: &AtomicBool, target: &Target, book: &mut Book) -> Result<()> {
    let mut connection = Connection::open(target.address).await?;
    while !over.load(Ordering::Relaxed) {
        let create = target.post("/v1/keys", r#"{"name":"changing"}"#);
        let made = call(&mut connection, &create).await?;
        let id = made.pointer("/key/id").and_then(Value::as_str).context("a key without an id")?;
        book.0.insert(id.to_owned(), 1);
        for (path, body) in CHANGES {
            let path = path.replace("ID", id);
            if body.is_empty() {
                call(&mut connection, &target.get(&path)).await?;
                continue;
            }
            let changed = call(&mut connection, &target.post(&path, body)).await?;
            // A rotation answers with the new key.
            let revision = changed.pointer("/key/revision").and_then(Value::as_u64);
            let same = changed.pointer("/key/id").and_then(Value::as_str) == Some(id);
            if let (Some(revision), true) = (revision, same) {
                book.0.insert(id.to_owned(), revision);
            }
        }
    }
    Ok(())
}

async fn call(connection: &mut Connection, request: &[u8]) -> Result<Value> {
    let response = connection.call(request).await?;
    let raw = String::from_utf8_lossy(response.raw());
    ensure!(matches!(response.status(), 200 | 201), "an unexpected response: {raw}");
    serde_json::from_slice(&response.body()?).context("the response is no JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_must_be_there() {
        let book = Book(BTreeMap::from([("a".to_owned(), 2)]));
        for (found, good) in [(0, false), (1, false), (2, true), (3, true)] {
            let log = BTreeMap::from([("a".to_owned(), found), ("b".to_owned(), 9)]);
            assert_eq!(book.check(&log).is_ok(), good, "{found}");
        }
        assert!(book.check(&BTreeMap::new()).is_err());
    }
}
