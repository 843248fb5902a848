//! A server process: started, measured, stopped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Connection, Target};
use crate::run::real;

/// Time limit for a start, with a replay of millions of events.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Time limit for a stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// The interval between two polls; the precision of the time to ready.
const POLL: Duration = Duration::from_millis(1);

/// A running server. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) target: Target,
    /// From the start of the process to the first 200 of `/readyz`.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts `command`, which prints `listen=ADDRESS` on its first lines, and waits until it is
    /// ready. Its stderr is appended to the file `log`.
    pub(crate) async fn start(command: &mut Command, token: &str, log: &Path) -> Result<Server> {
        let name = PathBuf::from(command.get_program());
        let stderr = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", name.display()))?;
        let address = "0.0.0.0:0".parse()?;
        let target = Target { address, token: token.to_owned() };
        let mut server = Server { child, target, ready_after: Duration::ZERO };
        let Some(address) = server.address()? else {
            let stderr = std::fs::read_to_string(log)?;
            bail!("{} printed no `listen=`; its stderr: {stderr:?}", name.display());
        };
        server.target.address = address;
        let request = Target { token: String::new(), ..server.target.clone() }.get("/readyz");
        while !is_ready(&server.target, &request).await {
            if started.elapsed() > START_LIMIT || server.child.try_wait()?.is_some() {
                bail!("{} does not get ready", name.display());
            }
            tokio::time::sleep(POLL).await;
        }
        server.ready_after = started.elapsed();
        Ok(server)
    }

    /// The address on the line of stdout that has one. The rest is read too, so that the pipe does not
    /// fill up.
    fn address(&mut self) -> Result<Option<SocketAddr>> {
        let stdout = self.child.stdout.take().context("no stdout")?;
        let (found, address) = mpsc::channel();
        std::thread::spawn(move || listen_line(stdout, &found));
        let Ok(text) = address.recv_timeout(START_LIMIT) else { return Ok(None) };
        Ok(Some(text.parse().with_context(|| format!("`listen={text}` is no address"))?))
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        Ok(self.status("VmRSS:")? * 1024)
    }

    /// How many files, sockets and the like it has open.
    pub(crate) fn open_files(&self) -> Result<u64> {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid()))?;
        Ok(open.count() as u64)
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> Result<u64> {
        self.status("Threads:")
    }

    /// A number of its status in /proc.
    fn status(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.with_context(|| format!("no {name} in /proc"))?.parse()?)
    }

    /// The processor time it has used, in seconds.
    pub(crate) fn processor(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        // The name, in brackets, may hold anything; the 12th and 13th field after it are the ticks.
        let (_, fields) = stat.rsplit_once(')').context("no name in /proc")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(real(ticks) / real(rustix::param::clock_ticks_per_second()))
    }

    /// Sends SIGTERM and waits for the end. How long that took.
    ///
    /// # Errors
    ///
    /// It did not stop in time, or says that it did not stop well.
    pub(crate) async fn stop(mut self) -> Result<Duration> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let signalled = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(signalled.elapsed()),
                Some(status) => bail!("the server stopped with {status}"),
                None if signalled.elapsed() > STOP_LIMIT => {
                    bail!("the server did not stop within {} s of SIGTERM", STOP_LIMIT.as_secs())
                }
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Sends SIGKILL and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends on the address of the line `… listen=ADDRESS …` and then reads to the end.
fn listen_line(stdout: ChildStdout, found: &mpsc::Sender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix("listen="));
        if let Some(address) = word {
            // The receiver may have given up.
            drop(found.send(address.to_owned()));
        }
    }
}

async fn is_ready(target: &Target, request: &[u8]) -> bool {
    let Ok(mut connection) = Connection::open(target.address).await else { return false };
    connection.call(request).await.is_ok_and(|response| response.status() == 200)
}

/// What a directory takes on the disk, in bytes: blocks, not lengths.
pub(crate) fn allocated(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            bytes += allocated(&entry.path())?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_takes_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let before = allocated(folder.path()).unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        let file = folder.path().join("in/file");
        std::fs::write(&file, vec![7; 100_000]).unwrap();
        File::open(&file).unwrap().sync_all().unwrap();
        let grown = allocated(folder.path()).unwrap() - before;
        assert!((100_000..200_000).contains(&grown), "{grown}");
    }
}
