//! The program under test: built, started, killed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::api::Api;

/// Time limit for a start and for a stop.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The built programs.
pub(crate) struct Programs {
    /// The program as it is shipped.
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

    /// A program whose engine leaves our own sync out, and which must fail. It is built in a folder of
    /// its own, so that it is not taken for the other one.
    pub(crate) fn flush_only(&self) -> Result<PathBuf> {
        let target = self.target.join("flush-only");
        // A quick build: it only has to run.
        let quick = ["lto=\"off\"", "debug=false", "opt-level=1", "codegen-units=16"];
        let quick = quick.map(|setting| format!("profile.release.{setting}"));
        let mut words = vec!["build", "--release", "-p", "keyledger", "--features", "flush-only"];
        words.extend(quick.iter().flat_map(|setting| ["--config", setting.as_str()]));
        cargo(&words, &target)?;
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
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(words);
    let status = command.arg("--quiet").arg("--target-dir").arg(target).status()?;
    ensure!(status.success(), "`cargo {}` did not pass ({status})", words.join(" "));
    Ok(())
}

/// A running service. It is killed when this is dropped.
pub(crate) struct Service {
    child: Child,
    /// The process of the service itself, when it is ready.
    pid: Option<Pid>,
    url: String,
    token: String,
    stderr: Option<JoinHandle<String>>,
}

impl Service {
    /// Starts `program` on `data` and waits until it is ready.
    ///
    /// # Errors
    ///
    /// The service ended before; the error is its stderr.
    pub(crate) fn start(program: &Path, data: &Path) -> Result<Service> {
        let mut service = Service::spawn(Command::new(program), data)?;
        service.ready(program, data)?;
        Ok(service)
    }

    /// Starts `command`, which may have a program in front and an environment of its own. It is
    /// not ready yet.
    pub(crate) fn spawn(mut command: Command, data: &Path) -> Result<Service> {
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--data"]);
        command.arg(data).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("the service cannot be started")?;
        let mut pipe = child.stderr.take().context("no stderr")?;
        let stderr = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read before an error counts, too.
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let (url, token) = (String::new(), String::new());
        Ok(Service { child, pid: None, url, token, stderr: Some(stderr) })
    }

    /// Waits until it is ready, and gets a token from `program`.
    pub(crate) fn ready(&mut self, program: &Path, data: &Path) -> Result<()> {
        let stdout = self.child.stdout.take().context("no stdout")?;
        let (found, ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let word = |name| line.split(' ').find_map(|word| word.strip_prefix(name));
                if let (Some(listen), Some(pid)) = (word("listen="), word("pid=")) {
                    // The receiver may have given up.
                    let _ = found.send((format!("http://{listen}"), pid.to_owned()));
                }
            }
        });
        match ready.recv_timeout(TIMEOUT) {
            Ok((url, pid)) => {
                self.url = url;
                self.pid = Pid::from_raw(pid.parse()?);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("it is not ready after {TIMEOUT:?}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = self.child.wait()?;
                let stderr = self.stderr.take().context("it was waited for before")?;
                let stderr = stderr.join().ok().context("the reader of stderr panicked")?;
                let stderr = stderr.trim();
                ensure!(status.code().is_some(), "it ended by a signal ({status}): {stderr}");
                bail!("{stderr}");
            }
        }
        self.token = token(program, data)?;
        Ok(())
    }

    /// A new client of it.
    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url, &self.token)
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let end = Instant::now() + TIMEOUT;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            pause(Duration::from_millis(5));
        }
        bail!("it has not stopped after {TIMEOUT:?}")
    }

    /// To the service itself; a tracer in front of it ends with it.
    fn signal(&mut self, signal: Signal) -> Result<()> {
        // The number of a process that has ended may belong to another one.
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        match kill_process(self.pid.unwrap_or(Pid::from_child(&self.child)), signal) {
            // It was killed in a call, and the tracer has still to end after it.
            Err(Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Sleeps. (`thread::sleep` is not allowed anywhere.)
pub(crate) fn pause(time: Duration) {
    let (_open, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(time);
}

/// A token that may do everything in one account.
fn token(program: &Path, data: &Path) -> Result<String> {
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
