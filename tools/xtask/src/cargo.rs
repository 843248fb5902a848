//! How the automation calls cargo: the cargo that called it, in the root of the workspace.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// What cargo knows of the workspace, its own packages only.
pub(crate) fn metadata() -> Result<Metadata> {
    let locked = ["--locked".to_owned()];
    MetadataCommand::new()
        .no_deps()
        .other_options(locked)
        .exec()
        .context("`cargo metadata` does not answer")
}

/// The root of the workspace.
pub(crate) fn root() -> Result<PathBuf> {
    Ok(metadata()?.workspace_root.into_std_path_buf())
}

/// Runs cargo in the root with the caller's terminal, after saying what it runs.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Result<()> {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(root()?);
    run_command(&mut command)
}

/// Runs any command with the caller's terminal, after saying what it runs.
pub(crate) fn run_command(command: &mut Command) -> Result<()> {
    let line = describe(command);
    println!("\n$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` did not pass ({status})");
    }
    Ok(())
}

/// Whether `cargo <name>` is there, for the names that are separate components.
pub(crate) fn has(name: &str) -> bool {
    let mut command = Command::new(program());
    command.args([name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The cargo that started this program, so that a `+toolchain` carries over.
pub(crate) fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The command as a person would type it.
fn describe(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let mut line = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
