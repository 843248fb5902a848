//! `/`: where the rest is.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::request::negotiate::choose;
use crate::wire;

/// Where the rest is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Home {
    /// The API as a page.
    docs: &'static str,
    /// The API as a document.
    openapi: &'static str,
}

/// Says where the API is described
///
/// A browser, which asks for `text/html`, is led to `/docs` (303).
#[utoipa::path(
    get,
    path = "/",
    operation_id = "home",
    tag = "operations",
    security(()),
    responses(
        (status = 200, description = "Where the API is described", body = Home),
        (
            status = 303,
            description = "For a browser",
            headers(
                ("Location" = String, description = "The API as a page"),
                ("X-Request-Id" = String, description = "Names this answer"),
            ),
        ),
    ),
)]
pub(crate) async fn home(headers: HeaderMap) -> Response {
    let wants_page = choose(&headers, &["application/json", "text/html"]).is_ok_and(|at| at == 1);
    let mut response = if wants_page {
        Redirect::to("/docs").into_response()
    } else {
        wire::json(StatusCode::OK, &Home { docs: "/docs", openapi: "/openapi.json" })
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}
