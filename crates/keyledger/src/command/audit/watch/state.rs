//! What a watch remembers: a file of JSON, written whole or not at all.
//!
//! An alarm stands in it until every receiver took it, so that none is lost with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use keys::{KeyId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::acknowledged::Requests;
use super::alarm::{Alarm, Finding};
use super::followed_key::{FollowedKey, stored};
use crate::exit::misuse;

/// The version of the file.
const VERSION: u32 = 1;

/// Everything that a watch has to remember of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    keyledger_watch: u32,
    /// The account.
    pub(super) account: String,
    /// The last checkpoint, as the log signed it; `None` before the first look.
    pub(super) checkpoint: Option<String>,
    /// The time of the last heartbeat, in microseconds since 1970.
    pub(super) seen_at: Option<i64>,
    /// All events of the account before this place were read.
    pub(super) next: u64,
    /// Events from this place on are held against what is acknowledged.
    pub(super) judged_from: u64,
    /// The number of the youngest key: keys are numbered from 1 as they are made.
    pub(super) keys_made: u64,
    /// The account's keys.
    #[serde(with = "stored")]
    pub(super) keys: BTreeMap<KeyId, FollowedKey>,
    /// When the first event of each request was recorded that was acknowledged by its id.
    pub(super) requests: Requests,
    /// Since when a change is acknowledged that no event shows, by key and revision.
    pub(super) expected: BTreeMap<String, i64>,
    /// Events that may still be acknowledged.
    pub(super) waiting: Vec<Waiting>,
    /// Alarms that were not handed over yet, the oldest first.
    pub(super) outbox: Vec<Alarm>,
    /// The ids of the findings that were raised.
    pub(super) raised: BTreeSet<String>,
}

/// An event that nobody acknowledged so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    /// When the watch saw it, in microseconds since 1970.
    pub(super) since: i64,
    /// The event, as it was proved.
    pub(super) event: Value,
}

impl State {
    /// Nothing was seen yet.
    pub(super) fn new(account: &str) -> State {
        State {
            keyledger_watch: VERSION,
            account: account.to_owned(),
            checkpoint: None,
            seen_at: None,
            next: 0,
            judged_from: 0,
            keys_made: 0,
            keys: BTreeMap::new(),
            requests: Requests::new(),
            expected: BTreeMap::new(),
            waiting: Vec::new(),
            outbox: Vec::new(),
            raised: BTreeSet::new(),
        }
    }

    fn parse(text: &str) -> Result<State, String> {
        #[derive(Deserialize)]
        struct Version {
            keyledger_watch: u32,
        }
        let Version { keyledger_watch: version } =
            serde_json::from_str(text).map_err(|_| "it is no state of a watch".to_owned())?;
        if version != VERSION {
            return Err(format!("it is of version {version}, and this program has {VERSION}"));
        }
        serde_json::from_str(text).map_err(|error| format!("it is damaged: {error}"))
    }

    /// The name of the log, as its last checkpoint has it.
    pub(super) fn log(&self) -> Option<&str> {
        self.checkpoint.as_deref()?.lines().next()
    }

    /// Puts the alarm of a finding into the outbox, unless it was raised before.
    pub(super) fn raise(&mut self, finding: Finding, now: Timestamp) {
        let alarm = finding.alarm(&self.account, self.log(), now);
        if self.raised.insert(alarm.id.clone()) {
            self.outbox.push(alarm);
        }
    }

    /// Puts the alarm of an event into the outbox. Each event is judged once.
    pub(super) fn raise_event(&mut self, event: Value, now: Timestamp) {
        let finding = Finding::unacknowledged(event);
        self.outbox.push(finding.alarm(&self.account, self.log(), now));
    }
}

/// The file, which no other watch uses at the same time.
pub(super) struct Store {
    path: PathBuf,
    _lock: File,
    pub(super) state: State,
}

impl Store {
    /// Reads it; one that is not there is one that has seen nothing.
    pub(super) fn open(path: &Path, account: &str) -> Result<Store> {
        let lock = lock(path)?;
        let refused =
            |why: String| misuse(format!("the state `{}` cannot be used: {why}", path.display()));
        let state = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::new(account),
            Err(error) => return Err(refused(error.to_string())),
            Ok(text) => State::parse(&text).map_err(refused)?,
        };
        if state.account != account {
            let sentence =
                format!("it is of the account `{}`; name another --state", state.account);
            return Err(refused(sentence));
        }
        Ok(Store { path: path.to_owned(), _lock: lock, state })
    }

    /// Writes it: after an error or a crash there is the state before or this one.
    pub(super) fn save(&self) -> Result<()> {
        let text = serde_json::to_string(&self.state)? + "\n";
        eventlog::files::replace(&self.path, text.as_bytes())
            .with_context(|| format!("`{}` cannot be written", self.path.display()))
    }
}

/// Takes the file beside it that says that it is in use. Of the file itself there is a new one each time.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&name);
    let lock = lock.map_err(|error| {
        misuse(format!("the state `{}` cannot be written there: {error}", path.display()))
    })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(misuse(format!("another watch uses the state `{}`", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use keys::{KeyState, Status};
    use ledger::{Leaf, Seq};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::command::audit::watch::alarm::Kind;

    fn full() -> State {
        let mut state = State::new("acme");
        let key = FollowedKey {
            state: KeyState {
                status: Status::Disabled,
                revision: 3,
                expires_at: Some(Timestamp::from_micros(-5)),
                updated_at: Timestamp::MIN,
                replaced_by: None,
            },
            head: (Seq(9), Leaf([4; 32])),
            salt: Some([7; 12]),
        };
        state.checkpoint = Some("log.example.com\n10\nx\n\n— y\n".to_owned());
        state.keys.insert(KeyId::from_bytes([1; 16]), key);
        state.keys.insert(KeyId::from_bytes([2; 16]), FollowedKey { salt: None, ..key });
        state.waiting.push(Waiting { since: 1, event: json!({"seq": 4}) });
        state.raise(Finding::new(Kind::Missing, "x", "y"), Timestamp::MIN);
        state
    }

    #[test]
    fn a_state_comes_back_and_no_other_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut store = Store::open(&path, "acme").unwrap();
        store.state = full();
        store.save().unwrap();
        let again = Store::open(&path, "acme").map(drop).unwrap_err().to_string();
        assert!(again.contains("another watch"), "{again}");
        drop(store);
        assert_eq!(Store::open(&path, "acme").unwrap().state, full());
        for (text, account, word) in [
            (None, "other", "of the account `acme`"),
            (Some(""), "acme", "no state of a watch"),
            (Some("{\"keyledger_watch\":2}"), "acme", "version 2"),
            (Some("{\"keyledger_watch\":1}"), "acme", "damaged"),
        ] {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let refused = Store::open(&path, account).map(drop).unwrap_err();
            assert!(refused.to_string().contains(word), "{refused}");
        }
    }

    #[test]
    fn a_finding_is_raised_once() {
        let mut state = full();
        state.raise(Finding::new(Kind::Missing, "x", "said otherwise"), Timestamp::MAX);
        assert_eq!(state.outbox.len(), 1);
        state.raise(Finding::new(Kind::Missing, "z", "y"), Timestamp::MAX);
        assert_eq!(state.outbox.len(), 2);
    }

    proptest! {
        /// Whatever became of the file: it is read as it was written, or refused.
        #[test]
        fn a_damaged_state_is_refused(at: proptest::sample::Index, with in "\\PC{0,3}") {
            let mut text = serde_json::to_string(&full()).unwrap();
            let at = text.char_indices().nth(at.index(text.chars().count())).unwrap().0;
            text.insert_str(at, &with);
            if let Ok(state) = State::parse(&text) {
                prop_assert_eq!(State::parse(&serde_json::to_string(&state).unwrap()), Ok(state));
            }
        }
    }
}
