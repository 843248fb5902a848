//! The client of an import, which sends and reads as it likes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use super::service::Service;

/// An import under way, over a connection of its own.
pub(crate) struct Import {
    socket: TcpStream,
    answer: BufReader<TcpStream>,
}

impl Import {
    pub(crate) fn open(service: &Service, token: &str, query: &str) -> Import {
        let mut socket = TcpStream::connect(service.address()).unwrap();
        let head = format!(
            "POST /v1/keys/import{query} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        let answer = BufReader::new(socket.try_clone().unwrap());
        Import { socket, answer }
    }

    pub(crate) fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.socket.write_all(chunk.as_bytes()).unwrap();
    }

    pub(crate) fn end(&mut self) {
        self.socket.write_all(b"0\r\n\r\n").unwrap();
    }

    /// The next line of the answer. Head and chunks' lengths are no JSON.
    pub(crate) fn line(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.answer.read_line(&mut line).unwrap(), 0, "the answer was cut off");
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }

    /// The same import, for another thread.
    pub(crate) fn another(&self) -> Import {
        let (socket, answer) = (self.socket.try_clone().unwrap(), self.socket.try_clone().unwrap());
        Import { socket, answer: BufReader::new(answer) }
    }

    /// Breaks the connection off.
    pub(crate) fn break_off(&self) {
        self.socket.shutdown(Shutdown::Both).unwrap();
    }
}
