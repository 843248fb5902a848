//! Who may look into a data directory: its owner.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::tempdir;

use super::{append, files_of, numbered, open};
use crate::{
    Log, files,
    sled::{OpenError, Options, SledLog},
};

/// What in and below a folder others may read, write or enter.
fn open_to_others(dir: &Path) -> Vec<String> {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let all = files_of(dir).into_keys().chain([dir.to_path_buf()]);
    let open = all.filter(|path| mode(path) & 0o077 != 0);
    open.map(|path| format!("{} {:o}", path.display(), mode(&path))).collect()
}

#[test]
fn a_data_directory_is_its_owners_alone() {
    let parent = tempdir().unwrap();
    let dir = parent.path().join("deep/data");
    let log = open(&dir);
    append(&log, &numbered(0, 50));
    log.close().unwrap();
    drop(log);
    let none: &[String] = &[];
    assert_eq!(open_to_others(&dir), none);
    assert_eq!(open_to_others(&parent.path().join("deep")), none);
    // As an earlier version left it, or a copy.
    for path in files_of(&dir).keys().chain([&dir]) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    assert!(!open_to_others(&dir).is_empty());
    let log = open(&dir);
    assert_eq!(open_to_others(&dir), none);
    log.close().unwrap();
}

#[test]
fn a_file_is_its_owners_alone_whatever_was_there() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    files::replace(&path, b"new").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // What a link points to is not ours to change.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("/", &link).unwrap();
    files::tighten(&link).unwrap();
}

/// A guard that cannot be written later would leave a log without one, half made.
#[test]
fn a_guard_without_a_folder_changes_nothing() {
    let parent = tempdir().unwrap();
    fs::create_dir(parent.path().join("a-folder")).unwrap();
    let before = files_of(parent.path());
    for guard in ["missing/guard", "a-folder"] {
        let mut options = Options::new(parent.path().join("data"));
        options.guard = Some(parent.path().join(guard));
        let error = SledLog::open(&options).unwrap_err();
        assert!(matches!(error, OpenError::GuardFolder { .. }), "{error}");
        assert_eq!(files_of(parent.path()), before);
    }
}
