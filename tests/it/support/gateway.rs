//! Real gateways, and what stands behind and beside them.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::client::Client;
use super::deadline::until;
use super::program::collect;

/// A gateway that runs. It is killed when this is dropped.
pub(crate) struct Gateway {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Gateway {
    /// nginx with the contents of its block `http`; `None` where there is no nginx.
    pub(crate) fn nginx(address: SocketAddr, http: &str) -> Option<Gateway> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("nginx.conf");
        // As root it would otherwise run its worker as a user who cannot write here.
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let dir = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
            .concat();
        let whole = format!(
            "daemon off; {user} worker_processes 1; pid {dir}/pid; error_log stderr warn;\n\
             events {{}}\nhttp {{\naccess_log off;\n{temporary}{http}\n}}\n"
        );
        std::fs::write(&config, whole).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&config).args(["-e", "stderr"]);
        Gateway::run(command, folder, address)
    }

    /// Caddy with a server block of its Caddyfile; `None` where there is no Caddy.
    pub(crate) fn caddy(address: SocketAddr, server_block: &str, token: &str) -> Option<Gateway> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("Caddyfile");
        std::fs::write(&config, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{server_block}"))
            .unwrap();
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&config);
        for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(home, folder.path());
        }
        command.env("KEYLEDGER_TOKEN", token);
        Gateway::run(command, folder, address)
    }

    fn run(mut command: Command, folder: TempDir, address: SocketAddr) -> Option<Gateway> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("left out: {} is not here", command.get_program().display());
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let log = collect(child.stderr.take().unwrap());
        let mut log = Some(log);
        until("the gateway listens", || {
            if let Some(ended) = child.try_wait().unwrap() {
                let log = log.take().map(|log| log.join().unwrap());
                panic!("it does not start ({ended}): {log:?}");
            }
            TcpStream::connect(address).is_ok()
        });
        Some(Gateway { child, address, _folder: folder })
    }

    /// A client of the service behind it, without a token.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, None)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Asked to stop, so that nginx takes its worker with it.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// An address on which nobody listens, for a program that has no port 0.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A block of a document: what stands between ` ```kind ` and the next fence.
pub(crate) fn block(document: &str, kind: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    let text = std::fs::read_to_string(file).unwrap();
    let fence = format!("```{kind}\n");
    let (_, after) = text.split_once(&fence).unwrap_or_else(|| panic!("no {kind} in {document}"));
    after.split_once("```").unwrap().0.to_owned()
}

/// Puts what is there in the place of what the document has as an example, which it has once.
pub(crate) fn put(text: &str, example: &str, real: &impl ToString) -> String {
    assert_eq!(text.matches(example).count(), 1, "{example} in {text}");
    text.replace(example, &real.to_string())
}

/// The service behind a gateway. It answers each request with its head.
pub(crate) fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer_with_head(socket));
        }
    });
    address
}

fn answer_with_head(mut socket: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head += &lower;
        line.clear();
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{head}",
        head.len()
    );
    socket.write_all(answer.as_bytes()).ok()
}

/// The headers that came to the backend under a name that begins so.
pub(crate) fn reached(head: &str, beginning: &str) -> BTreeSet<String> {
    head.lines().filter(|line| line.starts_with(beginning)).map(str::to_owned).collect()
}

/// Passes connections on and counts them.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) fn to(target: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::Relaxed);
                let far = TcpStream::connect(target).unwrap();
                pass(near.try_clone().unwrap(), far.try_clone().unwrap());
                pass(far, near);
            }
        });
        Relay { address, taken }
    }

    pub(crate) fn connections(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
