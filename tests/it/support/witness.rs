//! Witnesses: the built program, started, killed, started again.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::program::{collect, keyledger, wait};

/// A running witness of our own. It is killed when this is dropped.
pub(crate) struct Witness {
    child: Option<Child>,
    address: SocketAddr,
    /// Its verifier key.
    pub(crate) key: String,
    folder: Arc<TempDir>,
    options: Vec<String>,
    log: Option<JoinHandle<String>>,
}

impl Witness {
    /// One of this name, on an empty folder, for the logs with these keys.
    pub(crate) fn start(name: &str, logs: &[&str]) -> Witness {
        let mut options = vec!["--name".to_owned(), name.to_owned()];
        for log in logs {
            options.extend(["--log".to_owned(), (*log).to_owned()]);
        }
        Witness::on(Arc::new(tempfile::tempdir().unwrap()), options, "127.0.0.1:0")
    }

    fn on(folder: Arc<TempDir>, options: Vec<String>, listen: &str) -> Witness {
        let mut program = keyledger(&["witness", "--listen", listen, "--log-level", "warn"]);
        for option in &options {
            program = program.argument(option);
        }
        let mut child = program.data(&folder.path().join("witness")).spawn();
        let log = collect(child.stderr.take().unwrap());
        let mut ready = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        let word = |name: &str| {
            let found = ready.split_whitespace().find_map(|word| word.strip_prefix(name));
            found.map(str::to_owned)
        };
        let Some((address, key)) = word("listen=").zip(word("key=")) else {
            let _ = child.kill();
            panic!("it does not start: {}", log.join().unwrap());
        };
        let (address, log) = (address.parse().unwrap(), Some(log));
        Witness { child: Some(child), address, key, folder, options, log }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `serve --witness` takes.
    pub(crate) fn spec(&self) -> String {
        format!("http://{}+{}", self.address, self.key)
    }

    /// Its folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("witness")
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> StoppedWitness {
        self.signal(Signal::KILL);
        wait(self.child.take().unwrap());
        self.stopped()
    }

    /// Stops it as a service manager does; it must end well.
    pub(crate) fn stop(mut self) -> StoppedWitness {
        self.signal(Signal::TERM);
        assert_eq!(wait(self.child.take().unwrap()), Some(0));
        self.stopped()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    fn stopped(&self) -> StoppedWitness {
        let (folder, options) = (Arc::clone(&self.folder), self.options.clone());
        StoppedWitness { folder, options, address: self.address }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking()
                && let Some(log) = self.log.take()
            {
                eprintln!("the log of the witness: {}", log.join().unwrap());
            }
        }
    }
}

/// A witness that is away.
pub(crate) struct StoppedWitness {
    folder: Arc<TempDir>,
    options: Vec<String>,
    address: SocketAddr,
}

impl StoppedWitness {
    /// The path of its folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("witness")
    }

    /// Starts it where it was.
    pub(crate) fn start(self) -> Witness {
        let address = self.address.to_string();
        Witness::on(self.folder, self.options, &address)
    }

    /// Starts it where it was, with one more log.
    pub(crate) fn with_log(mut self, key: &str) -> Witness {
        self.options.extend(["--log".to_owned(), key.to_owned()]);
        self.start()
    }
}
