//! Running the built program as a command that ends.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::deadline::DEADLINE;

/// A command line of the built program.
pub(crate) struct Program {
    command: Command,
    input: Vec<u8>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// `keyledger` with these arguments, in an environment that has nothing in it.
pub(crate) fn keyledger(arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyledger"));
    command.env_clear().args(arguments);
    Program { command, input: Vec::new() }
}

/// The same, started by a shell that has run a command before.
pub(crate) fn keyledger_after(first: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new("/bin/sh");
    command.env_clear().args(["-c", &format!("{first}; exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_keyledger")).args(arguments);
    Program { command, input: Vec::new() }
}

impl Program {
    pub(crate) fn argument(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Program {
        self.command.arg(argument);
        self
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Program {
        self.command.args(arguments);
        self
    }

    pub(crate) fn data(self, dir: &Path) -> Program {
        self.argument("--data").argument(dir)
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Program {
        self.command.env(name, value);
        self
    }

    /// In that folder.
    pub(crate) fn folder(mut self, folder: &Path) -> Program {
        self.command.current_dir(folder);
        self
    }

    /// As another user, if one is named.
    pub(crate) fn user(mut self, user: Option<u32>) -> Program {
        if let Some(user) = user {
            self.command.uid(user);
        }
        self
    }

    pub(crate) fn input(mut self, text: &str) -> Program {
        self.input = text.as_bytes().to_vec();
        self
    }

    /// Starts it and does not wait.
    pub(crate) fn spawn(&mut self) -> Child {
        self.spawn_with(Stdio::piped())
    }

    /// The same, with that stderr.
    pub(crate) fn spawn_with(&mut self, stderr: Stdio) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let child = self.command.spawn().unwrap();
        // Our own copy, which would keep a pipe open.
        self.command.stderr(Stdio::null());
        child
    }

    /// Starts the service with that stderr, and waits until it is ready. It must be ended.
    pub(crate) fn serving(mut self, stderr: Stdio) -> (Child, SocketAddr) {
        let mut child = self.spawn_with(stderr);
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.split(' ').find_map(|word| word.strip_prefix("listen=")).unwrap();
        (child, address.parse().unwrap())
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Ended {
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().unwrap();
        // It may end without reading.
        let _ = stdin.write_all(&self.input);
        drop(stdin);
        let out = collect(child.stdout.take().unwrap());
        let err = collect(child.stderr.take().unwrap());
        let code = wait(child);
        Ended { code, out: out.join().unwrap(), err: err.join().unwrap() }
    }

    /// Runs it; it must end well.
    pub(crate) fn good(self) -> String {
        let ended = self.run();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.out
    }
}

impl Ended {
    /// Its output is one sentence on stderr that has these words in it, and nothing on stdout.
    pub(crate) fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert_eq!(self.err.trim_end().lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {self:?}");
        }
    }
}

/// Waits for the end of a process, at most until the deadline. Its exit code, if it had one.
pub(crate) fn wait(mut child: Child) -> Option<i32> {
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait()));
    if let Ok(status) = receiver.recv_timeout(DEADLINE) {
        return status.unwrap().code();
    }
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    panic!("the process does not end");
}

/// Reads to the end in the background.
pub(crate) fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
