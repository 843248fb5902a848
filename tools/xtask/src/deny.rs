//! What the dependencies may be: `deny.toml`, checked by cargo-deny.
//!
//! cargo-deny is installed under the target directory, in the version below, if it is not there.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::cargo;

/// The version that reads `deny.toml`.
const VERSION: &str = "0.20.2";

/// Checks licenses, duplicates, sources and, if their database can be had, advisories.
///
/// # Errors
///
/// A dependency breaks a rule, or cargo-deny could not be installed.
pub(crate) fn run() -> Result<()> {
    let program = installed()?;
    let deny = |words: &[&str]| -> Result<Command> {
        let mut command = Command::new(&program);
        command.args(["--locked", "--log-level", "error"]).args(words).current_dir(cargo::root()?);
        Ok(command)
    };
    cargo::run_command(&mut deny(&["check", "bans", "licenses", "sources"])?)?;
    // The database is a git repository on the network. Without it nothing is known against the
    // dependencies, which is no reason to fail.
    let mut fetch = deny(&["fetch", "db"])?;
    fetch.stdout(Stdio::null()).stderr(Stdio::null());
    if fetch.status().is_ok_and(|status| status.success()) {
        return cargo::run_command(&mut deny(&["check", "--disable-fetch", "advisories"])?);
    }
    println!("advisories were NOT checked: their database (RustSec) cannot be reached from here");
    Ok(())
}

/// The program, after it was installed if need be.
fn installed() -> Result<PathBuf> {
    let home = cargo::metadata()?.target_directory.into_std_path_buf().join("cargo-deny");
    let program = home.join("bin").join("cargo-deny");
    if is_right(&program) {
        return Ok(program);
    }
    let mut install = Command::new(cargo::program());
    // Not optimized and with no feature on: it is built once and runs for seconds.
    install.args([
        "install",
        "cargo-deny",
        "--locked",
        "--no-default-features",
        "--debug",
        "--version",
    ]);
    install.arg(VERSION).arg("--root").arg(&home);
    cargo::run_command(&mut install)
        .context("cargo-deny cannot be installed; the registry must be in reach for that once")?;
    Ok(program)
}

/// Whether it is there in the version that is wanted.
fn is_right(program: &PathBuf) -> bool {
    let answer = Command::new(program).arg("--version").stderr(Stdio::null()).output();
    answer.is_ok_and(|answer| {
        String::from_utf8_lossy(&answer.stdout).trim_end().ends_with(&format!(" {VERSION}"))
    })
}
