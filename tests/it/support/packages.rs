//! Programs of other people that a test needs: installed under the target directory, once, in the version
//! that is named. The registry must be in reach for that the first time; without it the test fails.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of an environment that has `requirement`, from `PyPI`.
pub(crate) fn python_with(requirement: &str) -> PathBuf {
    let home = installed("python", requirement, |home| {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home));
        let mut pip = Command::new(home.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        run(pip.arg(requirement));
    });
    home.join("bin/python")
}

/// A folder in which Node finds `package` (npm).
pub(crate) fn node_with(package: &str) -> PathBuf {
    installed("node", package, |home| {
        std::fs::create_dir_all(home).unwrap();
        std::fs::write(home.join("package.json"), r#"{"private":true,"type":"module"}"#).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", package]);
        run(npm.current_dir(home));
    })
}

/// The folder of what is installed, or was before: two processes do not do it at once.
fn installed(kind: &str, what: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(target).unwrap();
    let name: String =
        what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let home = target.join(format!("{kind}-{name}"));
    let lock = std::fs::File::create(target.join(format!("{kind}-{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let stamp = home.join("installed");
    if !stamp.exists() {
        install(&home);
        std::fs::write(stamp, what).unwrap();
    }
    home
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} (it needs its registry once): {err}");
}
