//! Which changes the owner of an account says are its own.
//!
//! A file has a line of JSON for each: `{"key_id":"…","revision":3}`, `{"seq":17}` or
//! `{"request_id":"…"}`. It grows while a watch reads it: a last line that does not end yet does not count.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};
use keys::{KeyId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::exit::misuse;

/// For how long after the first event of a request others are taken for its own: whoever sees a request id
/// can send it again.
const REQUEST_S: u64 = 600;

/// One change, or several of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Acknowledgement {
    /// The change that gave a key this revision. It happens once.
    Revision {
        /// The key.
        key: KeyId,
        /// Its revision after the change.
        revision: u32,
    },
    /// The event at this place of the log.
    Event {
        /// The place.
        seq: u64,
    },
    /// All events of a request.
    Request {
        /// Its id.
        id: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key_id: Option<String>,
    revision: Option<u32>,
    seq: Option<u64>,
    request_id: Option<String>,
}

impl Acknowledgement {
    /// Reads a line; `None` if it is none.
    fn parse(line: &str) -> Option<Acknowledgement> {
        let Line { key_id, revision, seq, request_id } = serde_json::from_str(line).ok()?;
        match (key_id, revision, seq, request_id) {
            (Some(key), Some(revision), None, None) => {
                Some(Acknowledgement::Revision { key: key.parse().ok()?, revision })
            }
            (None, None, Some(seq), None) => Some(Acknowledgement::Event { seq }),
            (None, None, None, Some(id)) => Some(Acknowledgement::Request { id }),
            (..) => None,
        }
    }

    /// The line.
    pub(in super::super) fn to_json(&self) -> Value {
        match self {
            Acknowledgement::Revision { key, revision } => {
                json!({ "key_id": key.to_string(), "revision": revision })
            }
            Acknowledgement::Event { seq } => json!({ "seq": seq }),
            Acknowledgement::Request { id } => json!({ "request_id": id }),
        }
    }
}

/// When the first event of each request was recorded that is acknowledged by its id.
pub(super) type Requests = BTreeMap<String, i64>;

/// All that is acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Acknowledged {
    revisions: BTreeSet<(KeyId, u32)>,
    events: BTreeSet<u64>,
    requests: HashSet<String>,
    /// Subjects of the account itself.
    by: Vec<String>,
}

impl Acknowledged {
    /// Reads the file, if one is named; one that is not there yet is empty.
    pub(super) fn read(path: Option<&Path>, by: &[String]) -> Result<Acknowledged> {
        let Some(path) = path else { return Acknowledged::parse("", by) };
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("`{}` cannot be read", path.display()))?,
        };
        Acknowledged::parse(&text, by).with_context(|| format!("`{}`", path.display()))
    }

    fn parse(text: &str, by: &[String]) -> Result<Acknowledged> {
        let mut all = Acknowledged { by: by.to_vec(), ..Acknowledged::default() };
        // What follows the last line break is being written.
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        for (number, line) in (1..).zip(whole.split('\n')) {
            if line.trim().is_empty() {
                continue;
            }
            match Acknowledgement::parse(line) {
                Some(Acknowledgement::Revision { key, revision }) => {
                    all.revisions.insert((key, revision));
                }
                Some(Acknowledgement::Event { seq }) => {
                    all.events.insert(seq);
                }
                Some(Acknowledgement::Request { id }) => {
                    all.requests.insert(id);
                }
                None => {
                    return Err(misuse(format!(
                        "line {number} must be {{\"key_id\":…,\"revision\":…}}, {{\"seq\":…}} or \
                         {{\"request_id\":…}}"
                    )));
                }
            }
        }
        Ok(all)
    }

    /// Whether an event of `account`, as it was proved, is acknowledged.
    pub(super) fn takes(&self, event: &Value, account: &str, requests: &mut Requests) -> bool {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64);
        let revision = |key: &str, revision: &str| {
            let key = text(key)?.parse().ok()?;
            Some((key, u32::try_from(number(revision)?).ok()?))
        };
        let touched = [
            revision("/key_id", "/revision"),
            revision("/data/replaced/key_id", "/data/replaced/revision"),
        ];
        touched.into_iter().flatten().any(|touched| self.revisions.contains(&touched))
            || number("/seq").is_some_and(|seq| self.events.contains(&seq))
            // Who acts for all accounts is not the account's own, whatever the name.
            || (text("/actor/account") == Some(account)
                && text("/actor/subject").is_some_and(|who| self.by.iter().any(|by| by == who)))
            || self.takes_request(text("/origin/request_id"), text("/recorded_at"), requests)
    }

    fn takes_request(
        &self,
        id: Option<&str>,
        recorded_at: Option<&str>,
        requests: &mut Requests,
    ) -> bool {
        let (Some(id), Some(at)) = (id, recorded_at.and_then(|at| at.parse::<Timestamp>().ok()))
        else {
            return false;
        };
        if !self.requests.contains(id) {
            return false;
        }
        let first = *requests.entry(id.to_owned()).or_insert(at.micros());
        at <= Timestamp::from_micros(first).plus_secs(REQUEST_S)
    }

    /// The revisions that keys must have reached.
    pub(super) fn revisions(&self) -> impl Iterator<Item = (KeyId, u32)> + '_ {
        self.revisions.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn event(request: &str, at: &str) -> Value {
        json!({
            "seq": 7, "recorded_at": at, "key_id": "01890a5d-ac96-774b-bcce-b302099a8058",
            "revision": 1, "actor": {"subject": "ann", "account": "acme"},
            "origin": {"request_id": request}, "data": {"replaced": {"key_id": KEY, "revision": 4}},
        })
    }

    #[test]
    fn an_event_is_taken_by_any_line_that_names_it() {
        let event = event("r1", "2026-01-01T00:00:00.000000Z");
        for (lines, by, account, taken) in [
            ("", vec![], "acme", false),
            ("{\"seq\":7}\n", vec![], "acme", true),
            ("{\"seq\":8}\n", vec![], "acme", false),
            (
                "\n{\"key_id\":\"01890a5d-ac96-774b-bcce-b302099a8058\",\"revision\":1}\n",
                vec![],
                "acme",
                true,
            ),
            (
                "{\"key_id\":\"01890a5d-ac96-774b-bcce-b302099a8058\",\"revision\":2}\n",
                vec![],
                "acme",
                false,
            ),
            // The key that was replaced.
            (
                "{\"key_id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"revision\":4}\n",
                vec![],
                "acme",
                true,
            ),
            ("{\"request_id\":\"r1\"}\n", vec![], "acme", true),
            // Being written.
            ("{\"request_id\":\"r1\"}", vec![], "acme", false),
            ("", vec!["ann".to_owned()], "acme", true),
            ("", vec!["bob".to_owned()], "acme", false),
            // It acted for another account than the one that is watched.
            ("", vec!["ann".to_owned()], "other", false),
        ] {
            let read = Acknowledged::parse(lines, &by).unwrap();
            assert_eq!(read.takes(&event, account, &mut Requests::new()), taken, "{lines} {by:?}");
        }
    }

    #[test]
    fn a_request_id_that_is_sent_again_later_is_not_taken() {
        let read = Acknowledged::parse("{\"request_id\":\"r1\"}\n", &[]).unwrap();
        let mut requests = Requests::new();
        for (at, taken) in [("00:00:00", true), ("00:10:00", true), ("00:10:01", false)] {
            let event = event("r1", &format!("2026-01-01T{at}.000000Z"));
            assert_eq!(read.takes(&event, "acme", &mut requests), taken, "{at}");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for wrong in [
            "{}",
            "17",
            "{\"seq\":1,\"request_id\":\"x\"}",
            "{\"seq\":-1}",
            "{\"sequ\":1}",
            "{\"key_id\":\"x\",\"revision\":1}",
            "{\"key_id\":\"x\"}",
        ] {
            let error = Acknowledged::parse(&format!("{{\"seq\":1}}\n{wrong}\n"), &[]).unwrap_err();
            assert!(error.to_string().starts_with("line 2 "), "{wrong}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_line_comes_back(seq: u64, revision: u32, key: [u8; 16], id in "\\PC{0,20}") {
            let key = KeyId::from_bytes(key);
            for line in [
                Acknowledgement::Revision { key, revision },
                Acknowledgement::Event { seq },
                Acknowledgement::Request { id },
            ] {
                prop_assert_eq!(Acknowledgement::parse(&line.to_json().to_string()), Some(line));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(\\{\"(seq|request_id)\":\\PC{0,9}\\}\n?){0,3}|\\PC{0,60}") {
            let _ = Acknowledged::parse(&text, &[]);
        }
    }
}
