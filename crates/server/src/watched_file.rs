//! A file of the operator's that is read again about once a second, so that a change of it needs no
//! restart.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// The largest file that is read: 1 MiB.
const MAX_FILE: u64 = 1 << 20;
/// How often it is read.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// A read that takes longer counts as failed.
const SLOW: Duration = Duration::from_secs(10);

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system does not give it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The system does not answer.
    #[error("reading it takes too long")]
    Slow,
    /// It is longer than 1 MiB.
    #[error("it is longer than 1 MiB")]
    TooLong,
}

/// Reads a file of at most 1 MiB.
///
/// # Errors
///
/// [`FileError`]
pub fn read_file(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE { Err(FileError::TooLong) } else { Ok(bytes) }
}

/// Reads the file about once a second and has `take` look at each result, for ever. `name` is that of
/// the thread which reads.
pub async fn watch_file(
    path: PathBuf,
    name: &str,
    mut take: impl FnMut(Result<Vec<u8>, FileError>),
) {
    let (found, mut finds) = tokio::sync::mpsc::channel(1);
    // Dropped with this future, which ends the thread. It is a dedicated thread, so that a file
    // system that does not respond blocks nothing else, nor the end of the process.
    let (_stop, stopped) = std::sync::mpsc::channel::<()>();
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        while found.blocking_send(read_file(&path)).is_ok()
            && stopped.recv_timeout(READ_INTERVAL) == Err(RecvTimeoutError::Timeout)
        {}
    });
    if let Err(error) = spawned {
        tracing::error!(%error, name, "cannot start the thread that reads a file");
    }
    loop {
        match tokio::time::timeout(SLOW, finds.recv()).await {
            Ok(Some(found)) => take(found),
            Err(_) => take(Err(FileError::Slow)),
            Ok(None) => {
                take(Err(FileError::Slow));
                tokio::time::sleep(SLOW).await;
            }
        }
    }
}
