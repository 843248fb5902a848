//! How an API writes its errors: the native one as problems (RFC 9457), a dialect in its own form.
//!
//! A handler fails with an [`ApiError`]; the request layer has it written, because it alone knows
//! the route that failed and the request's id.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::error::{ApiError, Problem};
use crate::wire;

/// The form of an API's errors.
#[derive(Clone, Copy)]
pub(crate) struct ErrorForm {
    /// The media type of the body.
    pub(crate) content_type: &'static str,
    /// The status and the body of an error, by the error and the request's id.
    pub(crate) write: fn(&ApiError, &str) -> (StatusCode, Vec<u8>),
}

/// The native form: `application/problem+json`.
pub(crate) const PROBLEM: ErrorForm =
    ErrorForm { content_type: "application/problem+json", write: write_problem };

impl ErrorForm {
    /// Writes `error` as the answer's body. Its other headers stay.
    #[cold]
    pub(crate) fn apply(self, response: &mut Response, error: &ApiError, request_id: &str) {
        let (status, text) = (self.write)(error, request_id);
        *response.status_mut() = status;
        *response.body_mut() = Body::from(text);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn write_problem(error: &ApiError, request_id: &str) -> (StatusCode, Vec<u8>) {
    (error.code.status(), problem_text(error, request_id).into_bytes())
}

/// A problem, on a line of its own.
pub(super) fn problem_text(error: &ApiError, request_id: &str) -> String {
    wire::to_json(&Problem::new(error, request_id)) + "\n"
}
