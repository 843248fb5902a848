//! The oldest Rust that is promised (`rust-version` in Cargo.toml).
//!
//! Three checks, each finding what the others cannot: no dependency asks for a newer one; clippy's
//! `incompatible_msrv`, which is on with every clippy run, knows since when std has what is called;
//! and that very compiler, if rustup has it here.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::MetadataCommand;

use crate::cargo;

/// Checks the dependencies, then compiles with the promised compiler if it is installed.
///
/// # Errors
///
/// A dependency needs a newer Rust, or the workspace does not compile with the promised one.
pub(crate) fn run() -> Result<()> {
    let words = ["--locked".to_owned(), "--all-features".to_owned()];
    let about = MetadataCommand::new().other_options(words).exec().context("cargo metadata")?;
    let members = about.workspace_packages();
    let promised = members.iter().find_map(|package| package.rust_version.as_ref());
    let promised = promised.context("no crate of the workspace names its rust-version")?;
    let newer = about
        .packages
        .iter()
        .filter(|package| package.rust_version.as_ref().is_some_and(|needed| needed > promised));
    let newer: Vec<String> = newer.map(|package| package.id.to_string()).collect();
    if !newer.is_empty() {
        bail!("Rust {promised} is promised, and these need a newer one: {}", newer.join(", "));
    }
    println!("no dependency needs a newer Rust than {promised}");
    let toolchain = format!("{}.{}", promised.major, promised.minor);
    if !has(&toolchain) {
        println!(
            "Rust {toolchain} is not installed here, so nothing was compiled with it: \
             `rustup toolchain install {toolchain}` and try again"
        );
        return Ok(());
    }
    let mut check = Command::new("rustup");
    check.args(["run", &toolchain, "cargo", "check", "--locked", "--workspace"]);
    let folder = about.target_directory.as_std_path().join("msrv");
    check.arg("--target-dir").arg(folder).current_dir(cargo::root()?);
    // What cargo tells its children would choose the other toolchain.
    check.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC").env_remove("CARGO");
    cargo::run_command(&mut check)
}

/// Whether rustup has that toolchain; it is not asked to fetch it.
fn has(toolchain: &str) -> bool {
    let mut rustc = Command::new("rustup");
    rustc.args(["run", toolchain, "rustc", "--version"]).env("RUSTUP_AUTO_INSTALL", "0");
    rustc.stdout(Stdio::null()).stderr(Stdio::null());
    rustc.status().is_ok_and(|status| status.success())
}
