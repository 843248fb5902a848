//! The time-stamps on the disk: a file for each, which never changes (`schemas/frames.md`).

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventlog::files;
use keys::Timestamp;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use timestamp::Stamp;
use tlog::Checkpoint;
use tlog::note::Note;

/// The longest file that is read, in bytes: an answer in base64, and a note.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A checkpoint, and the answer of an authority over its bytes.
#[derive(Clone, Debug)]
pub(crate) struct StoredStamp {
    pub(crate) size: u64,
    pub(crate) at: Timestamp,
    pub(crate) checkpoint: String,
    /// The DER of a `TimeStampResp`.
    pub(crate) stamp: Vec<u8>,
}

/// What of a time-stamp is in memory.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Its number among those of this log, from 0 on.
    pub(super) place: u64,
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) at: Timestamp,
}

/// A file of time-stamps that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// It cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no time-stamp.
    #[error(
        "`{}` is damaged; move it away, and the log goes on without that time-stamp",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// What a file has.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    checkpoint: String,
    stamp: String,
}

/// The files of one folder.
#[derive(Default)]
pub(super) struct Store {
    /// Without one nothing is stored.
    folder: Option<PathBuf>,
    listed: RwLock<Vec<Listed>>,
    writing: Mutex<()>,
}

impl StoredStamp {
    /// One without a place; `None` if it is no time-stamp of this checkpoint.
    pub(super) fn new(checkpoint: String, stamp: Vec<u8>) -> Option<StoredStamp> {
        let (_, size) = head(&checkpoint)?;
        let parsed = Stamp::parse(&stamp).ok()?;
        parsed.is_over(checkpoint.as_bytes()).ok()?;
        let at = Timestamp::from_micros(parsed.at_us());
        Some(StoredStamp { size, at, checkpoint, stamp })
    }
}

/// The origin and the size that a checkpoint names. Its signatures are for a verifier to check.
fn head(checkpoint: &str) -> Option<(String, u64)> {
    let note = Note::parse(checkpoint.as_bytes()).ok()?;
    let checkpoint: Checkpoint = note.text().parse().ok()?;
    Some((checkpoint.origin().to_owned(), checkpoint.size()))
}

impl Store {
    pub(super) fn open(folder: PathBuf) -> Result<Store, StoredError> {
        let unreadable = |source| StoredError::Unreadable { path: folder.clone(), source };
        let mut places = Vec::new();
        match std::fs::read_dir(&folder) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry.map_err(unreadable)?.file_name();
                    places.extend(name.to_str().and_then(place_of));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(error)),
        }
        places.sort_unstable();
        let listed = places.into_iter().map(|place| {
            let stored = read(&folder, place)?;
            let path = path_of(&folder, place);
            let (origin, size) = head(&stored.checkpoint).ok_or(StoredError::Damaged { path })?;
            Ok(Listed { place, origin, size, at: stored.at })
        });
        let listed = RwLock::new(listed.collect::<Result<_, _>>()?);
        Ok(Store { folder: Some(folder), listed, writing: Mutex::default() })
    }

    /// Stores one more. On return it is on stable storage.
    ///
    /// # Errors
    ///
    /// It is not stored, or it is, whole, and is there after the next start.
    pub(super) fn append(&self, stamp: &StoredStamp) -> io::Result<()> {
        let writing = self.writing.lock();
        let place = self.last().map_or(0, |last| last.place + 1);
        let (origin, size) = head(&stamp.checkpoint).ok_or(io::ErrorKind::InvalidData)?;
        if let Some(folder) = &self.folder {
            files::make_folder(folder)?;
            let content = Content {
                checkpoint: stamp.checkpoint.clone(),
                stamp: STANDARD.encode(&stamp.stamp),
            };
            let mut text = serde_json::to_vec(&content).map_err(io::Error::other)?;
            text.push(b'\n');
            files::replace(&path_of(folder, place), &text)?;
        }
        self.listed.write().push(Listed { place, origin, size, at: stamp.at });
        drop(writing);
        Ok(())
    }

    /// The places of those that are wanted, in order.
    pub(super) fn select(&self, wanted: impl Fn(&Listed) -> bool) -> Vec<u64> {
        self.listed.read().iter().filter(|listed| wanted(listed)).map(|one| one.place).collect()
    }

    pub(super) fn last(&self) -> Option<Listed> {
        self.listed.read().last().cloned()
    }

    pub(super) fn count(&self) -> usize {
        self.listed.read().len()
    }

    pub(super) fn read(&self, place: u64) -> Result<StoredStamp, StoredError> {
        let folder = self.folder.as_deref().unwrap_or(Path::new(""));
        read(folder, place)
    }
}

fn read(folder: &Path, place: u64) -> Result<StoredStamp, StoredError> {
    let path = path_of(folder, place);
    let unreadable = |source| StoredError::Unreadable { path: path.clone(), source };
    if std::fs::metadata(&path).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(StoredError::Damaged { path });
    }
    let text = std::fs::read(&path).map_err(unreadable)?;
    let stored = serde_json::from_slice(&text).ok().and_then(|content: Content| {
        let stamp = STANDARD.decode(content.stamp).ok()?;
        StoredStamp::new(content.checkpoint, stamp)
    });
    stored.ok_or(StoredError::Damaged { path })
}

fn path_of(folder: &Path, place: u64) -> PathBuf {
    folder.join(format!("{place:06}.json"))
}

/// The place that a file's name says; another file is none of ours.
fn place_of(name: &str) -> Option<u64> {
    let place = name.strip_suffix(".json")?.parse().ok()?;
    (path_of(Path::new(""), place) == Path::new(name)).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What openssl stamped is no checkpoint, so only what is refused can be tried here; the rest is in
    /// `tests/it/outside_time.rs`.
    #[test]
    fn a_damaged_file_is_named_and_another_one_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(Store::open(path.join("none")).unwrap().count(), 0);
        for name in [".000000.json.aside", "0.json", "0000000.json", "README", "x.json"] {
            std::fs::write(path.join(name), "{").unwrap();
        }
        assert_eq!(Store::open(path.clone()).unwrap().count(), 0);
        for damaged in ["", "{}", "{\"checkpoint\":\"\",\"stamp\":\"\"}"] {
            std::fs::write(path.join("000003.json"), damaged).unwrap();
            let refused = Store::open(path.clone()).err().unwrap().to_string();
            assert!(refused.contains("000003.json` is damaged"), "{refused}");
        }
    }

    #[test]
    fn a_place_has_one_name() {
        for (name, place) in [
            ("000000.json", Some(0)),
            ("000365.json", Some(365)),
            ("1000000.json", Some(1_000_000)),
            ("0.json", None),
            ("0000001.json", None),
            ("-00001.json", None),
            ("+00001.json", None),
            ("000001.tsr", None),
        ] {
            assert_eq!(place_of(name), place, "{name}");
        }
    }
}
