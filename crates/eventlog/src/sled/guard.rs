//! The guard: a small file with the length and the last frame hash of the log.
//!
//! sled may take a damaged end of its file for a torn write of a crash, and drop it silently. The
//! guard detects this. A dedicated thread writes it, at most once a second and on a clean stop, so
//! that it adds nothing to an append; it is never ahead of what is synced and never goes back.

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

/// The first line of a guard file.
const FIRST_LINE: &str = "keyledger guard v1";

/// The number of lines before the seal.
const LINES: usize = 5;

/// The least time between two writes of the guard.
const INTERVAL: Duration = Duration::from_secs(1);

/// The state when the log was last opened; a survey starts from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// The length of the log.
    pub(super) length: Seq,
    /// The name of the snapshot that sled wrote, `none` if it wrote none.
    pub(super) snapshot: String,
}

/// The content of a guard file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// An end that was on stable storage.
    pub(super) end: End,
    pub(super) opened: Opened,
    /// A statement of the layer above about that end, or about a recent one.
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

/// Decodes exactly the bytes that [`encode`] writes.
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

/// The owner of the thread that writes the guard.
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
    /// The synced end of the log.
    end: End,
    seal: Option<Bytes>,
    /// Whether the file is older than this state.
    pending: bool,
    stopped: bool,
}

impl GuardKeeper {
    /// Writes the guard of a log that was just opened, and starts the thread.
    ///
    /// `seal` is the one in the file; it stays until [`GuardKeeper::seal`] replaces it.
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

    /// Records an end that is on stable storage.
    pub(super) fn record_end(&self, end: End) {
        self.change(|state| state.end = end);
    }

    /// Records a seal of the present end.
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
    /// Without a last write: only [`GuardKeeper::close`] marks a clean stop.
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
                // An older guard detects less and does no harm; the next write is a second away.
                tracing::error!(path = %self.path.display(), %error, "cannot write the guard");
            }
            state = self.state.lock();
            self.changed.wait_while_for(&mut state, |state| !state.stopped, INTERVAL);
        }
    }
}
