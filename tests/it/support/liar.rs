//! A service between a client and the true one, which changes answers on the way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::client::Client;

/// What becomes of an answer: path with query, status and body.
type Lie = Box<dyn FnMut(&str, u16, String) -> (u16, String) + Send>;

/// A service that lies. It listens as long as the test process runs.
pub(crate) struct Liar {
    address: SocketAddr,
    lie: Arc<Mutex<Lie>>,
}

impl Liar {
    /// One that says what the service at `behind` says, so far.
    pub(crate) fn before(behind: SocketAddr) -> Liar {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let honest: Lie = Box::new(|_, status, body| (status, body));
        let lie = Arc::new(Mutex::new(honest));
        let shared = Arc::clone(&lie);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(&stream, behind, &shared);
            }
        });
        Liar { address, lie }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it changes answers so.
    pub(crate) fn changes(
        &self,
        lie: impl FnMut(&str, u16, String) -> (u16, String) + Send + 'static,
    ) {
        *self.lie.lock().unwrap() = Box::new(lie);
    }

    /// From now on it changes good answers in JSON so.
    pub(crate) fn changes_json(&self, mut lie: impl FnMut(&str, &mut Value) + Send + 'static) {
        self.changes(move |path, status, body| match serde_json::from_str(&body) {
            Ok(mut json) if status == 200 => {
                lie(path, &mut json);
                (status, json.to_string())
            }
            _ => (status, body),
        });
    }
}

/// Answers the one request of a connection.
fn serve(mut stream: &TcpStream, behind: SocketAddr, lie: &Mutex<Lie>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let mut token = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        if name.eq_ignore_ascii_case("authorization") {
            token = value.strip_prefix("Bearer ").map(str::to_owned);
        }
    }
    let answer = Client::new(behind, token.as_deref()).send(&format!("GET {path}"));
    let (status, body) = (lie.lock().unwrap())(&path, answer.status, answer.text);
    let head = format!("HTTP/1.1 {status} As told\r\ncontent-length: {}\r\n", body.len());
    let _cut_off = write!(stream, "{head}connection: close\r\n\r\n{body}");
}
