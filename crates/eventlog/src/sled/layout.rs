//! The names of the files in a data directory.

/// The file with the format version of a data directory.
pub(super) const FORMAT: &str = "FORMAT";

/// sled's folder.
pub(super) const LOG: &str = "log";

/// sled's only data file, in its folder.
pub(super) const DB: &str = "db";

/// The guard, unless its place is given by an option.
pub(super) const GUARD: &str = "guard";

/// The ballast.
pub(super) const BALLAST: &str = "ballast";
