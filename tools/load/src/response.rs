//! The end of an HTTP/1.1 response. Of its head only the status, `Content-Length` and
//! `Transfer-Encoding` are read (RFC 9112 §6).

use anyhow::{Context, Result, bail};
use memchr::memmem;

/// How the length of a body is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// As a number of bytes.
    Exactly(usize),
    /// By a last chunk of size 0.
    Chunked,
}

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    /// The status code.
    pub(crate) status: u16,
    /// Where the body begins.
    start: usize,
    /// How it ends.
    length: Length,
}

impl ResponseHead {
    /// Reads the head of a response; `None` when it is not complete yet.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<ResponseHead>> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let head = bytes.get(..end).unwrap_or_default();
        let status = head
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
            .context("this is no HTTP/1.1 response")?;
        let mut length = Length::Exactly(0);
        for line in head.split(|byte| *byte == b'\n').skip(1) {
            if let Some(value) = value(line, b"content-length:") {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                length = Length::Exactly(number.context("a content-length that is no number")?);
            } else if let Some(coding) = value(line, b"transfer-encoding:") {
                if !coding.eq_ignore_ascii_case(b"chunked") {
                    bail!("an unknown transfer-encoding");
                }
                length = Length::Chunked;
            }
        }
        Ok(Some(ResponseHead { status, start: end + 4, length }))
    }

    /// Where the response ends; `None` when it is not complete yet.
    pub(crate) fn end(self, bytes: &[u8]) -> Result<Option<usize>> {
        match self.length {
            Length::Exactly(length) => {
                let end = self.start + length;
                Ok((bytes.len() >= end).then_some(end))
            }
            Length::Chunked => Ok(chunks(bytes, self.start, |_| ())?),
        }
    }

    /// The body of a complete response, its chunks joined.
    pub(crate) fn body(self, bytes: &[u8]) -> Result<Vec<u8>> {
        match self.length {
            Length::Exactly(length) => {
                let body = bytes.get(self.start..self.start + length);
                Ok(body.context("the response is not complete")?.to_vec())
            }
            Length::Chunked => {
                let mut body = Vec::new();
                chunks(bytes, self.start, |chunk| body.extend_from_slice(chunk))?;
                Ok(body)
            }
        }
    }
}

/// The value of a header line, if the line begins with `name` (lower case, colon included).
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (before, value) = line.split_at_checked(name.len())?;
    before.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// Walks the chunks from `at` on (RFC 9112 §7.1); gives the end of the last one, trailers
/// included, or `None` when it is not complete yet.
fn chunks(bytes: &[u8], mut at: usize, mut each: impl FnMut(&[u8])) -> Result<Option<usize>> {
    loop {
        let Some(line) = line(bytes, at) else { return Ok(None) };
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok();
        let size = size.and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.context("a chunk without a size")?;
        at += line.len() + 2;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + size) else { return Ok(None) };
        each(chunk);
        at += size + 2;
    }
    // Trailers end with an empty line.
    while let Some(line) = line(bytes, at) {
        at += line.len() + 2;
        if line.is_empty() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// The line that begins at `at`, without its end.
fn line(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    rest.get(..memmem::find(rest, b"\r\n")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `whole` byte by byte: it must be whole at its last byte and not before.
    fn check(whole: &str, status: u16, body: &str) {
        let bytes = whole.as_bytes();
        for cut in 0..bytes.len() {
            let part = &bytes[..cut];
            let end = ResponseHead::read(part).unwrap().map(|head| head.end(part).unwrap());
            assert!(end.is_none_or(|end| end.is_none()), "whole at {cut} of {whole:?}");
        }
        let head = ResponseHead::read(bytes).unwrap().unwrap();
        assert_eq!(head.status, status);
        assert_eq!(head.end(bytes).unwrap(), Some(bytes.len()));
        assert_eq!(head.body(bytes).unwrap(), body.as_bytes());
    }

    #[test]
    fn a_content_length_ends_a_body() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello");
        check("HTTP/1.1 201 Created\r\nx: y\r\ncontent-length:2\r\nz: 1\r\n\r\n{}", 201, "{}");
        check("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404, "");
    }

    #[test]
    fn chunks_are_joined() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{head}0\r\n\r\n"), 200, "");
        check(&format!("{head}5\r\nhello\r\n0\r\n\r\n"), 200, "hello");
        check(
            &format!("{head}5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"),
            200,
            "hello0123456789",
        );
        check(&format!("{head}3\r\n\r\n\r\r\n0\r\nX-Sum: 1\r\n\r\n"), 200, "\r\n\r");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(ResponseHead::read(b"SSH-2.0\r\n\r\n").is_err());
        assert!(ResponseHead::read(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
        assert!(ResponseHead::read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n").is_err());
        let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
        assert!(ResponseHead::read(bytes).unwrap().unwrap().end(bytes).is_err());
    }
}
