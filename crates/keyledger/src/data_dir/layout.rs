//! Where the logs of a data directory and their guard files are.

use std::path::{Path, PathBuf};

use eventlog::sled::Options;

/// The folder of the access journal in the data directory.
const ACCESS: &str = "access";

/// The log of keys. `guard` is its guard file, if that is not in the directory.
pub(crate) fn log(data: &Path, guard: Option<&Path>) -> Options {
    Options { guard: guard.map(Path::to_owned), ..Options::new(data) }
}

/// The access journal. Its guard is beside that of the log: `<guard>.access`.
pub(crate) fn journal(data: &Path, guard: Option<&Path>) -> Options {
    let guard = guard.map(|guard| {
        let mut beside = guard.as_os_str().to_owned();
        beside.push(".");
        beside.push(ACCESS);
        PathBuf::from(beside)
    });
    Options { guard, ..Options::new(data.join(ACCESS)) }
}

/// The keys of the persons that records speak of.
pub(crate) fn keyring(data: &Path) -> PathBuf {
    data.join("keyring")
}

/// The folder of webhooks.
pub(crate) fn webhooks(data: &Path) -> PathBuf {
    data.join("webhooks")
}

/// The key that signs what webhooks send.
pub(crate) fn webhook_key(data: &Path) -> PathBuf {
    webhooks(data).join("signing.key")
}

/// The note in which the log's key vouches for that one.
pub(crate) fn webhook_key_note(data: &Path) -> PathBuf {
    webhooks(data).join("signing.note")
}

/// The folder of checkpoints with time-stamps.
pub(crate) fn times(data: &Path) -> PathBuf {
    data.join("times")
}

/// The newest checkpoint that a quorum of witnesses cosigned.
pub(crate) fn cosigned(data: &Path) -> PathBuf {
    data.join("cosigned")
}

/// The folder of audit sinks: how far each is.
pub(crate) fn sinks(data: &Path) -> PathBuf {
    data.join("sinks")
}
