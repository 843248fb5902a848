//! The folder of the files: their names, and what a start finds. See `schemas/usage.md`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use eventlog::files;
use keys::Timestamp;

use super::bucket::{day_of, start_of};
use super::run::Run;

/// Why the counts of use were not read or written.
#[derive(Debug, thiserror::Error)]
#[error("the counts of use in {path}: {source}")]
pub struct UsageError {
    path: PathBuf,
    source: io::Error,
}

impl UsageError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> UsageError {
        let path = path.to_owned();
        move |source| UsageError { path, source }
    }
}

/// The name of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// The journal with that number.
    Journal(u64),
    /// Of a day, what was in some journals.
    Run(RunName),
    /// When every key was last used, as it was on closing a day; the highest number counts.
    LastUsed(u64),
}

/// Of which day a run is, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunName {
    /// The UTC day, counted from 1970.
    pub(crate) day: u32,
    /// The first and the last journal whose counts of that day are in it.
    pub(crate) journals: (u64, u64),
    /// Whether the day is over, and the last uses are in a file of their own.
    pub(crate) closed: bool,
}

impl RunName {
    /// Whether everything that is in `other` is in this one too.
    pub(crate) fn covers(&self, other: &RunName) -> bool {
        let ((first, last), (from, to)) = (self.journals, other.journals);
        self.day == other.day && first <= from && to <= last
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Journal(number) => write!(f, "journal-{number:010}"),
            Name::LastUsed(number) => write!(f, "last-{number:010}"),
            Name::Run(RunName { day, journals: (first, last), closed }) => {
                let kind = if *closed { "day" } else { "part" };
                let midnight = start_of(*day).to_string();
                let date = midnight.get(..10).unwrap_or_default();
                write!(f, "{kind}-{date}-{first:010}-{last:010}")
            }
        }
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Name, ()> {
        let (kind, rest) = text.split_once('-').ok_or(())?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| ());
        let name = match kind {
            "journal" => Name::Journal(number(rest)?),
            "last" => Name::LastUsed(number(rest)?),
            "day" | "part" => {
                let (date, rest) = rest.split_at_checked(10).ok_or(())?;
                let midnight: Timestamp = format!("{date}T00:00:00Z").parse().map_err(|_| ())?;
                let (first, last) =
                    rest.strip_prefix('-').and_then(|r| r.split_once('-')).ok_or(())?;
                let journals = (number(first)?, number(last)?);
                Name::Run(RunName { day: day_of(midnight), journals, closed: kind == "day" })
            }
            _ => return Err(()),
        };
        // One spelling each.
        if name.to_string() == text { Ok(name) } else { Err(()) }
    }
}

/// A run, and of what.
pub(crate) struct DayRun {
    pub(crate) name: RunName,
    pub(crate) run: Run,
}

/// What is in the folder.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) runs: Vec<Arc<DayRun>>,
    /// The journals, oldest first. There is more than one only after a crash.
    pub(crate) journals: Vec<u64>,
    pub(crate) last_used: Option<(u64, Run)>,
    /// A number that no file has, nor any after it.
    pub(crate) next: u64,
}

/// Makes the folder if there is none, removes what a crash left, and opens what there is. Damaged
/// runs are left out.
pub(crate) fn open(folder: &Path) -> io::Result<Listing> {
    files::make_folder(folder)?;
    tighten(folder);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = folder.join(name);
        if files::is_aside(name) {
            files::remove_if_there(&path)?;
        } else if let Ok(name) = name.parse::<Name>() {
            tighten(&path);
            names.push(name);
        } else {
            tracing::warn!(file = %path.display(), "is no file of counts of use");
        }
    }
    names.sort_unstable();
    let mut listing = Listing::default();
    for name in &names {
        let (Name::Journal(last)
        | Name::LastUsed(last)
        | Name::Run(RunName { journals: (_, last), .. })) = name;
        listing.next = listing.next.max(last.saturating_add(1));
        let path = folder.join(name.to_string());
        match name {
            Name::Journal(number) => listing.journals.push(*number),
            Name::Run(run) if is_covered(run, &names) => files::remove_if_there(&path)?,
            Name::Run(name) => {
                let run = undamaged(&path)?.map(|run| Arc::new(DayRun { name: *name, run }));
                listing.runs.extend(run);
            }
            Name::LastUsed(number) => {
                if let Some(run) = undamaged(&path)? {
                    let before = listing.last_used.replace((*number, run));
                    before.map_or(Ok(()), |(_, run)| files::remove_if_there(run.path()))?;
                }
            }
        }
    }
    Ok(listing)
}

/// Whether a run was being removed when a crash came: all of it is in another one.
fn is_covered(run: &RunName, names: &[Name]) -> bool {
    names.iter().any(|name| match name {
        Name::Run(other) => other != run && other.covers(run) && (other.closed || !run.closed),
        Name::Journal(_) | Name::LastUsed(_) => false,
    })
}

fn undamaged(path: &Path) -> io::Result<Option<Run>> {
    match Run::open(path) {
        Err(error) if is_damage(&error) => {
            tracing::warn!(file = %path.display(), %error, "counts of use are left out");
            Ok(None)
        }
        run => run.map(Some),
    }
}

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn tighten(path: &Path) {
    if let Err(error) = files::tighten(path) {
        tracing::warn!(path = %path.display(), %error, "others may read this; it cannot be changed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::run::Writer;

    #[test]
    fn names_come_back_from_their_texts() {
        let run = RunName { day: 20_787, journals: (3, 12), closed: true };
        for (name, text) in [
            (Name::Journal(7), "journal-0000000007"),
            (Name::LastUsed(12_345_678_901), "last-12345678901"),
            (Name::Run(run), "day-2026-11-30-0000000003-0000000012"),
            (Name::Run(RunName { closed: false, ..run }), "part-2026-11-30-0000000003-0000000012"),
        ] {
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse(), Ok(name));
        }
        for bad in [
            "journal-7",
            "journal-+000000007",
            "day-2026-11-31-0000000003-0000000012",
            "day-2026-11-30-0000000003",
            "day-2026-11-30",
            "hour-2026-11-30-0000000003-0000000012",
            "",
        ] {
            assert_eq!(bad.parse::<Name>(), Err(()), "{bad}");
        }
    }

    /// A crash after a new run was written and before the old ones were removed leaves both.
    #[test]
    fn what_is_in_another_run_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let name = |journals, closed| Name::Run(RunName { day: 20_787, journals, closed });
        for name in [
            name((1, 1), false),
            name((2, 2), false),
            name((1, 2), false),
            name((3, 3), false),
            name((4, 6), false),
            name((4, 6), true),
            Name::LastUsed(1),
            Name::LastUsed(2),
        ] {
            Writer::new(&folder.path().join(name.to_string())).unwrap().finish().unwrap();
        }
        std::fs::write(folder.path().join(".part-x.aside"), "half").unwrap();
        let listing = open(folder.path()).unwrap();
        let runs: Vec<_> =
            listing.runs.iter().map(|run| (run.name.journals, run.name.closed)).collect();
        assert_eq!(runs, [((1, 2), false), ((3, 3), false), ((4, 6), true)]);
        assert_eq!(listing.last_used.unwrap().0, 2);
        assert_eq!(listing.next, 7);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    }
}
