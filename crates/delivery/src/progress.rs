//! How far one receiver is, and what its last attempts came to.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::attempt::{Attempt, Entry, Position, Replay, Trouble};
use crate::attempt_file::{AttemptFile, SHOWN};

/// How often a position that moved without an attempt is written.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// Whether a receiver takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusKind {
    /// It took the last one, or there was none.
    Active,
    /// It did not take the last one, which is tried again.
    Retrying,
    /// It was given up. A replay starts it again.
    Failing,
}

impl StatusKind {
    /// Every kind.
    pub const ALL: &[StatusKind] = &[StatusKind::Active, StatusKind::Retrying, StatusKind::Failing];

    /// The word that is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StatusKind::Active => "active",
            StatusKind::Retrying => "retrying",
            StatusKind::Failing => "failing",
        }
    }
}

/// How a receiver is doing. Moments are microseconds since 1970.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether its receiver takes messages.
    pub kind: StatusKind,
    /// How far it is.
    pub position: Position,
    /// Whether everything was delivered that there is.
    pub is_idle: bool,
    /// Since when the receiver takes nothing.
    pub failing_since: Option<i64>,
    /// How many attempts failed since then.
    pub failures: u32,
    /// When the next attempt is due.
    pub retry_at: Option<i64>,
    /// The last attempt.
    pub last: Option<Attempt>,
}

/// Numbers for the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Receivers.
    pub receivers: usize,
    /// Those that are tried again.
    pub retrying: usize,
    /// Those that were given up.
    pub failing: usize,
    /// How many places of the log the slowest of them is behind.
    pub lag: u64,
}

impl Stats {
    /// Those of receivers with these statuses; the log has `length` places.
    pub fn of(statuses: impl Iterator<Item = Status>, length: u64) -> Stats {
        let mut stats = Stats::default();
        for status in statuses {
            stats.receivers += 1;
            stats.retrying += usize::from(status.kind == StatusKind::Retrying);
            stats.failing += usize::from(status.kind == StatusKind::Failing);
            let lag = if status.is_idle { 0 } else { length - length.min(status.position.next) };
            stats.lag = stats.lag.max(lag);
        }
        stats
    }
}

/// What the task of a receiver has to follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Command {
    /// Counts replays.
    epoch: u64,
    /// Whether it was deleted.
    deleted: bool,
}

struct State {
    epoch: u64,
    position: Position,
    trouble: Option<Trouble>,
    attempts: VecDeque<Attempt>,
    replay: Option<Replay>,
    is_idle: bool,
}

/// Where it is written, and when what was not an attempt last was.
struct Saved {
    file: Option<AttemptFile>,
    position: Position,
    at: Instant,
    failed: bool,
}

/// How far a receiver is. Shared by its task and by whoever shows it.
pub struct Progress {
    /// What it is called in the log.
    name: String,
    state: Mutex<State>,
    /// Locked before `state` where both are.
    saved: Mutex<Saved>,
    commands: watch::Sender<Command>,
    wake: Notify,
}

impl Progress {
    /// That of the receiver `name`, with the lines of its file, or with one line where there is no file.
    pub(crate) fn new(
        name: String,
        lines: &VecDeque<Entry>,
        file: Option<AttemptFile>,
    ) -> Progress {
        let last = lines.back().cloned().unwrap_or_else(|| Entry::at(Position::default()));
        let Entry { position, trouble, replay, .. } = last;
        let attempts = lines.iter().filter_map(|line| line.attempt.clone()).collect();
        let saved = Saved { file, position: position.clone(), at: Instant::now(), failed: false };
        let state = State { epoch: 0, position, trouble, attempts, replay, is_idle: false };
        Progress {
            name,
            state: Mutex::new(state),
            saved: Mutex::new(saved),
            commands: watch::Sender::new(Command::default()),
            wake: Notify::new(),
        }
    }

    /// What it is called in the log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.state.lock();
        let kind = match state.trouble {
            None => StatusKind::Active,
            Some(Trouble { retry_at: Some(_), .. }) => StatusKind::Retrying,
            Some(Trouble { retry_at: None, .. }) => StatusKind::Failing,
        };
        Status {
            kind,
            position: state.position.clone(),
            is_idle: state.is_idle,
            failing_since: state.trouble.map(|trouble| trouble.since),
            failures: state.trouble.map_or(0, |trouble| trouble.failures),
            retry_at: state.trouble.and_then(|trouble| trouble.retry_at),
            last: state.attempts.back().cloned(),
        }
    }

    /// Its last attempts, newest first, at most 100.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.state.lock().attempts.iter().rev().cloned().collect()
    }

    /// Has its task look whether there is something to deliver.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Goes on from place `next` of the log, at once, whatever its receiver did before. On stable
    /// storage on return, and so is `request`, if it had an idempotency key.
    ///
    /// # Errors
    ///
    /// It goes on from there all the same; after a crash it may be where it was.
    pub(crate) fn replay(&self, next: u64, request: Option<Replay>) -> io::Result<()> {
        let mut saved = self.saved.lock();
        let (entry, epoch) = {
            let mut state = self.state.lock();
            state.epoch += 1;
            state.position.next = next;
            state.trouble = None;
            state.is_idle = false;
            state.replay = request.or(state.replay);
            let entry = Entry { replay: state.replay, ..Entry::at(state.position.clone()) };
            (entry, state.epoch)
        };
        self.commands.send_modify(|command| command.epoch = epoch);
        saved.write(entry)?;
        saved.file.as_mut().map_or(Ok(()), AttemptFile::sync)
    }

    /// Ends its task.
    pub(crate) fn end(&self) {
        self.commands.send_modify(|command| command.deleted = true);
    }

    /// Writes how far it is, if that is not written yet.
    ///
    /// # Errors
    ///
    /// The file cannot be written; after a restart some messages are sent again.
    pub fn save(&self) -> io::Result<()> {
        let mut saved = self.saved.lock();
        let entry = {
            let state = self.state.lock();
            let (trouble, replay) = (state.trouble, state.replay);
            let entry = Entry { trouble, replay, ..Entry::at(state.position.clone()) };
            (entry.position != saved.position).then_some(entry)
        };
        if let Some(entry) = entry {
            saved.write(entry)?;
        }
        saved.file.as_mut().map_or(Ok(()), AttemptFile::sync)
    }

    /// What its task goes on from.
    pub(crate) fn turn(&self) -> Turn {
        let commands = self.commands.subscribe();
        let state = self.state.lock();
        Turn { epoch: state.epoch, position: state.position.clone(), commands }
    }

    /// The last replay that had an idempotency key.
    pub(crate) fn last_replay(&self) -> Option<Replay> {
        self.state.lock().replay
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.state.lock().trouble
    }

    /// Waits until [`Progress::wake`] was called, then or since the last time.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Says whether everything was delivered that there is.
    pub(crate) fn set_idle(&self, is_idle: bool) {
        self.state.lock().is_idle = is_idle;
    }

    /// Records what holds from now on, unless a replay came in between. Waits for the disk.
    pub(crate) fn record(&self, epoch: u64, mut entry: Entry) {
        let mut saved = self.saved.lock();
        {
            let mut state = self.state.lock();
            if state.epoch != epoch {
                return;
            }
            state.position = entry.position.clone();
            state.trouble = entry.trouble;
            entry.replay = state.replay;
            if let Some(attempt) = &entry.attempt {
                state.attempts.push_back(attempt.clone());
                if state.attempts.len() > SHOWN {
                    state.attempts.pop_front();
                }
            }
        }
        // What only moved need not be written each time: it is found again.
        if entry.attempt.is_none() && saved.at.elapsed() < SAVE_EVERY {
            return;
        }
        let failed = saved.write(entry);
        match failed {
            Err(error) if !saved.failed => {
                tracing::warn!(
                    receiver = self.name, %error,
                    "how far a receiver is cannot be written: after a restart messages are repeated"
                );
                saved.failed = true;
            }
            Err(_) => {}
            Ok(()) => saved.failed = false,
        }
    }
}

impl Saved {
    fn write(&mut self, entry: Entry) -> io::Result<()> {
        let position = entry.position.clone();
        if let Some(file) = &mut self.file {
            file.append(entry)?;
        }
        self.position = position;
        self.at = Instant::now();
        Ok(())
    }
}

/// From where a task delivers, until a replay or the webhook's end.
pub(crate) struct Turn {
    pub(crate) epoch: u64,
    pub(crate) position: Position,
    commands: watch::Receiver<Command>,
}

impl Turn {
    /// Waits until the turn is over; whether the webhook is, too. Cancel safe.
    pub(crate) async fn over(&mut self) -> bool {
        let epoch = self.epoch;
        let changed = |command: &Command| command.deleted || command.epoch != epoch;
        self.commands.wait_for(changed).await.map_or(true, |command| command.deleted)
    }
}
