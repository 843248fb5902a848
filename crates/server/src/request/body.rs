//! Bodies of requests: read whole, unpacked, and JSON as far as their type says.

use std::future::poll_fn;
use std::io::Read as _;
use std::pin::Pin;

use axum::body::{Body as HttpBody, Bytes, HttpBody as _};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;

use crate::error::{ApiError, Code};

/// The longest body that is read, unpacked, but for those of many requests.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// What some editors write before a text. RFC 8259 §8.1 lets a reader pass over it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

fn too_large(limit: usize) -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("the body may have {limit} bytes"))
}

/// Reads a whole body of at most `limit` bytes. One that comes in one piece is not copied.
async fn read_body(mut body: HttpBody, limit: usize) -> Result<Bytes, ApiError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let mut whole = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| ApiError::field("body", "was cut off"))?;
        // What is no data is a trailer, and says nothing.
        let Ok(piece) = frame.into_data() else { continue };
        if whole.len() + piece.len() > limit {
            return Err(too_large(limit));
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(piece);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

/// How a body was packed on its way (RFC 9110 §8.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// Refused before the body is read.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Coding, ApiError> {
        let mut coding = Coding::Identity;
        let values = headers.get_all(header::CONTENT_ENCODING).iter();
        for name in values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
            let name = name.trim_ascii();
            let gzip = name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip");
            if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            if !gzip || coding == Coding::Gzip {
                let detail = "content-encoding: must be gzip or identity, once";
                return Err(ApiError::new(Code::UnsupportedEncoding, detail));
            }
            coding = Coding::Gzip;
        }
        Ok(coding)
    }

    fn unpack(self, packed: Bytes, limit: usize) -> Result<Bytes, ApiError> {
        if self == Coding::Identity || packed.is_empty() {
            return Ok(packed);
        }
        let mut whole = Vec::new();
        // One byte more than may be, to see that there is one.
        let mut unpacked = MultiGzDecoder::new(&packed[..]).take(limit as u64 + 1);
        unpacked
            .read_to_end(&mut whole)
            .map_err(|_| ApiError::field("body", "must be gzip, as content-encoding says"))?;
        if whole.len() > limit { Err(too_large(limit)) } else { Ok(whole.into()) }
    }
}

/// Reads a whole body of at most [`MAX_BODY`] bytes that is JSON, as far as its type says.
pub(crate) async fn read_json(headers: &HeaderMap, body: HttpBody) -> Result<Bytes, ApiError> {
    read_long_json(headers, body, MAX_BODY).await
}

/// The same of at most `limit` bytes.
pub(crate) async fn read_long_json(
    headers: &HeaderMap,
    body: HttpBody,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let coding = Coding::of(headers)?;
    let bytes = coding.unpack(read_body(body, limit).await?, limit)?;
    match headers.get(header::CONTENT_TYPE) {
        Some(declared) if !bytes.is_empty() && !is_json(declared.as_bytes()) => {
            Err(ApiError::field("content-type", "must be application/json"))
        }
        Some(_) | None if bytes.starts_with(BYTE_ORDER_MARK) => {
            Ok(bytes.slice(BYTE_ORDER_MARK.len()..))
        }
        Some(_) | None => Ok(bytes),
    }
}

/// Whether a media type is JSON, of a kind that is written in it (RFC 6839 §3.1), or the one that
/// `curl -d` and others send when they are not told: it says nothing of what the sender meant.
fn is_json(declared: &[u8]) -> bool {
    let essence = declared.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(b"application/json")
        || essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        || essence.last_chunk().is_some_and(|end: &[u8; 5]| end.eq_ignore_ascii_case(b"+json"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    async fn read(codings: &[&'static str], body: impl Into<HttpBody>) -> Result<Bytes, Code> {
        let mut headers = HeaderMap::new();
        for coding in codings {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        read_json(&headers, body.into()).await.map_err(|error| error.code)
    }

    #[tokio::test]
    async fn a_packed_body_is_unpacked_and_no_longer_than_another() {
        let text = Bytes::from_static(b"{\"name\":\"ci\"}");
        let packed = gzip(&text);
        let twice = [gzip(b"{\"name\":"), gzip(b"\"ci\"}")].concat();
        let table = [
            (&["gzip"][..], packed.clone(), Ok(text.clone())),
            (&["X-GZIP"], packed.clone(), Ok(text.clone())),
            (&["gzip"], twice, Ok(text.clone())),
            (&["identity, gzip"], packed.clone(), Ok(text.clone())),
            (&["identity"], text.to_vec(), Ok(text.clone())),
            (&[""], text.to_vec(), Ok(text.clone())),
            (&["gzip"], Vec::new(), Ok(Bytes::new())),
            (&["gzip"], text.to_vec(), Err(Code::InvalidRequest)),
            (&["gzip"], packed[..packed.len() - 9].to_vec(), Err(Code::InvalidRequest)),
            (&["br"], packed.clone(), Err(Code::UnsupportedEncoding)),
            (&["gzip, br"], packed.clone(), Err(Code::UnsupportedEncoding)),
            (&["gzip", "gzip"], packed.clone(), Err(Code::UnsupportedEncoding)),
            (&["deflate"], packed, Err(Code::UnsupportedEncoding)),
            // A few hundred bytes that would be ten million.
            (&["gzip"], gzip(&" ".repeat(10_000_000).into_bytes()), Err(Code::PayloadTooLarge)),
            (&["gzip"], gzip(&" ".repeat(MAX_BODY + 1).into_bytes()), Err(Code::PayloadTooLarge)),
            (&["gzip"], gzip(&" ".repeat(MAX_BODY).into_bytes()), Ok(vec![b' '; MAX_BODY].into())),
        ];
        for (codings, body, want) in table {
            assert!(read(codings, body).await == want, "{codings:?}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(
            read_body(HttpBody::from(vec![b' '; MAX_BODY]), MAX_BODY).await.unwrap().len(),
            MAX_BODY
        );
        let accepted =
            read_body(HttpBody::from(vec![b' '; MAX_BODY + 1]), MAX_BODY).await.unwrap_err();
        assert_eq!(accepted.code, Code::PayloadTooLarge);
        let chunks = (0..65).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1024])));
        let unknown = HttpBody::from_stream(tokio_stream::iter(chunks));
        assert_eq!(read_body(unknown, MAX_BODY).await.unwrap_err().code, Code::PayloadTooLarge);
        let broken = [Err::<Bytes, _>(std::io::Error::other("gone"))];
        let broken = HttpBody::from_stream(tokio_stream::iter(broken));
        assert_eq!(read_body(broken, MAX_BODY).await.unwrap_err().code, Code::InvalidRequest);
    }

    #[tokio::test]
    async fn a_mark_before_the_json_is_passed_over() {
        let marked = &b"\xEF\xBB\xBF{}"[..];
        assert_eq!(read(&[], marked).await, Ok(Bytes::from_static(b"{}")));
        assert_eq!(read(&["gzip"], gzip(marked)).await, Ok(Bytes::from_static(b"{}")));
        assert_eq!(read(&[], &b"\xEF\xBB\xBF"[..]).await, Ok(Bytes::new()));
    }
}
