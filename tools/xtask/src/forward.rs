//! Commands that only build another tool and hand the options on.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo;

/// Builds the service and the load generator for release and prints the table of figures.
///
/// The data are put under the target directory, not in `/tmp`, which may be a file system in
/// memory where syncing costs nothing and a figure means nothing.
pub(crate) fn bench(options: &[OsString]) -> Result<()> {
    if let Some(large) = options.iter().position(|option| option == "--large") {
        let (before, after) = options.split_at(large);
        return load("large", &[before, after.get(1..).unwrap_or_default()].concat());
    }
    cargo::run(&["build", "--locked", "--release", "-p", "keyledger", "-p", "load"])?;
    let built = cargo::metadata()?.target_directory.into_std_path_buf();
    let mut load = Command::new(built.join("release").join("load"));
    load.arg("bench").arg("--server").arg(built.join("release").join("keyledger"));
    load.arg("--under").arg(&built).args(options);
    cargo::run_command(&mut load)?;
    // What the evidence costs: the ledger with and without it, in turns. No option of the service
    // turns it off.
    cargo::run(&[
        "bench", "--locked", "-p", "ledger", "--bench", "speed", "--", "evidence", "600000",
    ])
}

/// Builds the service and the load generator for release and besieges the one with the other.
pub(crate) fn siege(options: &[OsString]) -> Result<()> {
    load("siege", options)
}

/// Builds the service and the load generator for release and imports keys from one into the other.
pub(crate) fn import(options: &[OsString]) -> Result<()> {
    load("import", options)
}

/// Builds the service and the load generator for release and loads the one with the other for long.
pub(crate) fn soak(options: &[OsString]) -> Result<()> {
    load("soak", options)
}

/// Builds the service and the load generator for release and runs a command of the second.
fn load(command: &str, options: &[OsString]) -> Result<()> {
    cargo::run(&["build", "--locked", "--release", "-p", "keyledger", "-p", "load"])?;
    let built = cargo::metadata()?.target_directory.into_std_path_buf();
    let mut load = Command::new(built.join("release").join("load"));
    load.arg(command).arg("--server").arg(built.join("release").join("keyledger"));
    load.arg("--under").arg(&built).args(options);
    cargo::run_command(&mut load)
}

/// Builds the fault tests for release and runs them.
pub(crate) fn crash(options: &[OsString]) -> Result<()> {
    let words = ["run", "--locked", "--release", "-p", "crash", "--"].map(OsString::from);
    cargo::run(&[&words, options].concat())
}

/// What the program prints of itself, and the file under `schemas` that publishes it.
const SCHEMAS: &[(&[&str], &str)] =
    &[(&["openapi"], "openapi.json"), (&["audit", "limits"], "limits.json")];

/// Writes the OpenAPI document and the table of limits as the program prints them; tests compare.
pub(crate) fn schemas() -> Result<()> {
    cargo::run(&["build", "--locked", "-p", "keyledger"])?;
    let about = cargo::metadata()?;
    let program = about.target_directory.as_std_path().join("debug").join("keyledger");
    for (command, file) in SCHEMAS {
        let words = command.join(" ");
        let printed = Command::new(&program).args(*command).output();
        let printed = printed.with_context(|| format!("keyledger {words}"))?;
        if !printed.status.success() {
            bail!("keyledger {words}: {}", String::from_utf8_lossy(&printed.stderr));
        }
        let path = about.workspace_root.as_std_path().join("schemas").join(file);
        std::fs::write(&path, printed.stdout).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
