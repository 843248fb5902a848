//! What is where in a data directory, which guard belongs to it, and how a log in it is opened.

use std::path::{Path, PathBuf};

use eventlog::sled::{OpenError, Options, SledLog};

use crate::print;

/// How [`crate::exit::Exit::Bad`] ends a process.
const BAD: i32 = 1;

/// The folder of the access journal in the data directory.
const ACCESS: &str = "access";

/// The log of keys. `guard` is its guard file, if it is elsewhere.
pub(crate) fn log(data: &Path, guard: Option<&Path>) -> Options {
    Options { guard: guard.map(Path::to_owned), ..Options::new(data) }
}

/// The journal of who reads it. Its guard is beside the log's: `<guard>.access`.
pub(crate) fn journal(data: &Path, guard: Option<&Path>) -> Options {
    let guard = guard.map(|guard| {
        let mut beside = guard.as_os_str().to_owned();
        beside.push(".");
        beside.push(ACCESS);
        PathBuf::from(beside)
    });
    Options { guard, ..Options::new(data.join(ACCESS)) }
}

/// Opens a log.
///
/// sled panics on some damage that it meets while it opens. That is a refusal like any other: one
/// sentence that says what to do, and the exit code of what was found bad.
pub(crate) fn open(options: &Options) -> Result<SledLog, OpenError> {
    let dir = options.dir.display().to_string();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload();
        let said =
            said.downcast_ref::<String>().map(String::as_str).or(said.downcast_ref().copied());
        let said = said.and_then(|said| said.lines().next()).unwrap_or("it does not say why");
        print::error(format_args!(
            "the log in `{dir}` is damaged, and the storage engine gave up: {said}; \
             restore the directory from a backup"
        ));
        std::process::exit(BAD);
    }));
    let opened = SledLog::open(options);
    std::panic::set_hook(before);
    opened
}
