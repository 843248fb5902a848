//! A sink that is a syslog server: messages of RFC 5424 over TLS, each behind its length (RFC 5425).
//!
//! The protocol has no receipts: what the server has not read when it dies is lost, and nothing says so.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::outcome::{Outcome, OutcomeKind};
use crate::worker::Message;

/// How long connecting and writing may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Facility 13 (log audit), severity 5 (notice): RFC 5424 §6.2.1.
const PRIORITY: u32 = 13 * 8 + 5;

/// The syslog server of a sink.
pub struct SyslogSink {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    stream: Option<Box<TlsStream<TcpStream>>>,
    hostname: String,
}

impl SyslogSink {
    pub(super) fn new(host: String, port: u16, tls: Arc<ClientConfig>) -> SyslogSink {
        SyslogSink { host, port, tls, stream: None, hostname: hostname() }
    }

    /// Writes the messages.
    pub(super) async fn write(&mut self, messages: &[Message]) -> Outcome {
        let mut text = Vec::new();
        for message in messages {
            frame(&mut text, &self.hostname, message);
        }
        let outcome = tokio::time::timeout(TIMEOUT, self.exchange(&text)).await;
        let outcome = outcome.unwrap_or(Err(OutcomeKind::TimedOut));
        if outcome.is_err() {
            self.stream = None;
        }
        outcome.err().unwrap_or(OutcomeKind::Delivered).into()
    }

    async fn exchange(&mut self, text: &[u8]) -> Result<(), OutcomeKind> {
        if let Some(stream) = &mut self.stream
            && is_closed(stream).await
        {
            self.stream = None;
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(Box::new(connect(&self.host, self.port, &self.tls).await?)),
        };
        stream.write_all(text).await.map_err(|_| OutcomeKind::CutOff)?;
        stream.flush().await.map_err(|_| OutcomeKind::CutOff)?;
        if is_closed(stream).await { Err(OutcomeKind::CutOff) } else { Ok(()) }
    }
}

/// Whether the server has closed the connection, as far as is known: it never sends anything else.
async fn is_closed(stream: &mut TlsStream<TcpStream>) -> bool {
    tokio::time::timeout(Duration::ZERO, stream.read(&mut [0])).await.is_ok()
}

async fn connect(
    host: &str,
    port: u16,
    tls: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, OutcomeKind> {
    let stream = TcpStream::connect((host, port)).await.map_err(|_| OutcomeKind::Unreachable)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| OutcomeKind::Untrusted)?;
    let connected = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
    connected.map_err(|_| OutcomeKind::Untrusted)
}

/// Appends `LENGTH SP MESSAGE` (RFC 5425 §4.3).
fn frame(text: &mut Vec<u8>, hostname: &str, message: &Message) {
    // Of the registered elements (RFC 5424 §7.3.1): from 1, and again from 1 after 2^31 - 1.
    let sequence = message.seq.map_or(0, |seq| seq % 0x7FFF_FFFF + 1);
    let data =
        if sequence == 0 { "-".to_owned() } else { format!("[meta sequenceId=\"{sequence}\"]") };
    let head =
        format!("<{PRIORITY}>1 {} {hostname} keyledger - {} {data} ", message.time, message.kind);
    // A text in UTF-8 begins with its mark (§6.4).
    let length = head.len() + BOM.len() + message.body.len();
    text.extend_from_slice(format!("{length} {head}").as_bytes());
    text.extend_from_slice(BOM);
    text.extend_from_slice(&message.body);
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The name of this machine, as a header may have it; `-` is none.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::attempt::Position;

    fn message(body: &str, seq: Option<u64>) -> Message {
        Message {
            id: "m".to_owned(),
            kind: "created",
            seq,
            body: Bytes::from(body.to_owned()),
            time: "2026-01-02T03:04:05.000000Z".to_owned(),
            then: Position::default(),
        }
    }

    #[test]
    fn a_message_is_as_the_standards_say() {
        let mut text = Vec::new();
        frame(&mut text, "host", &message("{}", Some(6)));
        let expected = "<109>1 2026-01-02T03:04:05.000000Z host keyledger - created \
            [meta sequenceId=\"7\"] \u{feff}{}";
        let expected = format!("{} {expected}", expected.len());
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    proptest! {
        /// Frames are read one after the other by their lengths, whatever is in them.
        #[test]
        fn frames_are_told_apart(bodies in proptest::collection::vec("\\PC{0,20}|[0-9 <>]{0,9}", 0..5), seq: Option<u64>) {
            let mut text = Vec::new();
            for body in &bodies {
                frame(&mut text, "host", &message(body, seq));
            }
            let (mut rest, mut read) = (text.as_slice(), Vec::new());
            while !rest.is_empty() {
                let space = rest.iter().position(|byte| *byte == b' ').unwrap();
                let length: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
                let (frame, after) = rest[space + 1..].split_at(length);
                let frame = std::str::from_utf8(frame).unwrap();
                read.push(frame.split_once('\u{feff}').unwrap().1.to_owned());
                rest = after;
            }
            prop_assert_eq!(read, bodies);
        }
    }
}
