//! An inspection of sled's folder before sled opens it, so that a damaged log is refused unchanged.
//!
//! sled takes any damage at the end of its file for an append that a crash tore: on opening it
//! overwrites that part, and the evidence is lost. The survey runs sled's recovery without its
//! writes ([`recovery`]), searches for frames in what sled would apply and in what it would drop,
//! and refuses the log when an acknowledged frame would be lost. It reads what was written since the
//! last open, as sled does; after a crash during opening, everything.
//!
//! The survey can miss damage (in the part that a snapshot covers, which sled does not rewrite
//! either): the guard is compared again when the log is open, and every read checks its frames.

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

/// The snapshot's name in a guard when there is no snapshot.
pub(super) const NO_SNAPSHOT: &str = "none";

/// sled's file of settings, which it rewrites when it is missing.
const CONF: &str = "conf";

/// Its content, before four bytes of checksum.
const SETTINGS: &[u8] = b"segment_size: 524288\nuse_compression: false\nversion: 0.34\n";

/// The newest snapshot in sled's folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: String,
    /// The LSN up to which it covers the log.
    lsn: u64,
    path: PathBuf,
}

/// The result of a survey.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The first place that was surveyed; `None` if it is unknown.
    from: Option<Seq>,
    /// The frames that sled would apply, by their first place: their end, and whether they are the
    /// last of their append.
    applied: BTreeMap<Seq, BTreeSet<(Seq, bool)>>,
    /// The first places of the appends that sled would drop, whole or in part.
    dropped: BTreeSet<Seq>,
    /// The hashes of the applied frames that end where the guard does.
    at_guard: Vec<FrameHash>,
}

/// Inspects sled's folder without changing it.
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
        // It was opened by something else, or a crash came between sled's open and the guard.
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
    /// Whether everything that sled would drop was surveyed. If not, the opened log must be checked.
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
        let guarded = guard.end.length;
        if length < guarded {
            return Err(OpenError::ShorterThanGuard { dir: dir.into(), length, guard: guarded });
        }
        // A guard written since the last open must match one of the surveyed frames.
        let unseen = guarded <= self.from.unwrap_or_default();
        if !unseen && !self.at_guard.contains(&guard.end.hash) {
            return Err(OpenError::OtherThanGuard { dir: dir.into(), guard: guarded });
        }
        let Some(from) = self.from else { return Ok(()) };
        // An append starts after the one before was acknowledged. So one that starts after the end
        // proves that the one at the end was acknowledged.
        if self.dropped.range(length.next()..).next().is_some() {
            return Err(damage(length, DamageKind::Gap));
        }
        self.covers(from, length).map_err(|at| damage(at, DamageKind::Gap))
    }

    /// Checks that the applied frames have no gap. Returns the first gap as an error.
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

    /// Finds the frames in some bytes of sled's file.
    ///
    /// A record may contain bytes that look like a frame. A whole frame is skipped at once, so its
    /// content is not searched.
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

/// The newest snapshot: as in sled, the one with the greatest name.
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

/// After a crash in the first start the settings may be incomplete, and sled rewrites them. Later
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
