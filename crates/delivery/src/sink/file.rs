//! A sink that is a file: appended to, synced, and opened anew when it was rotated away.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::outcome::{Outcome, OutcomeKind};
use crate::worker::Message;

/// The file of a sink.
pub struct FileSink {
    path: PathBuf,
    file: Option<File>,
}

impl FileSink {
    pub(super) fn new(path: PathBuf) -> FileSink {
        FileSink { path, file: None }
    }

    /// Appends a line for each message. They are on stable storage when that went well.
    pub(super) async fn append(&mut self, messages: &[Message]) -> Outcome {
        let mut text = Vec::new();
        for message in messages {
            text.extend_from_slice(&message.body);
            text.push(b'\n');
        }
        let (path, file) = (self.path.clone(), self.file.take());
        let written = tokio::task::spawn_blocking(move || append(&path, file, &text)).await;
        match written {
            Ok(Ok(file)) => {
                self.file = Some(file);
                OutcomeKind::Delivered.into()
            }
            Ok(Err(_)) | Err(_) => OutcomeKind::Unwritable.into(),
        }
    }
}

/// Appends to the file of this name, which may be another one than the last time.
fn append(path: &Path, file: Option<File>, text: &[u8]) -> io::Result<File> {
    let mut file = match file {
        Some(file) if is_at(path, &file)? => file,
        Some(_) | None => open(path)?,
    };
    file.write_all(text)?;
    file.sync_data()?;
    Ok(file)
}

/// Whether the name still is that of the open file.
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let open = file.metadata()?;
    match path.metadata() {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens the file, or makes it. A line that a crash cut short is ended.
fn open(path: &Path) -> io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_rotated_away_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("audit"), folder.path().join("audit.1"));
        let file = append(&path, None, b"one\n").unwrap();
        let file = append(&path, Some(file), b"two\n").unwrap();
        std::fs::rename(&path, &old).unwrap();
        let file = append(&path, Some(file), b"three\n").unwrap();
        std::fs::remove_file(&path).unwrap();
        append(&path, Some(file), b"four\n").unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(append(&folder.path().join("none/audit"), None, b"x\n").is_err());
    }

    #[test]
    fn a_line_that_was_cut_short_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        std::fs::write(&path, "one\nha").unwrap();
        append(&path, None, b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nha\ntwo\n");
    }
}
