//! The program under test: built, started, killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The built programs.
pub(crate) struct Programs {
    /// As it is shipped.
    pub(crate) good: PathBuf,
    target: PathBuf,
}

impl Programs {
    /// Builds the program for release, beside this tool.
    pub(crate) fn build() -> Result<Programs> {
        let own = std::env::current_exe()?;
        let target = own.parent().and_then(Path::parent).context("no target folder")?.to_owned();
        cargo(&["build", "--release", "-p", "keyledger"], &target)?;
        Ok(Programs { good: target.join("release").join("keyledger"), target })
    }

    /// A program whose engine leaves our own sync out: one that must fail the power cut.
    pub(crate) fn flush_only(&self) -> Result<PathBuf> {
        let target = self.target.join("flush-only");
        let features = ["--features", "flush-only"];
        cargo(&[&["build", "--release", "-p", "keyledger"], &features[..]].concat(), &target)?;
        Ok(target.join("release").join("keyledger"))
    }

    /// A folder for the scenario's data, on the disk that the build is on.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::Builder::new().prefix("crash-").tempdir_in(&self.target)?)
    }
}

fn cargo(words: &[&str], target: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    let status = command.args(words).arg("--quiet").arg("--target-dir").arg(target).status()?;
    if status.success() { Ok(()) } else { bail!("cargo {} failed", words.join(" ")) }
}

/// A running service.
pub(crate) struct Service {
    child: Child,
    pub(crate) url: String,
}

impl Service {
    /// Starts it on `data` and waits until it is ready.
    pub(crate) fn start(program: &Path, data: &Path) -> Result<Service> {
        Service::start_with(program, data, &[])
    }

    pub(crate) fn start_with(
        program: &Path,
        data: &Path,
        environment: &[(&str, String)],
    ) -> Result<Service> {
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--data"])
            .arg(data)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let listen = lines.next().and_then(Result::ok).and_then(|line| {
            let listen = line.split(' ').find_map(|word| word.strip_prefix("listen="))?;
            Some(format!("http://{listen}"))
        });
        if let Some(url) = listen {
            return Ok(Service { child, url });
        }
        let output = child.wait_with_output()?;
        bail!("did not start: {}", String::from_utf8_lossy(&output.stderr).trim())
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// A token that may do everything in one account.
pub(crate) fn token(program: &Path, data: &Path) -> Result<String> {
    let words = ["token", "--account", "acme", "--subject", "ann", "--role", "owner", "--data"];
    let printed = Command::new(program).args(words).arg(data).output()?;
    let text = String::from_utf8(printed.stdout)?;
    text.lines().last().map(str::to_owned).context("no token was printed")
}

/// `keyledger fsck` on a stopped directory.
pub(crate) fn fsck(program: &Path, data: &Path) -> Result<()> {
    let output = Command::new(program).arg("fsck").arg("--data").arg(data).output()?;
    if output.status.success() {
        return Ok(());
    }
    bail!("fsck: {}", String::from_utf8_lossy(&output.stderr).trim())
}
