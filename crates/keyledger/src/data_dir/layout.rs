//! What is where in a data directory, and which guard belongs to it.

use std::path::{Path, PathBuf};

use eventlog::sled::Options;

/// The folder of the access journal in the data directory.
const ACCESS: &str = "access";

/// The log of keys. `guard` is its guard file, if it is elsewhere.
pub(crate) fn log(data: &Path, guard: Option<&Path>) -> Options {
    Options { guard: guard.map(Path::to_owned), ..Options::new(data) }
}

/// The journal of who reads it. Its guard is beside the log's: `<guard>.access`.
pub(crate) fn journal(data: &Path, guard: Option<&Path>) -> Options {
    let guard = guard.map(|guard| {
        let mut beside = guard.as_os_str().to_owned();
        beside.push(".");
        beside.push(ACCESS);
        PathBuf::from(beside)
    });
    Options { guard, ..Options::new(data.join(ACCESS)) }
}
