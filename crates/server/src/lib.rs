//! HTTP and JSON: the native API.
//!
//! The only place that knows either. A handler parses, asks the ledger and answers; what is
//! allowed with a key is decided elsewhere, and there is no path to the log but the ledger's
//! methods, each of which takes a caller.
//!
//! `http` serves connections and knows no resource, `request` reads what a request says, `routes`
//! has a file for each resource, `dialects` one for each dialect, and `router` puts them together.

mod accounts_file;
mod app;
pub mod auth;
mod dialects;
mod error;
mod export;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod import;
mod metrics;
mod openapi;
mod reads;
mod request;
mod router;
mod routes;
mod stamps;
mod stream;
mod watched_file;
mod webhooks;
mod wire;
mod witnesses;

pub use crate::accounts_file::AccountsFile;
pub use crate::app::{App, Config};
pub use crate::auth::{Auth, token};
pub use crate::error::{ApiError, Code, Problem};
pub use crate::export::bundle::{Aside, Bundle, EXPORTS};
pub use crate::http::serve::{Limits, serve};
pub use crate::http::service::HttpService;
pub use crate::openapi::document as openapi;
pub use crate::request::forwarded::ForwardedHeader;
pub use crate::router::{authorize_router, metrics_router, router};
pub use crate::routes::authorize::presented::KeyHeader;
pub use crate::stamps::{Authority, StampError, Stamps, StoredError, keep_stamping};
pub use crate::watched_file::{FileError, read_file, watch_file};
pub use crate::webhooks::{Sinks, WebhookOptions, Webhooks, deliver_webhooks, first_marks};
pub use crate::witnesses::{
    InvalidWitness, WitnessOptions, WitnessSpec, Witnesses, gather_cosignatures,
};
