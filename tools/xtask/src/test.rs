//! What must pass before a change lands. The README names it and CI runs it.

use std::ffi::OsString;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{cargo, deny, documents, forward, msrv, tidy, tools};

/// One thing that must pass.
enum Step {
    /// A cargo command line.
    Cargo(&'static [&'static str]),
    /// The rules of the house.
    Tidy,
    /// What the dependencies may be.
    Deny,
    /// The oldest Rust that is promised.
    Msrv,
    /// The documentation, that of private items too: no dead link.
    Docs,
    /// The siege, in its short form.
    Siege,
    /// An import, in its short form.
    Import,
    /// The API documents, as other people's programs read them.
    Documents,
}

/// In this order, cheapest first; the first that fails ends the run.
///
/// The tests include those in the documentation and every file of the fuzz targets' corpus; the
/// benches are called once each, so that they stay true.
const STEPS: &[Step] = &[
    Step::Cargo(&["fmt", "--all", "--check"]),
    Step::Tidy,
    Step::Cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    Step::Docs,
    Step::Deny,
    Step::Msrv,
    Step::Documents,
    Step::Cargo(&["test", "--locked", "--workspace"]),
    Step::Cargo(&["test", "--locked", "--workspace", "--bench", "*"]),
    Step::Cargo(&["run", "--locked", "--release", "-p", "crash", "--", "--short"]),
    Step::Import,
    Step::Siege,
];

/// Runs every step.
pub(crate) fn run() -> Result<()> {
    let started = Instant::now();
    components()?;
    tools::install()?;
    for step in STEPS {
        match step {
            Step::Cargo(arguments) => cargo::run(arguments)?,
            Step::Tidy => {
                println!("\n$ cargo xtask tidy");
                tidy::run()?;
            }
            Step::Deny => {
                println!("\n$ cargo xtask deny");
                deny::run()?;
            }
            Step::Msrv => {
                println!("\n$ cargo xtask msrv");
                msrv::run()?;
            }
            Step::Docs => docs()?,
            Step::Siege => {
                println!("\n$ cargo xtask siege --short");
                forward::siege(&["--short", "--duration", "2s"].map(OsString::from))?;
            }
            Step::Import => {
                println!("\n$ cargo xtask import --short");
                forward::import(&["--short"].map(OsString::from))?;
            }
            Step::Documents => documents::run()?,
        }
    }
    println!("\nall passed in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Makes the documentation of our own crates; a warning fails.
fn docs() -> Result<()> {
    let mut doc = Command::new(cargo::program());
    doc.args(["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"]);
    doc.env("RUSTDOCFLAGS", "-D warnings").current_dir(cargo::root()?);
    cargo::run_command(&mut doc)
}

/// Sees to it that rustfmt and clippy are there: a minimal toolchain comes without them.
fn components() -> Result<()> {
    let missing: Vec<&str> =
        ["fmt", "clippy"].into_iter().filter(|name| !cargo::has(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("this toolchain lacks `cargo {}`", missing.join("` and `cargo "));
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", "rustfmt", "clippy"]);
    cargo::run_command(&mut rustup).context(
        "install the components rustfmt and clippy of your Rust toolchain, then try again",
    )?;
    if let Some(name) = missing.into_iter().find(|name| !cargo::has(name)) {
        bail!("`cargo {name}` is still missing; install it for the toolchain that cargo uses here");
    }
    Ok(())
}
