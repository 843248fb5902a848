//! How the values of these options are written.

/// Reads how many of something there may be: at least one.
pub(super) fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("must be a number from 1 up")
}
