//! `keyledger keys create`

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use keys::{Environment, Kind};
use serde_json::Value;

use super::output::print_new;
use super::request::{Body, Care};
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::option_values::{duration, one_of, pair, quota, rate_limit};
use crate::options::{Json, Remote};
use crate::print;

/// Make a key; its secret is shown once, on the last line
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger keys create --name ci --permission orders.read --ttl 90d
  keyledger keys create --name shop --rate-limit 100/60s --quota 100000/month
  keyledger keys create --name web --kind public --environment sandbox
  keyledger keys create --name batch --allow-ip 10.0.0.0/8 --metadata team=data --dry-run")]
pub(super) struct Create {
    /// Its display name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    attributes: Attributes,
    /// `secret`, or `public` for a key that may be in a web page
    #[arg(long, value_parser = one_of(Kind::ALL))]
    kind: Option<String>,
    /// What it is for
    #[arg(long, value_parser = one_of(Environment::ALL))]
    environment: Option<String>,
    /// The subject it belongs to; you, if you do not say
    #[arg(long)]
    owner: Option<String>,
    /// The account it belongs to; needed when your token is for all of them
    #[arg(long)]
    account: Option<String>,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

/// What a new key has, whether it is the first or takes another one's place.
#[derive(Args, Debug)]
pub(super) struct Attributes {
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// A role that your services understand
    #[arg(long)]
    role: Option<String>,
    /// What it may do, as in `orders.read` or `orders.*`; may be given more than once
    #[arg(long = "permission", value_name = "PERMISSION", value_delimiter = ',')]
    permissions: Vec<String>,
    /// The only project it works on
    #[arg(long)]
    project: Option<String>,
    /// An address or network it may be used from; may be given more than once
    #[arg(long = "allow-ip", value_name = "CIDR", value_delimiter = ',')]
    allowed_ips: Vec<String>,
    /// When it ends, as in 2030-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", conflicts_with = "ttl")]
    expires_at: Option<String>,
    /// How long it is good for, as in 30s, 15m, 1h or 7d
    #[arg(long, value_parser = duration)]
    ttl: Option<Duration>,
    /// How often it may be used on one UTC day: short for --quota COUNT/day
    #[arg(long, value_name = "COUNT", conflicts_with = "quota")]
    daily_limit: Option<u32>,
    /// How often in how long it may be used, spread evenly, as in 100/60s
    #[arg(long, value_name = "COUNT/TIME", value_parser = rate_limit)]
    rate_limit: Option<Value>,
    /// How often it may be used in a UTC day or month, or at all, as in 1000/day, 1000/month or 1000/total
    #[arg(long, value_name = "COUNT/PERIOD", value_parser = quota)]
    quota: Option<Value>,
    /// A pair of your own, as in team=data; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// A word to find it by; may be given more than once
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',')]
    tags: Vec<String>,
}

impl Attributes {
    pub(super) fn body(&self) -> Body {
        Body::default()
            .with("description", self.description.clone())
            .with("role", self.role.clone())
            .list("permissions", &self.permissions)
            .with("project", self.project.clone())
            .list("allowed_ips", &self.allowed_ips)
            .with("expires_at", self.expires_at.clone())
            .with("ttl_s", self.ttl.map(|ttl| ttl.as_secs()))
            .with("daily_limit", self.daily_limit)
            .with("rate_limit", self.rate_limit.clone())
            .with("quota", self.quota.clone())
            .pairs("metadata", &self.metadata)
            .list("tags", &self.tags)
    }
}

pub(super) fn run(options: &Create) -> Result<Exit> {
    let body = options
        .attributes
        .body()
        .with("name", Some(options.name.clone()))
        .with("kind", options.kind.clone())
        .with("environment", options.environment.clone())
        .with("owner", options.owner.clone())
        .with("account", options.account.clone())
        .with("reason", options.reason.clone())
        .done();
    let client = Client::new(&options.remote)?;
    let answer = client.call(options.care.apply(Call::post("/v1/keys", &body)))?;
    if options.json.json {
        print::json(&answer)?;
    } else {
        print_new(&answer)?;
    }
    Ok(Exit::Fine)
}
