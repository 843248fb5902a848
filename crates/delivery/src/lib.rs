//! Messages to receivers elsewhere: signed, in order, at least once.
//!
//! Knows receivers, signatures, attempts and files. What a message says, and who may have it sent
//! where, is the business of whoever gives it: see [`Source`].
//!
//! A [`Registry`] has the webhooks of a data directory. Each has a task of its own ([`run`]) that
//! asks its source for what comes after its [`Position`], sends one message after the other
//! ([`Poster`]), and records every attempt (`schemas/webhooks.md`).

mod address;
mod attempt;
mod attempt_file;
mod backoff;
mod connection;
mod definition;
mod outcome;
mod poster;
mod registry;
mod secret;
mod signing;
mod target;
mod tls;
mod webhook;
mod webhook_id;
mod worker;

pub use address::AddressRules;
pub use attempt::{Attempt, Mark, Position};
pub use definition::{Definition, Idempotency, NewWebhook};
pub use outcome::{Outcome, OutcomeKind};
pub use poster::{Poster, PosterOptions};
pub use registry::{Created, OpenError, Refusal, Registry, RegistryOptions, Stats};
pub use secret::{InvalidSecret, Secret};
pub use signing::{SigningKey, sign};
pub use target::{InvalidTarget, Target};
pub use tls::{CaError, tls_config};
pub use webhook::{Status, StatusKind, Webhook};
pub use webhook_id::{InvalidId, WebhookId};
pub use worker::{Courier, Message, Next, Source, run};

/// The present moment in microseconds since 1970. The caller's clock: this crate has none.
pub type Now = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;
