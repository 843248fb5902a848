//! How a command ends, and the exit code of each end.

use std::io;
use std::process::ExitCode;

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did its work.
    Fine,
    /// The request was refused, or the command found something bad.
    Bad,
    /// The command line is wrong.
    Misuse,
    /// The server cannot be reached.
    Unreachable,
    /// A check found something that has an exit code of its own (`bundle::Refused::exit_code`).
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

/// An error with an exit code of its own; every other error ends the command as [`Exit::Bad`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line, or a file it names, is wrong.
    #[error("{0}")]
    Misuse(String),
    /// The server cannot be reached.
    #[error("{0}")]
    Unreachable(String),
}

/// A [`Failure::Misuse`]; the sentence says what to do instead.
pub(crate) fn misuse(sentence: impl Into<String>) -> anyhow::Error {
    Failure::Misuse(sentence.into()).into()
}

/// The end of a command that failed with `error`.
pub(crate) fn of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Misuse(_)) => Exit::Misuse,
        Some(Failure::Unreachable(_)) => Exit::Unreachable,
        None => Exit::Bad,
    }
}

/// Whether stdout is a pipe whose reader is gone, as after `keyledger events | head`.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
