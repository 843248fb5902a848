//! The API documents, as programs read them that other people wrote.
//!
//! What reads them is installed under the target directory, in the versions that
//! `tools/xtask/openapi` names, and only when those change: a second run needs no network. The rule
//! sets are there too, with a reason for each exception.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{cargo, tools};

/// The native document is the first.
const DIALECTS: &[&str] = &["native", "covosign", "callcov", "cloudsigma", "capgo", "composable"];

/// Prints each document and has it read by all of them.
///
/// # Errors
///
/// One finds an error, or could not be installed.
pub(crate) fn run() -> Result<()> {
    tools::install()?;
    let about = cargo::metadata()?;
    let rules = about.workspace_root.as_std_path().join("tools/xtask/openapi");
    let folder = about.target_directory.as_std_path().join("openapi");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let readers = Readers { python: python(&rules, &folder)?, node: node(&rules, &folder)?, rules };
    cargo::run(&["build", "--locked", "-p", "keyledger"])?;
    let program = about.target_directory.as_std_path().join("debug").join("keyledger");
    let mut documents = Vec::new();
    for dialect in DIALECTS {
        let printed = Command::new(&program).args(["openapi", "--dialect", dialect]).output();
        let printed = printed.context("keyledger openapi")?;
        if !printed.status.success() {
            bail!("keyledger openapi: {}", String::from_utf8_lossy(&printed.stderr));
        }
        let path = folder.join(format!("{dialect}.json"));
        fs::write(&path, printed.stdout).with_context(|| path.display().to_string())?;
        documents.push(path);
    }
    readers.read(&documents)
}

/// The programs, and where their rules are.
struct Readers {
    /// The folder of Python's programs.
    python: PathBuf,
    /// That of Node's.
    node: PathBuf,
    rules: PathBuf,
}

impl Readers {
    fn read(&self, documents: &[PathBuf]) -> Result<()> {
        let mut validator = Command::new(self.python.join("openapi-spec-validator"));
        cargo::run_command(validator.args(documents))?;
        let mut redocly = Command::new(self.node.join("redocly"));
        // It sends nothing about its use, and looks for no newer one.
        redocly.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        redocly.arg("lint").arg("--config").arg(self.rules.join("redocly.yaml")).args(documents);
        cargo::run_command(&mut redocly)?;
        let mut spectral = Command::new(self.node.join("spectral"));
        spectral.args(["lint", "--fail-severity", "warn", "--ruleset"]);
        cargo::run_command(spectral.arg(self.rules.join("spectral.yaml")).args(documents))
    }
}

/// Installs what `requirements.txt` names, and gives the folder of its programs.
fn python(rules: &Path, folder: &Path) -> Result<PathBuf> {
    let (wanted, home) = (rules.join("requirements.txt"), folder.join("python"));
    installed(&wanted, &home, |home| {
        let mut venv = Command::new("python3");
        cargo::run_command(venv.args(["-m", "venv", "--clear"]).arg(home))?;
        let mut pip = Command::new(home.join("bin").join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input"]);
        cargo::run_command(pip.args(["--disable-pip-version-check", "-r"]).arg(&wanted))
    })?;
    Ok(home.join("bin"))
}

/// Installs what `package-lock.json` names, and gives the folder of its programs.
fn node(rules: &Path, folder: &Path) -> Result<PathBuf> {
    let (wanted, home) = (rules.join("package-lock.json"), folder.join("node"));
    installed(&wanted, &home, |home| {
        fs::create_dir_all(home)?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(rules.join(name), home.join(name)).with_context(|| name.to_owned())?;
        }
        let mut npm = Command::new("npm");
        // No program of a package runs on the way.
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(home);
        cargo::run_command(&mut npm)
    })?;
    Ok(home.join("node_modules").join(".bin"))
}

/// Runs `install` unless that was done for this very `wanted`.
fn installed(wanted: &Path, home: &Path, install: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let text = fs::read_to_string(wanted).with_context(|| wanted.display().to_string())?;
    let stamp = home.join("installed-for");
    if fs::read_to_string(&stamp).is_ok_and(|before| before == text) {
        return Ok(());
    }
    install(home).with_context(|| {
        let name = wanted.display();
        format!(
            "what {name} names cannot be installed; the registry must be in reach for that once"
        )
    })?;
    fs::write(&stamp, text).with_context(|| stamp.display().to_string())
}
