//! Reading server-sent events, with a deadline.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{self, RecvTimeoutError};

use serde_json::Value;

use super::deadline::DEADLINE;
use super::document::is_event;

/// A stream of events that is read in the background.
pub(crate) struct Stream {
    lines: mpsc::Receiver<String>,
}

impl Stream {
    pub(crate) fn new(body: impl Read + Send + 'static) -> Stream {
        // As slow as its reader, but for a few lines.
        let (sender, lines) = mpsc::sync_channel(16);
        std::thread::spawn(move || {
            for line in BufReader::new(body).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Stream { lines }
    }

    /// The next event, which has its seq as its id.
    pub(crate) fn next(&mut self) -> Value {
        self.next_or_end().expect("the stream ended")
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) fn next_or_end(&mut self) -> Option<Value> {
        let (mut id, mut data) = (None, String::new());
        loop {
            let line = match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("no event comes"),
            };
            if let Some(text) = line.strip_prefix("id:") {
                id = text.trim().parse::<u64>().ok();
            } else if let Some(text) = line.strip_prefix("data:") {
                data += text;
            } else if line.is_empty() && !data.is_empty() {
                let event: Value = serde_json::from_str(&data).unwrap();
                assert_eq!(event["seq"].as_u64(), id, "{event}");
                is_event(&event);
                return Some(event);
            }
        }
    }
}
