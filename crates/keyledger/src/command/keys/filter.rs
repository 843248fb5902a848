//! Which keys a command is about.

use clap::Args;
use keys::{Environment, Kind, Status, Timestamp};
use serde_json::Value;

use super::request::Body;
use crate::client::Call;
use crate::option_values::{one_of, pair, past};

/// Which keys; what is not named does not matter.
#[derive(Args, Debug)]
pub(super) struct Filter {
    /// Their status
    #[arg(long, value_parser = one_of(Status::ALL))]
    status: Option<String>,
    /// Their environment
    #[arg(long, value_parser = one_of(Environment::ALL))]
    environment: Option<String>,
    /// Their kind
    #[arg(long, value_parser = one_of(Kind::ALL))]
    kind: Option<String>,
    /// The subject they belong to
    #[arg(long)]
    owner: Option<String>,
    /// The project they work on
    #[arg(long)]
    project: Option<String>,
    /// Their role
    #[arg(long)]
    role: Option<String>,
    /// What their shown prefix begins with
    #[arg(long)]
    prefix: Option<String>,
    /// A part of their name or description
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// A pair that they have; several are given one by one
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// A tag that they have; several are given one by one
    #[arg(long)]
    tag: Vec<String>,
    /// Only those that end before this
    #[arg(long, value_name = "TIME")]
    expires_before: Option<String>,
    /// Only those that were made before this and not used since: a time, or how long ago
    #[arg(long, value_name = "AGE|TIME", value_parser = past)]
    unused_since: Option<Timestamp>,
    /// Only those that were never used
    #[arg(long)]
    never_used: bool,
    /// The account they belong to
    #[arg(long)]
    account: Option<String>,
}

impl Filter {
    /// The same as JSON, with what is named alone.
    pub(super) fn body(&self) -> Value {
        let unused_since = self.unused_since.map(|since| since.to_string());
        Body::default()
            .with("status", self.status.clone())
            .with("environment", self.environment.clone())
            .with("kind", self.kind.clone())
            .with("owner", self.owner.clone())
            .with("project", self.project.clone())
            .with("role", self.role.clone())
            .with("prefix", self.prefix.clone())
            .with("q", self.q.clone())
            .with("expires_before", self.expires_before.clone())
            .with("unused_since", unused_since)
            .with("never_used", self.never_used.then_some(true))
            .with("account", self.account.clone())
            .list("tag", &self.tag)
            .pairs("metadata", &self.metadata)
            .done()
    }

    /// Adds it to the query of `call`.
    pub(super) fn query(&self, call: Call<'static>) -> Call<'static> {
        let call = call
            .query("status", self.status.as_ref())
            .query("environment", self.environment.as_ref())
            .query("kind", self.kind.as_ref())
            .query("owner", self.owner.as_ref())
            .query("project", self.project.as_ref())
            .query("role", self.role.as_ref())
            .query("prefix", self.prefix.as_ref())
            .query("q", self.q.as_ref())
            .query("expires_before", self.expires_before.as_ref())
            .query("unused_since", self.unused_since)
            .query("never_used", self.never_used.then_some(true))
            .query("account", self.account.as_ref());
        let call = self.tag.iter().fold(call, |call, tag| call.query("tag", Some(tag)));
        self.metadata
            .iter()
            .fold(call, |call, (name, value)| call.query(format!("metadata.{name}"), Some(value)))
    }
}
