//! How a command ends, and the number that a script sees.

use std::io;
use std::process::ExitCode;

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was asked.
    Fine,
    /// It was refused, or found something bad.
    Bad,
    /// It was asked wrongly.
    Misuse,
    /// It did not reach the server.
    Unreachable,
    /// A check found what has a number of its own (`bundle::Refused::exit_code`).
    Found(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        match exit {
            Exit::Fine => ExitCode::SUCCESS,
            Exit::Bad => ExitCode::from(1),
            Exit::Misuse => ExitCode::from(2),
            Exit::Unreachable => ExitCode::from(3),
            Exit::Found(code) => ExitCode::from(code),
        }
    }
}

/// An error that knows how the command ends; every other one ends it as [`Exit::Bad`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Asked wrongly.
    #[error("{0}")]
    Misuse(String),
    /// Not reached.
    #[error("{0}")]
    Unreachable(String),
}

/// A misuse, with the sentence that says what to do instead.
pub(crate) fn misuse(sentence: impl Into<String>) -> anyhow::Error {
    Failure::Misuse(sentence.into()).into()
}

/// How a command ends that failed with `error`.
pub(crate) fn of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Misuse(_)) => Exit::Misuse,
        Some(Failure::Unreachable(_)) => Exit::Unreachable,
        None => Exit::Bad,
    }
}

/// Whether nobody reads what is printed any more, as after `keyledger events | head`.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
