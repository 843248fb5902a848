//! Small files that are there whole or not at all, also after a power cut.
//!
//! Written aside, synced, renamed, and then the folder is synced and that folder's parent: only
//! then is the name on the disk too. This module does not know what is in the files.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// What the owner of a file, and nobody else, may do with it.
pub const OWNER_FILE: u32 = 0o600;
/// The same for a folder.
pub const OWNER_FOLDER: u32 = 0o700;

/// What the name of a file that is being written ends with.
const ASIDE: &str = ".aside";

/// Writes a file that must not exist yet. Its owner alone may read it, whatever the umask.
///
/// On return it is on stable storage under its name.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] if there is one, which is left as it is; after another error
/// there is no file of this name, or there is the whole of it.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    replace(path, bytes)
}

/// Writes a file, in the place of one that may exist. Its owner alone may read it, whatever the
/// umask and whatever the permissions of the one before.
///
/// On return it is on stable storage under its name.
///
/// # Errors
///
/// The file is the old one or the new one, whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = aside(path)?;
    // One from a crash may have other permissions.
    remove_if_there(&aside)?;
    let mut file = create_new(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(&aside, path)
}

/// Makes a file to write, for its owner alone, whatever the umask. What is there already is not
/// taken over, and no link is followed.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] if there is anything of this name, which is left as it is.
pub fn create_new(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(OWNER_FILE).open(path)?;
    // A umask may have taken rights from the owner too.
    file.set_permissions(Permissions::from_mode(OWNER_FILE))?;
    Ok(file)
}

/// Gives a file that was written and synced its name, in the same folder.
///
/// On return the name is on stable storage.
///
/// # Errors
///
/// Either name may be the file's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to)
}

/// Makes a folder and those above it that are missing, for their owner alone, and syncs each and
/// the folder that holds it.
///
/// # Errors
///
/// Some of the folders may have been made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = folder_of(path);
            if above != path && !above.try_exists()? {
                make_folder(&above)?;
            }
            DirBuilder::new().mode(OWNER_FOLDER).create(path)?;
            fs::set_permissions(path, Permissions::from_mode(OWNER_FOLDER))?;
        }
        Err(error) => return Err(error),
    }
    File::open(path)?.sync_all()?;
    sync_folder(path)
}

/// Takes from everybody but its owner what they may do with a file or folder.
///
/// # Errors
///
/// It is as it was; [`io::ErrorKind::PermissionDenied`] if it belongs to somebody else.
pub fn tighten(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let mode = found.mode() & 0o7777;
    // What a link points to is another's; a link itself has no permissions.
    let owners = mode & 0o7700;
    if found.is_symlink() || mode == owners {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(owners))
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

/// The folder that a path is in.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.into(),
        Some(_) => ".".into(),
        None => path.into(),
    }
}
