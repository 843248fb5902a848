//! A receiver of webhooks: a plain socket that answers as it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use serde_json::Value;

use super::deadline::DEADLINE;

/// How it answers.
#[derive(Clone, Debug)]
pub(crate) enum Answers {
    /// With this status.
    With(u16),
    /// With this status, media type and body.
    Text { status: u16, media_type: String, body: String },
    /// With a redirect to there.
    Redirect(String),
    /// Never, but it holds on to the connection.
    Never,
    /// With the head and a half of a body, and then it is gone.
    HalfOfIt,
    /// With a head, and then the body drop by drop, without end.
    Drops,
    /// With more than anybody wants to read.
    Flood,
    /// Not at all: it closes the connection.
    Closed,
}

/// A request that it received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

struct Shared {
    answers: Mutex<Answers>,
    received: Mutex<Vec<Received>>,
    arrived: Condvar,
}

/// A receiver. It listens as long as the test process runs.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Receiver {
        Receiver::that(Answers::With(204))
    }

    pub(crate) fn that(answers: Answers) -> Receiver {
        Receiver::on("127.0.0.1:0".parse().unwrap(), answers)
    }

    pub(crate) fn on(address: SocketAddr, answers: Answers) -> Receiver {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Mutex::new(answers);
        let shared =
            Arc::new(Shared { answers, received: Mutex::default(), arrived: Condvar::new() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Receiver { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on.
    pub(crate) fn answers(&self, answers: Answers) {
        *self.shared.answers.lock().unwrap() = answers;
    }

    /// Waits until it has received that many requests; all of them.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait(&format!("{count} requests"), |received| received.len() >= count)
    }

    /// Waits until what it has received is enough.
    pub(crate) fn wait(&self, what: &str, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let waiting = self.shared.arrived.wait_timeout_while(
            self.shared.received.lock().unwrap(),
            DEADLINE,
            |received| !enough(received),
        );
        let (received, timeout) = waiting.unwrap();
        assert!(!timeout.timed_out(), "no {what}: {received:?}");
        received.clone()
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.shared.received.lock().unwrap()
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, shared: &Shared) {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    while let Some(received) = read(&mut reader) {
        // How it answers is settled before the test hears of the request.
        let answers = shared.answers.lock().unwrap().clone();
        shared.received.lock().unwrap().push(received);
        shared.arrived.notify_all();
        let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{more}\r\n");
        let text = match answers {
            Answers::With(204) => head("204 No Content", ""),
            Answers::With(status) => {
                head(&format!("{status} As told"), "content-length: 2\r\n") + "ok"
            }
            Answers::Text { status, media_type, body } => {
                let length = body.len();
                let more = format!("content-type: {media_type}\r\ncontent-length: {length}\r\n");
                head(&format!("{status} As told"), &more) + &body
            }
            Answers::Redirect(to) => {
                head("307 Elsewhere", &format!("location: {to}\r\ncontent-length: 0\r\n"))
            }
            Answers::Never => {
                // Until the other side gives up.
                let _ = reader.read(&mut [0]);
                return;
            }
            Answers::HalfOfIt => {
                let _ =
                    writer.write_all((head("200 OK", "content-length: 99\r\n") + "ha").as_bytes());
                return;
            }
            Answers::Closed => return,
            Answers::Flood => {
                let _ = writer.write_all(head("200 OK", "").as_bytes());
                while writer.write_all(&[b'x'; 4_096]).is_ok() {}
                return;
            }
            Answers::Drops => {
                let _ = writer.write_all(head("200 OK", "content-length: 99999\r\n").as_bytes());
                let _ = stream.set_read_timeout(Some(std::time::Duration::from_millis(50)));
                while writer.write_all(b"x").is_ok() && !matches!(reader.read(&mut [0]), Ok(0)) {}
                return;
            }
        };
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads a request; `None` at the end of the connection.
fn read(reader: &mut BufReader<&TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let expected = ["POST /hook HTTP/1.1\r\n", "POST /hook/add-checkpoint HTTP/1.1\r\n"];
    assert!(line.is_empty() || expected.contains(&line.as_str()), "{line:?}");
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Received { headers, body: String::from_utf8(body).unwrap() })
}
