//! A time-stamping authority: `openssl ts` behind a plain socket, which answers as it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StampAnswers {
    /// As it should.
    Right,
    /// With a time-stamp of something else.
    OtherImprint,
    /// With one of another request.
    OtherNonce,
    /// With one of another authority.
    OtherAuthority,
    /// With one of a certificate that has expired.
    Expired,
    /// That it grants nothing.
    Rejected,
    /// With no time-stamp.
    Garbage,
    /// With half of one.
    Half,
    /// With one, and another type.
    OtherType,
    /// With this status.
    With(u16),
    /// With a redirect to a right answer.
    Redirect,
    /// With more than anybody wants to read.
    Flood,
    /// Never, but it holds on to the connection.
    Never,
}

/// An authority. It listens as long as the test process runs.
pub(crate) struct Tsa {
    address: SocketAddr,
    folder: PathBuf,
    answers: Arc<Mutex<StampAnswers>>,
}

impl Tsa {
    /// One whose files are in `folder`, which is made. It takes python3 and openssl.
    pub(crate) fn start(folder: &Path) -> Tsa {
        for (name, more) in [("own", ""), ("other", ""), ("expired", "expired")] {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/tsa.py");
            let mut python = Command::new("python3");
            python.args([script, "authority"]).arg(folder.join(name)).arg(more);
            assert!(python.status().unwrap().success());
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Arc::new(Mutex::new(StampAnswers::Right));
        let (serving, files) = (Arc::clone(&answers), folder.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, files) = (*serving.lock().unwrap(), files.clone());
                // One after the other: openssl counts in a file.
                if answers == StampAnswers::Never {
                    std::thread::spawn(move || serve(&stream, answers, &files));
                } else {
                    serve(&stream, answers, &files);
                }
            }
        });
        Tsa { address, folder: folder.to_owned(), answers }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/tsa", self.address)
    }

    /// Its root certificate.
    pub(crate) fn roots(&self) -> String {
        self.folder.join("own/root.pem").to_str().unwrap().to_owned()
    }

    /// That of another authority.
    pub(crate) fn other_roots(&self) -> String {
        self.folder.join("other/root.pem").to_str().unwrap().to_owned()
    }

    /// From now on.
    pub(crate) fn answers(&self, answers: StampAnswers) {
        *self.answers.lock().unwrap() = answers;
    }
}

fn serve(stream: &TcpStream, answers: StampAnswers, folder: &Path) {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let Some(mut query) = read(&mut reader) else { return };
    let kind = "application/timestamp-reply";
    let own = folder.join("own");
    let (status, kind, body) = match answers {
        StampAnswers::Right => ("200 OK", kind, stamp(&own, &query)),
        StampAnswers::OtherImprint => {
            // The hash is the only OCTET STRING of 32 bytes.
            let place = query.windows(2).position(|pair| pair == [4, 32]).unwrap();
            query[place + 2] ^= 1;
            ("200 OK", kind, stamp(&own, &query))
        }
        StampAnswers::OtherNonce => {
            let last = query.len() - 4;
            query[last] ^= 1;
            ("200 OK", kind, stamp(&own, &query))
        }
        StampAnswers::OtherAuthority => ("200 OK", kind, stamp(&folder.join("other"), &query)),
        StampAnswers::Expired => ("200 OK", kind, stamp(&folder.join("expired"), &query)),
        StampAnswers::Rejected => ("200 OK", kind, vec![0x30, 5, 0x30, 3, 2, 1, 2]),
        StampAnswers::Garbage => ("200 OK", kind, b"no time-stamp".to_vec()),
        StampAnswers::Half => {
            let whole = stamp(&own, &query);
            ("200 OK", kind, whole[..whole.len() / 2].to_vec())
        }
        StampAnswers::OtherType => ("200 OK", "text/html", stamp(&own, &query)),
        StampAnswers::With(503) => ("503 Unavailable", kind, stamp(&own, &query)),
        StampAnswers::With(_) => ("500 Failed", kind, stamp(&own, &query)),
        StampAnswers::Redirect => {
            ("307 Elsewhere\r\nlocation: /elsewhere", kind, stamp(&own, &query))
        }
        StampAnswers::Flood => ("200 OK", kind, vec![0x30; 70_000]),
        StampAnswers::Never => {
            let _ = reader.read(&mut [0]);
            return;
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = writer.write_all(&[head.as_bytes(), &body].concat());
}

/// What openssl answers.
fn stamp(folder: &Path, query: &[u8]) -> Vec<u8> {
    std::fs::write(folder.join("query"), query).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply"]);
    openssl.args(["-signer", "signer.pem", "-inkey", "signer.key", "-chain", "between.pem"]);
    let done = openssl.current_dir(folder).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(folder.join("reply")).unwrap()
}

/// Reads a query; `None` for anything else.
fn read(reader: &mut BufReader<&TcpStream>) -> Option<Vec<u8>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_ascii_lowercase());
    }
    assert_eq!(lines[0], "post /tsa http/1.1");
    assert!(lines.contains(&"content-type: application/timestamp-query".to_owned()), "{lines:?}");
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
