//! The guard: a small file that remembers how long the log was.
//!
//! sled may take a damaged end of its file for one that a crash tore, and drop it silently.
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

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use crate::{Seq, files, frame::FrameHash, store::End};

/// What a guard file starts with.
const FIRST_LINE: &str = "keyledger guard v1";

/// How many lines there are in front of the seal.
const LINES: usize = 5;

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
    /// What the layer above says of that end, or of one shortly before it.
    pub(super) seal: Option<Bytes>,
}

/// The bytes of a guard file.
pub(super) fn encode(mark: &Mark) -> Vec<u8> {
    let Mark { end, opened, seal } = mark;
    let mut text = format!("{FIRST_LINE}\nlength {}\nframe ", end.length);
    for byte in end.hash.0 {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    let _ = write!(text, "\nopened {}\nsnapshot {}\n", opened.length, opened.snapshot);
    let mut bytes = text.into_bytes();
    if let Some(seal) = seal {
        bytes.push(b'\n');
        bytes.extend_from_slice(seal);
    }
    bytes
}

/// Reads what [`encode`] wrote, and nothing else.
pub(super) fn decode(bytes: &[u8]) -> Option<Mark> {
    let mut pieces = bytes.splitn(LINES + 1, |byte| *byte == b'\n');
    let lines: Vec<&[u8]> = pieces.by_ref().take(LINES).collect();
    let lines: Vec<&str> = lines.into_iter().map(str::from_utf8).collect::<Result<_, _>>().ok()?;
    let mut lines = lines.into_iter();
    // After the last line feed of the lines: nothing, or an empty line and the seal.
    let seal = match pieces.next()?.split_first() {
        Some((b'\n', seal)) => Some(Bytes::copy_from_slice(seal)).filter(|seal| !seal.is_empty()),
        Some(_) => return None,
        None => None,
    };
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
    let mark = Mark { end, opened, seal };
    (encode(&mark) == bytes).then_some(mark)
}

/// Reads a guard file; `None` if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Mark>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    decode(&bytes).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
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

struct State {
    /// What is synced.
    end: End,
    seal: Option<Bytes>,
    /// Whether the guard says something older.
    pending: bool,
    stopped: bool,
}

impl GuardKeeper {
    /// Writes the guard of a log that was just opened, and keeps it from then on.
    ///
    /// `seal` is the one that the file has; it stays until there is another.
    pub(super) fn start(
        path: PathBuf,
        (end, opened): (End, Opened),
        seal: Option<Bytes>,
    ) -> io::Result<GuardKeeper> {
        let state = Mutex::new(State { end, seal: seal.clone(), pending: false, stopped: false });
        let changed = Condvar::new();
        let shared = Arc::new(Shared { path, opened, state, changed });
        shared.write(end, seal)?;
        let keeper = Arc::clone(&shared);
        let thread = thread::Builder::new().name("guard".into()).spawn(move || keeper.run())?;
        Ok(GuardKeeper { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Remembers an end that is on stable storage.
    pub(super) fn record_end(&self, end: End) {
        self.change(|state| state.end = end);
    }

    /// Remembers a seal of the present end.
    pub(super) fn seal(&self, seal: Bytes) {
        self.change(|state| state.seal = Some(seal));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.shared.state.lock();
        change(&mut state);
        let was_pending = std::mem::replace(&mut state.pending, true);
        drop(state);
        if !was_pending {
            self.shared.changed.notify_one();
        }
    }

    /// Stops the thread and writes the guard a last time.
    pub(super) fn close(&self, end: End) -> io::Result<()> {
        self.stop();
        let seal = self.shared.state.lock().seal.clone();
        self.shared.write(end, seal)
    }

    fn stop(&self) {
        self.shared.state.lock().stopped = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // The thread logs its errors itself.
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
    fn write(&self, end: End, seal: Option<Bytes>) -> io::Result<()> {
        let mark = Mark { end, opened: self.opened.clone(), seal };
        files::replace(&self.path, &encode(&mark))
    }

    fn run(&self) {
        let mut state = self.state.lock();
        while !state.stopped {
            if !std::mem::take(&mut state.pending) {
                self.changed.wait(&mut state);
                continue;
            }
            let (end, seal) = (state.end, state.seal.clone());
            drop(state);
            if let Err(error) = self.write(end, seal) {
                // An old guard guards less, it does no harm; the next one is a second away.
                tracing::error!(path = %self.path.display(), %error, "the guard was not written");
            }
            state = self.state.lock();
            self.changed.wait_while_for(&mut state, |state| !state.stopped, INTERVAL);
        }
    }
}
