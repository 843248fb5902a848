//! The body of an import, in groups of lines: whole ones, or what is there when it is wanted.

use std::future::poll_fn;
use std::io::Write as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::HeaderMap;
use flate2::write::MultiGzDecoder;

use super::lines::{Line, Lines, MAX_LINE};
use crate::error::ApiError;
use crate::request::body::Coding;

/// No further line is added to a group that has so many bytes.
const LARGE: usize = 512 * 1024;
/// How much of a packed body is unpacked at once: at most a thousand times as much comes out.
const PACKED_PIECE: usize = 1024;

/// Lines that came, in their order. None at all: there are no more.
pub(super) type Group = Vec<Line>;

/// The lines of a body.
pub(crate) struct Source {
    body: Body,
    lines: Lines,
    /// Unpacks the body, if it is packed.
    unpacker: Option<Unpacker>,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// There may be more.
    NotYet,
    /// The last line was given.
    Reached,
    /// The body was cut off.
    CutOff,
}

struct Unpacker {
    decoder: MultiGzDecoder<Vec<u8>>,
    packed: Bytes,
}

impl Source {
    /// The lines of `body`, which is packed as `headers` say.
    pub(crate) fn new(headers: &HeaderMap, body: Body) -> Result<Source, ApiError> {
        let unpacker = match Coding::of(headers)? {
            Coding::Identity => None,
            Coding::Gzip => {
                let decoder = MultiGzDecoder::new(Vec::new());
                Some(Unpacker { decoder, packed: Bytes::new() })
            }
        };
        Ok(Source { body, lines: Lines::default(), unpacker, end: End::NotYet })
    }

    /// The next lines, at most so many: waits for the first, and for others until `wanted` is ready.
    ///
    /// # Errors
    ///
    /// The body was cut off, or is not packed as it says. All its whole lines were given before.
    pub(super) async fn group(
        &mut self,
        most: usize,
        wanted: impl Future<Output = ()>,
    ) -> Result<Group, ApiError> {
        let mut wanted = pin!(wanted);
        let (mut group, mut bytes, mut is_wanted) = (Group::new(), 0, false);
        poll_fn(|context| {
            let gathered = self.poll_lines(context, &mut group, &mut bytes, most);
            is_wanted = is_wanted || wanted.as_mut().poll(context).is_ready();
            if is_wanted && !group.is_empty() { Poll::Ready(()) } else { gathered }
        })
        .await;
        if group.is_empty() && self.end == End::CutOff {
            return Err(ApiError::field("body", "was cut off, or is not packed as it says"));
        }
        Ok(group)
    }

    /// Adds the lines that are there. Ready when `group` is full, or there will be no more.
    fn poll_lines(
        &mut self,
        context: &mut Context<'_>,
        group: &mut Group,
        bytes: &mut usize,
        most: usize,
    ) -> Poll<()> {
        while group.len() < most && *bytes < LARGE {
            let mut line = self.lines.next();
            if line.is_none() && self.end == End::NotYet {
                match ready!(self.poll_piece(context)) {
                    Some(piece) => {
                        self.lines.feed(piece);
                        continue;
                    }
                    // Of what was cut off the last line may be cut off, too.
                    None if self.end == End::CutOff => break,
                    None => {
                        self.end = End::Reached;
                        line = self.lines.last();
                    }
                }
            }
            let Some(line) = line else { break };
            *bytes += line.text.as_ref().map_or(MAX_LINE, |text| text.len());
            group.push(line);
        }
        Poll::Ready(())
    }

    /// The next piece of the unpacked body. At its end none; if it was cut off, `end` says so.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(unpacker) = &mut self.unpacker {
                match unpacker.next() {
                    Ok(Some(piece)) => return Poll::Ready(Some(piece)),
                    Ok(None) => {}
                    Err(_) => return Poll::Ready(self.cut_off()),
                }
            }
            let piece = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                // What is no data is a trailer, and says nothing.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Poll::Ready(self.cut_off()),
                None => return Poll::Ready(self.finish()),
            };
            match &mut self.unpacker {
                Some(unpacker) => unpacker.packed = piece,
                None if piece.is_empty() => {}
                None => return Poll::Ready(Some(piece)),
            }
        }
    }

    fn cut_off(&mut self) -> Option<Bytes> {
        self.end = End::CutOff;
        None
    }

    /// What comes out of a packed body at its end.
    fn finish(&mut self) -> Option<Bytes> {
        let mut unpacker = self.unpacker.take()?;
        if unpacker.decoder.try_finish().is_err() {
            return self.cut_off();
        }
        let rest = std::mem::take(unpacker.decoder.get_mut());
        Some(Bytes::from(rest)).filter(|rest| !rest.is_empty())
    }
}

impl Unpacker {
    /// What the next packed bytes come to; none if there are none.
    fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        while !self.packed.is_empty() {
            let part = self.packed.split_to(self.packed.len().min(PACKED_PIECE));
            self.decoder.write_all(&part)?;
            let unpacked = std::mem::take(self.decoder.get_mut());
            if !unpacked.is_empty() {
                return Ok(Some(unpacked.into()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::io;

    use axum::http::{HeaderValue, header};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::UnboundedReceiverStream;

    use super::*;

    fn numbers(group: &Group) -> Vec<u64> {
        group.iter().map(|line| line.number).collect()
    }

    fn piece(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[tokio::test]
    async fn a_group_has_what_is_there_and_no_more_than_wanted() {
        let (send, receive) = mpsc::unbounded_channel();
        let body = Body::from_stream(UnboundedReceiverStream::new(receive));
        let mut source = Source::new(&HeaderMap::new(), body).unwrap();
        send.send(io::Result::Ok(piece("a\nb"))).unwrap();
        send.send(io::Result::Ok(piece("\nc\nd\ne"))).unwrap();
        assert_eq!(numbers(&source.group(3, ready(())).await.unwrap()), [1, 2, 3]);
        assert_eq!(numbers(&source.group(3, ready(())).await.unwrap()), [4]);
        send.send(io::Result::Ok(piece("\nf"))).unwrap();
        assert_eq!(numbers(&source.group(3, ready(())).await.unwrap()), [5]);
        drop(send);
        assert_eq!(numbers(&source.group(3, ready(())).await.unwrap()), [6]);
        assert!(source.group(3, ready(())).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_group_that_is_not_wanted_yet_is_filled() {
        let (send, receive) = mpsc::unbounded_channel();
        let body = Body::from_stream(UnboundedReceiverStream::new(receive));
        let mut source = Source::new(&HeaderMap::new(), body).unwrap();
        send.send(io::Result::Ok(piece("a\nb\n"))).unwrap();
        {
            let mut group = pin!(source.group(3, pending()));
            for more in ["c", "\nd\n"] {
                let polled = poll_fn(|context| Poll::Ready(group.as_mut().poll(context))).await;
                assert!(polled.is_pending());
                send.send(Ok(piece(more))).unwrap();
            }
            assert_eq!(numbers(&group.await.unwrap()), [1, 2, 3]);
        }
        drop(send);
        assert_eq!(numbers(&source.group(3, pending()).await.unwrap()), [4]);
        // Wanted before there is anything: it is given as soon as there is.
        let (send, receive) = mpsc::unbounded_channel();
        let body = Body::from_stream(UnboundedReceiverStream::new(receive));
        let mut source = Source::new(&HeaderMap::new(), body).unwrap();
        let mut group = pin!(source.group(3, ready(())));
        let polled = poll_fn(|context| Poll::Ready(group.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        send.send(io::Result::Ok(piece("a\nb\n"))).unwrap();
        assert_eq!(numbers(&group.await.unwrap()), [1, 2]);
    }

    #[tokio::test]
    async fn of_a_body_that_was_cut_off_whole_lines_are_given() {
        let pieces = [Ok(piece("a\nb\nnot who")), Err(io::Error::other("gone"))];
        let body = Body::from_stream(tokio_stream::iter(pieces));
        let mut source = Source::new(&HeaderMap::new(), body).unwrap();
        assert_eq!(numbers(&source.group(9, ready(())).await.unwrap()), [1, 2]);
        for _ in 0..2 {
            assert!(source.group(9, ready(())).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_packed_body_is_unpacked_as_it_comes() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let text = format!("a\n{}\n\nb", "x".repeat(2 * MAX_LINE));
        gzip.write_all(text.as_bytes()).unwrap();
        let packed = gzip.finish().unwrap();
        let coding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let coding = HeaderMap::from_iter([coding]);
        let read = async |packed: &[u8]| {
            let pieces: Vec<_> =
                packed.chunks(7).map(|part| io::Result::Ok(Bytes::copy_from_slice(part))).collect();
            let body = Body::from_stream(tokio_stream::iter(pieces));
            let mut source = Source::new(&coding, body).unwrap();
            let mut found = Vec::new();
            loop {
                match source.group(9, ready(())).await {
                    Ok(group) if group.is_empty() => return (found, true),
                    Ok(group) => found.extend(numbers(&group)),
                    Err(_) => return (found, false),
                }
            }
        };
        assert_eq!(read(&packed).await, (vec![1, 2, 4], true));
        let (found, whole) = read(&packed[..packed.len() - 9]).await;
        assert!(!whole && found.len() < 3);
        assert!(!read(b"no gzip").await.1);
    }
}
