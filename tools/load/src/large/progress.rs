//! What is being done, on stderr.

/// Prints what is being done.
pub(super) fn progress(what: &str) {
    eprintln!("large: {what}");
}
