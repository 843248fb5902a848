//! A served data directory: started, called, stopped, killed, started again.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;

use super::client::Client;
use super::deadline::DEADLINE;
use super::program::{Program, collect, keyledger, keyledger_after, wait};

/// A running service of our own. It is killed when this is dropped.
pub(crate) struct Service {
    child: Option<Child>,
    address: SocketAddr,
    folder: Arc<TempDir>,
    options: Vec<String>,
    /// Its first line.
    pub(crate) ready: String,
    log: Option<JoinHandle<String>>,
}

impl Service {
    /// On an empty directory.
    pub(crate) fn start() -> Service {
        Service::with(&[])
    }

    /// On an empty directory, with options.
    pub(crate) fn with(options: &[&str]) -> Service {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Service::on(Arc::new(tempfile::tempdir().unwrap()), options)
    }

    /// On an empty directory, on a disk that can be made to fail.
    pub(crate) fn on_a_weak_disk() -> Service {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        // Past a limit on the size of files writes are refused, and the signal that would end the
        // process is ignored.
        Service::run(keyledger_after("trap '' XFSZ", &["serve"]), folder, Vec::new())
    }

    /// On an empty directory, with that umask.
    pub(crate) fn under_umask(umask: &str) -> Service {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Service::run(keyledger_after(&format!("umask {umask}"), &["serve"]), folder, Vec::new())
    }

    /// On an empty directory, as another user if one is named.
    pub(crate) fn of_user(user: Option<u32>) -> Service {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        std::os::unix::fs::chown(folder.path(), user, None).unwrap();
        Service::run(keyledger(&["serve"]).user(user), folder, Vec::new())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// From now on its disk takes nothing more.
    pub(crate) fn fail_its_disk(&self) {
        let limit = Rlimit { current: Some(0), maximum: None };
        let pid = Pid::from_child(self.child.as_ref().unwrap());
        prlimit(Some(pid), Resource::Fsize, limit).unwrap();
    }

    fn on(folder: Arc<TempDir>, options: Vec<String>) -> Service {
        Service::run(keyledger(&["serve"]), folder, options)
    }

    fn run(program: Program, folder: Arc<TempDir>, options: Vec<String>) -> Service {
        let mut program = program
            .env("KEYLEDGER_LISTEN", "127.0.0.1:0")
            .env("KEYLEDGER_NODE", "node-1")
            .data(&folder.path().join("data"))
            .env("KEYLEDGER_LOG_LEVEL", "warn");
        for option in &options {
            program = program.argument(option);
        }
        let mut child = program.spawn();
        let log = collect(child.stderr.take().unwrap());
        let stdout = child.stdout.take().unwrap();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            // To the end, lest the pipe fills.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let Ok(ready) = receiver.recv_timeout(DEADLINE) else {
            let _ = child.kill();
            panic!("it does not start: {}", log.join().unwrap());
        };
        let address = word(&ready, "listen=").parse().unwrap();
        Service { child: Some(child), address, folder, options, ready, log: Some(log) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A token of the program's own.
    pub(crate) fn token(&self, account: &str, role: &str) -> String {
        self.token_of(account, &format!("{role}-of-test"), role)
    }

    pub(crate) fn token_of(&self, account: &str, subject: &str, role: &str) -> String {
        let out = keyledger(&["token", "--account", account, "--subject", subject])
            .argument("--role")
            .argument(role)
            .data(&self.data())
            .good();
        out.lines().last().unwrap().to_owned()
    }

    /// A client with a token of that role, for account `acme`, or `*` for the role `admin`.
    pub(crate) fn client(&self, role: &str) -> Client {
        let account = if role == "admin" { "*" } else { "acme" };
        self.client_of(account, role)
    }

    pub(crate) fn client_of(&self, account: &str, role: &str) -> Client {
        Client::new(self.address, Some(&self.token(account, role)))
    }

    /// A client with a token of that plan.
    pub(crate) fn paying(&self, account: &str, subject: &str, role: &str, plan: &str) -> Client {
        let out = keyledger(&["token", "--account", account, "--subject", subject])
            .with(&["--role", role, "--plan", plan])
            .data(&self.data())
            .good();
        self.client_with(out.lines().last())
    }

    /// A client with any token, or none.
    pub(crate) fn client_with(&self, token: Option<&str>) -> Client {
        Client::new(self.address, token)
    }

    /// Stops it as a service manager does; it must end well. What it logged.
    pub(crate) fn stop(mut self) -> (Stopped, String) {
        self.signal(Signal::TERM);
        let code = wait(self.child.take().unwrap());
        let log = self.log();
        assert_eq!(code, Some(0), "{log}");
        (Stopped { folder: Arc::clone(&self.folder), options: self.options.clone() }, log)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> Stopped {
        self.signal(Signal::KILL);
        wait(self.child.take().unwrap());
        Stopped { folder: Arc::clone(&self.folder), options: self.options.clone() }
    }

    pub(crate) fn restart(self) -> Service {
        self.stop().0.start()
    }

    /// What it logged, once it has ended.
    fn log(&mut self) -> String {
        self.log.take().map(|log| log.join().unwrap()).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }
}

/// A directory that was served.
pub(crate) struct Stopped {
    folder: Arc<TempDir>,
    options: Vec<String>,
}

impl Stopped {
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn start(self) -> Service {
        Service::on(self.folder, self.options)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// With one more option.
    pub(crate) fn with(mut self, option: &str) -> Stopped {
        self.options.push(option.to_owned());
        self
    }

    /// Starts it where it was served before.
    pub(crate) fn start_at(mut self, address: &str) -> Service {
        self.options.splice(0..0, ["--listen".to_owned(), address.to_owned()]);
        self.start()
    }

    /// The check of the program itself finds nothing.
    pub(crate) fn is_in_order(&self) {
        let out = keyledger(&["fsck"]).data(&self.data()).good();
        assert!(out.ends_with("in order\n"), "{out}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                eprintln!("the log of the service: {}", self.log());
            }
        }
    }
}

fn word<'a>(line: &'a str, name: &str) -> &'a str {
    line.split(' ').find_map(|word| word.strip_prefix(name)).unwrap_or_else(|| panic!("{line}"))
}
