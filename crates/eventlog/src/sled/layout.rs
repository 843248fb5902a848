//! The names of the files in a data directory.

/// The file that says what a data directory is.
pub(super) const FORMAT: &str = "FORMAT";

/// sled's folder.
pub(super) const LOG: &str = "log";

/// The file in sled's folder that holds everything.
pub(super) const DB: &str = "db";

/// The guard, unless its place is given by an option.
pub(super) const GUARD: &str = "guard";

/// The ballast.
pub(super) const BALLAST: &str = "ballast";
