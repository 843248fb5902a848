//! Small files that are there whole or not at all, also after a power cut.
//!
//! Written aside, synced, renamed, and then the folder is synced and that folder's parent: only
//! then is the name on the disk too. This module does not know what is in the files.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What the name of a file that is being written ends with.
const ASIDE: &str = ".aside";

/// Writes a file that must not exist yet; `mode` is its permissions, as in `0o600`.
///
/// On return it is on stable storage under its name.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] if there is one, which is left as it is; after another error
/// there is no file of this name, or there is the whole of it.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    if path.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    replace(path, bytes, mode)
}

/// Writes a file, in the place of one that may exist.
///
/// On return it is on stable storage under its name.
///
/// # Errors
///
/// The file is the old one or the new one, whole.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let aside = aside(path)?;
    // One from a crash may have other permissions.
    remove_if_there(&aside)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    sync_folder(path)
}

/// Makes a folder and those above it, and syncs it and its parent.
///
/// # Errors
///
/// Some of the folders may have been made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    File::open(path)?.sync_all()?;
    sync_folder(path)
}

/// Removes a file if there is one, and does not mind if there is none.
///
/// # Errors
///
/// The file is still there.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Whether this is the name of a file that was being written when a crash came.
#[must_use]
pub fn is_aside(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(ASIDE)
}

fn aside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut aside = OsString::from(".");
    aside.push(name);
    aside.push(ASIDE);
    Ok(path.with_file_name(aside))
}

/// Syncs the folder that holds `path`, and the parent of that folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    File::open(&folder)?.sync_all()?;
    match File::open(folder_of(&fs::canonicalize(&folder)?)) {
        // A folder above that we may pass but not read was not made by us.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        parent => parent?.sync_all(),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.into(),
        Some(_) => ".".into(),
        None => path.into(),
    }
}
