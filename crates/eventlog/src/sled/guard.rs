//! The guard: a small file that remembers how long the log was.
//!
//! sled may take a damaged end of its file for one that a crash tore, and drop it without a word.
//! The guard is how this is noticed. It is written by a thread of its own, at most once a second
//! and on a clean stop, so that it costs an append nothing; it is never ahead of what is synced
//! and never goes back.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use crate::{Seq, engine::End, files, frame::FrameHash};

/// What a guard file starts with.
const FIRST_LINE: &str = "keyledger guard v1";

/// The least time between two writes of the guard.
const INTERVAL: Duration = Duration::from_secs(1);

/// What was there when the log was last opened; a survey starts from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// The length then.
    pub(super) length: Seq,
    /// The name of the snapshot that sled made then, `none` if it made none.
    pub(super) snapshot: String,
}

/// What a guard file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// An end that was on stable storage.
    pub(super) end: End,
    pub(super) opened: Opened,
}

/// The bytes of a guard file.
pub(super) fn encode(end: End, opened: &Opened) -> String {
    let mut text = format!("{FIRST_LINE}\nlength {}\nframe ", end.length);
    for byte in end.hash.0 {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    let _ = write!(text, "\nopened {}\nsnapshot {}\n", opened.length, opened.snapshot);
    text
}

/// Reads what [`encode`] wrote, and nothing else.
pub(super) fn decode(text: &str) -> Option<Mark> {
    let mut lines = text.lines();
    if lines.next()? != FIRST_LINE {
        return None;
    }
    let length = Seq(lines.next()?.strip_prefix("length ")?.parse().ok()?);
    let digits = lines.next()?.strip_prefix("frame ")?;
    let mut hash = [0; 32];
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    let end = End { length, hash: FrameHash(hash) };
    let opened = Opened {
        length: Seq(lines.next()?.strip_prefix("opened ")?.parse().ok()?),
        snapshot: lines.next()?.strip_prefix("snapshot ")?.into(),
    };
    (encode(end, &opened) == text).then_some(Mark { end, opened })
}

/// Reads a guard file; `None` if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Mark>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    decode(&text).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The thread that keeps the guard, and its owner.
pub(super) struct GuardKeeper {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    path: PathBuf,
    opened: Opened,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is synced and not yet in the guard.
    pending: Option<End>,
    stopped: bool,
}

impl GuardKeeper {
    /// Writes the guard of a log that was just opened, and keeps it from then on.
    pub(super) fn start(path: PathBuf, end: End, opened: Opened) -> io::Result<GuardKeeper> {
        let state = Mutex::default();
        let shared = Arc::new(Shared { path, opened, state, changed: Condvar::new() });
        shared.write(end)?;
        let keeper = Arc::clone(&shared);
        let thread = thread::Builder::new().name("guard".into()).spawn(move || keeper.run())?;
        Ok(GuardKeeper { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Remembers an end that is on stable storage.
    pub(super) fn note(&self, end: End) {
        let mut state = self.shared.state.lock();
        let idle = state.pending.replace(end).is_none();
        drop(state);
        if idle {
            self.shared.changed.notify_one();
        }
    }

    /// Stops the thread and writes the guard a last time.
    pub(super) fn close(&self, end: End) -> io::Result<()> {
        self.stop();
        self.shared.write(end)
    }

    fn stop(&self) {
        self.shared.state.lock().stopped = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // It has nothing to say: its errors are logged where they happen.
            let _ = thread.join();
        }
    }
}

impl Drop for GuardKeeper {
    /// No last write: only a clean stop may say that it was one.
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn write(&self, end: End) -> io::Result<()> {
        files::replace(&self.path, encode(end, &self.opened).as_bytes(), 0o644)
    }

    fn run(&self) {
        let mut state = self.state.lock();
        while !state.stopped {
            let Some(end) = state.pending.take() else {
                self.changed.wait(&mut state);
                continue;
            };
            drop(state);
            if let Err(error) = self.write(end) {
                // An old guard guards less, it does no harm; the next one is a second away.
                tracing::error!(path = %self.path.display(), %error, "the guard was not written");
            }
            state = self.state.lock();
            self.changed.wait_while_for(&mut state, |state| !state.stopped, INTERVAL);
        }
    }
}
