//! A sink that is a URL: lines are posted to it, many at a time.

use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::spec::SinkFormat;
use crate::outcome::Outcome;
use crate::poster::{Line, Poster};
use crate::target::Target;
use crate::worker::Message;

/// The URL of a sink.
pub struct HttpsSink {
    target: Target,
    format: SinkFormat,
    poster: Arc<Poster>,
    authorization: Option<Arc<Zeroizing<String>>>,
    line: Line,
}

impl HttpsSink {
    pub(super) fn new(
        target: Target,
        format: SinkFormat,
        poster: Arc<Poster>,
        authorization: Option<Arc<Zeroizing<String>>>,
    ) -> HttpsSink {
        HttpsSink { target, format, poster, authorization, line: Line::default() }
    }

    /// Posts a line for each message.
    pub(super) async fn post(&mut self, messages: &[Message]) -> Outcome {
        let mut text = Vec::new();
        for message in messages {
            text.extend_from_slice(&message.body);
            text.push(b'\n');
        }
        let content_type = match self.format {
            SinkFormat::Ndjson | SinkFormat::Ocsf => "application/x-ndjson",
            SinkFormat::Cef => "text/plain; charset=utf-8",
        };
        let mut headers = vec![("content-type", content_type)];
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization", authorization.as_str()));
        }
        self.poster.post(&mut self.line, &self.target, &headers, Bytes::from(text)).await
    }
}
