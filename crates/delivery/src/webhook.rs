//! A webhook: what it is, how far it is, and how a message is sent to it.

use std::sync::Arc;

use crate::Now;
use crate::definition::Definition;
use crate::outcome::Outcome;
use crate::poster::{Line, Poster};
use crate::progress::Progress;
use crate::signing::{SigningKey, sign};
use crate::webhook_id::WebhookId;
use crate::worker::{Channel, Message};

/// A webhook.
pub struct Webhook {
    /// What it is.
    pub definition: Definition,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Whether this process made it: the request that did can be given its secret again.
    pub(crate) made_here: bool,
}

impl Webhook {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> WebhookId {
        self.definition.id
    }
}

/// Posts the messages of a webhook, each signed (Standard Webhooks).
pub struct WebhookChannel {
    webhook: Arc<Webhook>,
    poster: Arc<Poster>,
    key: Arc<SigningKey>,
    now: Now,
    line: Line,
}

impl WebhookChannel {
    /// That of `webhook`. `key` signs beside the webhook's own secret.
    #[must_use]
    pub fn new(
        webhook: Arc<Webhook>,
        poster: Arc<Poster>,
        key: Arc<SigningKey>,
        now: Now,
    ) -> WebhookChannel {
        WebhookChannel { webhook, poster, key, now, line: Line::default() }
    }

    async fn post(&mut self, message: &Message) -> Outcome {
        let definition = &self.webhook.definition;
        let timestamp = (self.now)().div_euclid(1_000_000);
        let body = message.body.clone();
        let signature = sign(&definition.secret, &self.key, &message.id, timestamp, &body);
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", message.id.as_str()),
            ("webhook-timestamp", &timestamp.to_string()),
            ("webhook-signature", &signature),
        ];
        self.poster.post(&mut self.line, &definition.target, &headers, body).await
    }
}

impl Channel for WebhookChannel {
    fn most(&self) -> usize {
        1
    }

    async fn send(&mut self, messages: &[Message]) -> Outcome {
        match messages {
            [message] => self.post(message).await,
            // Nothing to send is sent.
            _ => Outcome::of_status(204),
        }
    }
}
