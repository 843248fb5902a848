//! Messages to receivers elsewhere: signed, in order, at least once.
//!
//! Knows receivers, signatures, attempts and files. What a message says, and who may have it sent
//! where, is the business of whoever gives it: see [`Source`].
//!
//! Each receiver has a task of its own ([`run`]) that asks its source for what comes after its
//! [`Position`], sends it over a [`Channel`], and records every attempt (`schemas/webhooks.md`). A
//! [`Registry`] has the webhooks of a data directory; a [`Sink`] is where an operator has all sent.

mod address;
mod attempt;
mod attempt_file;
mod backoff;
mod connection;
mod definition;
mod deleted;
mod idempotency;
mod outcome;
mod poster;
mod progress;
mod registry;
mod secret;
mod signing;
mod sink;
mod target;
mod tls;
mod webhook;
mod webhook_id;
mod worker;

pub use address::AddressRules;
pub use attempt::{Attempt, Mark, Position};
pub use connection::Answer;
pub use definition::{Definition, NewWebhook};
pub use idempotency::Idempotency;
pub use outcome::{Outcome, OutcomeKind};
pub use poster::{Line, Poster, PosterOptions};
pub use progress::{Progress, Stats, Status, StatusKind};
pub use registry::{Changed, Created, OpenError, Refusal, Registry, RegistryOptions};
pub use secret::{InvalidSecret, Secret};
pub use signing::{SigningKey, sign, sign_by_secret};
pub use sink::{InvalidSink, Sink, SinkChannel, SinkFormat, SinkSpec};
pub use target::{InvalidTarget, Target};
pub use tls::{CaError, tls_config};
pub use webhook::{Webhook, WebhookChannel};
pub use webhook_id::{InvalidId, WebhookId};
pub use worker::{Channel, Message, Next, Source, Terms, run};

/// The present moment in microseconds since 1970. The caller's clock: this crate has none.
pub type Now = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;
