//! Whether the ledger takes changes, and why not.

use std::sync::atomic::Ordering;

use eventlog::Space;

use crate::ledger::Ledger;

/// Why the ledger is not ready for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The outcome of a write is not known.
    #[error("the log is broken; restart the service to read it again")]
    Broken,
    /// The same of the file with the keys of persons.
    #[error("the keyring is broken; restart the service to read it again")]
    KeyringBroken,
    /// The disk has less free than is kept in reserve.
    #[error(
        "the disk is full up to its reserve; nothing is written until there is room again, which \
         needs no restart"
    )]
    DiskFull,
    /// The time of day stepped, or lies behind the log.
    #[error("the clock stepped; no key expires until it agrees again or the service is restarted")]
    ClockStepped,
}

impl Ledger {
    /// Whether changes are accepted and keys expire.
    ///
    /// # Errors
    ///
    /// Why not. Reads and verify go on.
    pub fn ready(&self) -> Result<(), NotReady> {
        if self.log().is_broken() {
            Err(NotReady::Broken)
        } else if self.state().keyring.is_broken() {
            Err(NotReady::KeyringBroken)
        } else if self.state().stepped.load(Ordering::Relaxed) {
            Err(NotReady::ClockStepped)
        } else if self.space().is_some_and(|space| !space.has_room(0)) {
            Err(NotReady::DiskFull)
        } else {
            Ok(())
        }
    }

    /// Whether the log takes writes, as far as it is known without one.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.log().is_writable()
    }

    /// The room on the disk of the log, if it is on one.
    #[must_use]
    pub fn space(&self) -> Option<Space> {
        self.log().stored().space()
    }
}
