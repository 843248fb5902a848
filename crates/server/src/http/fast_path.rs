//! The way past the router, for a `POST` that is sent very often: verify, and making a key.
//!
//! Through the router a request passes a second match of its path, a boxed clone of the route's
//! service, the extensions in which its parameters and its context wait, and the handler's own
//! boxed future. Past it there is one boxed future. `benches/requests.rs` measures both; the tests
//! of `router` hold every answer equal. The router has the same handlers: a route without a fast
//! path is slower, and nothing else.

use std::pin::Pin;

use axum::extract::Request;
use axum::response::Response;

use crate::app::App;
use crate::request::context::HttpContext;

/// Answers a `POST` to its route without the router.
pub(crate) type FastPath = for<'a> fn(&'a App, Request, &'a HttpContext) -> FastAnswer<'a>;

/// An answer that is being made.
pub(crate) type FastAnswer<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;
