//! A look at sled's folder before sled opens it, so that a damaged one is refused as it is.
//!
//! sled takes whatever is damaged at the end of its file for an append that a crash tore: on
//! opening it overwrites it, and a moment later nobody can tell what was there. The survey makes
//! sled's walk without its writes ([`recovery`]), looks for frames in what sled would apply and in
//! what it would not, and refuses when an acknowledged one is lost. It reads what was written
//! since the last open, which sled reads too; after a crash in the middle of opening, everything.
//!
//! The survey can miss damage (in what a snapshot covers, which sled does not rewrite either):
//! what the guard says is compared again when the log is open, and every read checks its frames.

mod recovery;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use bytes::{Buf, Bytes};

use self::recovery::Recovery;
use super::{guard::Mark, layout::DB, refusal::OpenError};
use crate::{
    Damage, DamageKind, Seq,
    frame::{self, Frame, FrameHash},
};

/// What a guard says of the snapshot when there is none.
pub(super) const NO_SNAPSHOT: &str = "none";

/// sled's file of settings, which it would write again with our settings.
const CONF: &str = "conf";

/// What is in it, in front of four bytes of checksum.
const SETTINGS: &[u8] = b"segment_size: 524288\nuse_compression: false\nversion: 0.34\n";

/// The newest snapshot in sled's folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: String,
    /// The LSN up to which it covers the log.
    lsn: u64,
    path: PathBuf,
}

/// What a survey found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Where what was surveyed starts; `None` if that is not known.
    from: Option<Seq>,
    /// The frames that sled would apply, by their first place: where they end, and whether they
    /// are the last of their append.
    applied: BTreeMap<Seq, BTreeSet<(Seq, bool)>>,
    /// The first places of the appends that sled would drop, whole or in part.
    dropped: BTreeSet<Seq>,
    /// The hashes of the applied frames that end where the guard does.
    at_guard: Vec<FrameHash>,
}

/// Looks at sled's folder and changes nothing.
pub(super) fn survey(log: &Path, guard: Option<&Mark>) -> Result<Survey, OpenError> {
    let at = |source| OpenError::io(log, source);
    let file = match File::open(log.join(DB)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        file => Some(file.map_err(at)?),
    };
    let empty = match &file {
        Some(file) => file.metadata().map_err(at)?.len() == 0,
        None => true,
    };
    check_settings(log, empty)?;
    let snapshot = newest_snapshot(log).map_err(at)?;
    if let Some(found) = &snapshot {
        check_snapshot(found)?;
    }
    let name = snapshot.as_ref().map_or(NO_SNAPSHOT, |found| &found.name);
    let (opened_at, from) = match guard {
        Some(mark) if mark.opened.snapshot == name => {
            (Some(mark.opened.length), snapshot.as_ref().map_or(0, |found| found.lsn))
        }
        // Somebody else opened it, or a crash came between sled's open and the guard.
        _ => (None, 0),
    };
    let mut survey = Survey { from: opened_at, ..Survey::default() };
    let Some(file) = file else { return Ok(survey) };
    let covered = snapshot.map_or(0, |found| found.lsn);
    let recovery = Recovery::read(file, covered)
        .map_err(at)?
        .map_err(|_| OpenError::damaged(log, "two segments claim the same place"))?;
    let end = guard.map(|mark| mark.end.length);
    recovery.show(from, &mut |applied, bytes| survey.scan(applied, bytes, end)).map_err(at)?;
    Ok(survey)
}

impl Survey {
    /// Whether everything that sled would drop was seen. If not, it must be found missing.
    pub(super) fn is_complete(&self) -> bool {
        self.from.is_some()
    }

    /// Refuses a log from which sled would drop what was acknowledged.
    pub(super) fn verify(
        &self,
        dir: &Path,
        guard_path: &Path,
        guard: Option<&Mark>,
    ) -> Result<(), OpenError> {
        let damage = |at, kind| OpenError::damage(dir, Damage { at, kind });
        let ends = self.applied.values().flatten();
        let seen = ends.filter(|(_, last)| *last).map(|(end, _)| *end).max();
        let length = seen.max(self.from).unwrap_or_default();
        let Some(guard) = guard else {
            return match seen {
                None => Ok(()),
                Some(_) => Err(OpenError::NoGuard { dir: dir.into(), guard: guard_path.into() }),
            };
        };
        let remembered = guard.end.length;
        if length < remembered {
            return Err(OpenError::ShorterThanGuard { dir: dir.into(), length, guard: remembered });
        }
        // What the guard remembers of the time since the last open must be among what was seen.
        let unseen = remembered <= self.from.unwrap_or_default();
        if !unseen && !self.at_guard.contains(&guard.end.hash) {
            return Err(OpenError::OtherThanGuard { dir: dir.into(), guard: remembered });
        }
        let Some(from) = self.from else { return Ok(()) };
        // The next append starts when the one before is acknowledged. So one that starts behind
        // the end proves that the one at the end was.
        if self.dropped.range(length.next()..).next().is_some() {
            return Err(damage(length, DamageKind::Gap));
        }
        self.covers(from, length).map_err(|at| damage(at, DamageKind::Gap))
    }

    /// Whether the applied frames are without a gap; if not, where the first one is.
    fn covers(&self, from: Seq, to: Seq) -> Result<(), Seq> {
        let mut covered = from;
        for (first, ends) in self.applied.range(..to) {
            if *first > covered {
                return Err(covered);
            }
            covered = ends.iter().map(|(end, _)| *end).max().map_or(covered, |e| e.max(covered));
        }
        if covered < to { Err(covered) } else { Ok(()) }
    }

    /// Finds the frames in some bytes of sled's.
    ///
    /// A record may hold what looks like a frame. Frames that are whole are passed over at once,
    /// so what is inside of one is not looked at.
    fn scan(&mut self, applied: bool, bytes: &Bytes, guard: Option<Seq>) {
        let mut rest = bytes.clone();
        while let Some(at) = memchr::memmem::find(&rest, &frame::MAGIC) {
            rest.advance(at);
            let length = frame::announced_length(&rest).filter(|length| *length <= rest.len());
            let frame = length.map(|length| rest.slice(..length));
            let Some((bytes, Ok(frame))) =
                frame.map(|bytes| (bytes.clone(), Frame::decode(&bytes)))
            else {
                rest.advance(frame::MAGIC.len());
                continue;
            };
            rest.advance(bytes.len());
            if applied {
                if guard == Some(frame.end()) {
                    self.at_guard.push(FrameHash::of(&bytes));
                }
                let end = (frame.end(), frame.is_last());
                self.applied.entry(frame.first).or_default().insert(end);
            } else if frame.place == 0 {
                self.dropped.insert(frame.first);
            }
        }
    }
}

/// The newest snapshot: sled takes the one whose name is the last.
pub(super) fn newest_snapshot(log: &Path) -> io::Result<Option<Found>> {
    let entries = match fs::read_dir(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut newest: Option<Found> = None;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let digits = name.strip_prefix("snap.");
        let lsn = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if let Some(lsn) = lsn
            && newest.as_ref().is_none_or(|found| found.name < name)
        {
            newest = Some(Found { name, lsn, path: entry.path() });
        }
    }
    Ok(newest)
}

fn check_snapshot(found: &Found) -> Result<(), OpenError> {
    let bytes = fs::read(&found.path).map_err(|source| OpenError::io(&found.path, source))?;
    let whole = bytes
        .split_last_chunk::<12>()
        .and_then(|(body, trailer)| Some((body, trailer.last_chunk::<4>()?)))
        .is_some_and(|(body, sum)| crc32fast::hash(body) == u32::from_le_bytes(*sum));
    if whole { Ok(()) } else { Err(OpenError::damaged(&found.path, "its checksum is wrong")) }
}

/// A first start that crashed may have left half of the settings, and sled writes them anew. Later
/// they are synced.
fn check_settings(log: &Path, empty: bool) -> Result<(), OpenError> {
    let path = log.join(CONF);
    let right = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => empty,
        Err(error) => return Err(OpenError::io(&path, error)),
        Ok(bytes) => bytes.split_last_chunk::<4>().is_some_and(|(body, sum)| {
            body == SETTINGS && crc32fast::hash(body) == u32::from_le_bytes(*sum)
        }),
    };
    if right || empty {
        Ok(())
    } else {
        Err(OpenError::damaged(&path, "it is not what was written"))
    }
}
