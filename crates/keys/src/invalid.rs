//! Why a value was not accepted.

/// Why a value was not accepted: what it has to be, without the value itself.
///
/// A value does not know in which field it came; who reads the field adds its name. The text is a
/// sentence without its subject (`must be a UUID`).
///
/// ```
/// use keys::{Invalid, KeyName};
///
/// let error = KeyName::new("").unwrap_err();
/// assert_eq!(error, Invalid::Length { least: 1, most: 200 });
/// assert_eq!(error.to_string(), "must be between 1 and 200 characters");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It has more characters than it may have.
    #[error("must be at most {most} characters")]
    TooLong {
        /// The most characters.
        most: usize,
    },
    /// It has too few or too many characters.
    #[error("must be between {least} and {most} characters")]
    Length {
        /// The fewest characters.
        least: usize,
        /// The most characters.
        most: usize,
    },
    /// It consists of white space.
    #[error("must not be blank")]
    Blank,
    /// It has a control character.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// It has a character that is invisible, or that turns the direction of the text.
    #[error(
        "must not contain characters that are not seen or turn direction, such as U+{:04X}",
        u32::from(*.0)
    )]
    HiddenCharacter(char),
    /// It has a character that a slug does not have.
    #[error("must consist of letters, digits, '-', '_', '.' and ':'")]
    NotASlug,
    /// It is no pseudonym.
    #[error("must be 32 lower-case hex digits")]
    NotAPseudonym,
    /// It is how those are written who were erased.
    #[error("must not begin with `erased:`")]
    Erased,
    /// It holds a secret key.
    #[error("must not contain an API key")]
    ContainsKey,
    /// It stands for all accounts where one is needed.
    #[error("must name one account")]
    AllAccounts,
    /// It is none of the words of a closed set.
    #[error("must be one of: {}", .0.join(" "))]
    UnknownWord(&'static [&'static str]),
    /// It does not have the form that it must have.
    #[error("must be {expected}")]
    Malformed {
        /// What it must be, with an article or an example.
        expected: &'static str,
    },
    /// It is a number outside of its bounds.
    #[error("must be between {least} and {most}{unit}")]
    OutOfRange {
        /// The least that is accepted.
        least: u64,
        /// The most that is accepted.
        most: u64,
        /// What is counted, with a space before it; empty for a plain number.
        unit: &'static str,
    },
    /// There is too much of it.
    #[error("must be at most {most} {of}")]
    TooMany {
        /// The most that is accepted.
        most: usize,
        /// What is counted.
        of: &'static str,
    },
    /// A pair has an empty name.
    #[error("must not have an empty name")]
    EmptyName,
}
