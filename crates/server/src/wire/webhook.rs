//! Webhooks in requests and answers.

use delivery::{Attempt, Secret, Status, Target, Webhook, WebhookId};
use keys::{Account, Subject, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::text::{Text, Time};
use super::words;
use crate::error::ApiError;
use crate::request::extract::parse;
use crate::webhooks::EventKinds;

/// A webhook that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateWebhook {
    /// Where to post: `https`, or `http` to networks that the operator allowed.
    #[schema(min_length = 1, max_length = 2048, format = "uri")]
    url: String,
    /// What to hear of.
    #[schema(value_type = Vec<words::WebhookEvent>, min_items = 1, max_items = 16)]
    events: Vec<String>,
    /// The account whose keys it is about; for tokens of all accounts, all if it is missing.
    #[schema(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// What signs the messages: `whsec_` and the base64 of 24 to 64 bytes. Made if it is missing.
    #[schema(min_length = 38, max_length = 94)]
    secret: Option<String>,
}

/// The fields of [`CreateWebhook`], checked.
pub(crate) struct CheckedWebhook {
    pub(crate) target: Target,
    pub(crate) events: Vec<String>,
    pub(crate) account: Option<Account>,
    pub(crate) secret: Option<Secret>,
}

impl CreateWebhook {
    pub(crate) fn checked(self) -> Result<CheckedWebhook, ApiError> {
        let refused = |field, why: &dyn std::fmt::Display| ApiError::field(field, why.to_string());
        let secret = self.secret.map(Zeroizing::new);
        let secret = secret.map(|text| text.parse::<Secret>()).transpose();
        let mut events = self.events;
        let words = EventKinds::words().join(" ");
        if events.is_empty() || EventKinds::parse(&events).is_none() {
            return Err(ApiError::field("events", format!("must be some of: {words}")));
        }
        events.sort_unstable();
        events.dedup();
        Ok(CheckedWebhook {
            target: self.url.parse().map_err(|why| refused("url", &why))?,
            events,
            account: parse("account", self.account.as_deref())?,
            secret: secret.map_err(|why| refused("secret", &why))?,
        })
    }
}

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct ShownWebhook<'a> {
    /// Its id, a UUID version 7.
    #[schema(value_type = String, format = "uuid")]
    id: Text<WebhookId>,
    /// Where it posts.
    #[schema(format = "uri")]
    url: String,
    /// What it hears of.
    #[schema(value_type = Vec<words::WebhookEvent>)]
    events: &'a [String],
    /// The account whose keys it is about; null is all.
    #[schema(required)]
    account: Option<&'a str>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// The subject that made it.
    created_by: String,
    /// Whether its receiver takes messages: `failing` is one that was given up, until a replay.
    #[schema(value_type = words::WebhookStatus)]
    status: &'static str,
    /// The place in the log of the next event that is looked at.
    next_seq: u64,
    /// Whether everything was delivered that there is.
    is_idle: bool,
    /// Since when its receiver takes nothing; null if it does.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    failing_since: Option<Time>,
    /// How many attempts failed since then.
    failures: u32,
    /// When the next attempt is due; null if none has to wait.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    retry_at: Option<Time>,
    /// The last attempt; null if there was none.
    #[schema(required)]
    last_delivery: Option<Delivery>,
}

impl<'a> ShownWebhook<'a> {
    /// `maker` is who made it.
    pub(crate) fn new(webhook: &'a Webhook, maker: &Subject) -> ShownWebhook<'a> {
        let definition = &webhook.definition;
        let Status { kind, position, is_idle, failing_since, failures, retry_at, last } =
            webhook.progress.status();
        ShownWebhook {
            id: Text(definition.id),
            url: definition.target.to_string(),
            events: &definition.events,
            account: definition.account.as_deref(),
            created_at: time(definition.created_at),
            created_by: maker.as_str().to_owned(),
            status: kind.as_str(),
            next_seq: position.next,
            is_idle,
            failing_since: failing_since.map(time),
            failures,
            retry_at: retry_at.map(time),
            last_delivery: last.map(Delivery::new),
        }
    }
}

/// A new webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewWebhook<'a> {
    /// The webhook; null for a dry run.
    #[schema(required)]
    pub(crate) webhook: Option<ShownWebhook<'a>>,
    /// What signs its messages, shown once: null for a dry run and for a replay that came too late.
    #[schema(required)]
    pub(crate) secret: Option<&'a str>,
}

/// An attempt to deliver a message.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(crate) struct Delivery {
    /// The message's `webhook-id`, the same for each attempt.
    message: String,
    /// What the message is about.
    #[schema(value_type = words::WebhookEvent)]
    r#type: String,
    /// The event's place in the log; null for a reminder.
    #[schema(required)]
    seq: Option<u64>,
    /// Which attempt it was, since the receiver last took a message.
    #[schema(minimum = 1)]
    attempt: u32,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// How it ended.
    #[schema(value_type = words::DeliveryOutcome)]
    outcome: &'static str,
    /// The status of the answer; null if there was none.
    #[schema(required)]
    status: Option<u16>,
    /// How long it took, in milliseconds.
    took_ms: u64,
}

impl Delivery {
    pub(crate) fn new(attempt: Attempt) -> Delivery {
        Delivery {
            message: attempt.message,
            r#type: attempt.kind,
            seq: attempt.seq,
            attempt: attempt.number,
            at: time(attempt.at),
            outcome: attempt.outcome.as_str(),
            status: attempt.status,
            took_ms: attempt.took_ms,
        }
    }
}

/// The last attempts of a webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveries)]
pub(crate) struct Deliveries {
    /// At most 100, newest first.
    pub(crate) items: Vec<Delivery>,
}

fn time(micros: i64) -> Time {
    Time(Timestamp::from_micros(micros))
}
