//! `keyledger keys update`

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Map, Value, json};

use super::output::print_key;
use super::request::{Body, Care, path};
use crate::client::{Call, Client};
use crate::exit::{Exit, misuse};
use crate::option_values::{duration, pair, quota, rate_limit};
use crate::options::{Json, Remote};
use crate::print;

/// Edit a key; its secret stays the same
#[derive(Args, Debug)]
#[command(after_help = "\
What is not named stays as it is. An empty text clears: --description '' or --role ''. Permissions and
tags are added and taken out one by one, at the revision that the key has when it is read.

Examples:
  keyledger keys update ID --name nightly --tag batch
  keyledger keys update ID --add-permission orders.read --remove-permission 'orders.*'
  keyledger keys update ID --ttl 90d
  keyledger keys update ID --rate-limit 10/1s --no-quota
  keyledger keys update ID --never-expires --metadata team=data --unset-metadata old")]
pub(super) struct Update {
    /// The key's id
    id: String,
    /// Its display name
    #[arg(long)]
    name: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// A role that your services understand
    #[arg(long)]
    role: Option<String>,
    /// Let it do this too; may be given more than once
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    add_permission: Vec<String>,
    /// Let it not do this any more; may be given more than once
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    remove_permission: Vec<String>,
    /// The only project it works on
    #[arg(long)]
    project: Option<String>,
    /// The addresses and networks it may be used from, instead of those so far; '' is anywhere
    #[arg(long = "allow-ip", value_name = "CIDR", value_delimiter = ',')]
    allowed_ips: Vec<String>,
    /// When it ends, as in 2030-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", conflicts_with_all = ["ttl", "never_expires"])]
    expires_at: Option<String>,
    /// How long it is good for from now on, as in 30s, 15m, 1h or 7d
    #[arg(long, value_parser = duration, conflicts_with = "never_expires")]
    ttl: Option<Duration>,
    /// Let it have no end
    #[arg(long)]
    never_expires: bool,
    /// How often it may be used on one UTC day; 0 is any number
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["quota", "no_quota"])]
    daily_limit: Option<u32>,
    /// How often in how long it may be used, spread evenly, as in 100/60s
    #[arg(long, value_name = "COUNT/TIME", value_parser = rate_limit, conflicts_with = "no_rate_limit")]
    rate_limit: Option<Value>,
    /// Let it be used as often as anybody likes
    #[arg(long)]
    no_rate_limit: bool,
    /// How often it may be used in a UTC day or month, or at all, as in 1000/day, 1000/month or 1000/total
    #[arg(long, value_name = "COUNT/PERIOD", value_parser = quota, conflicts_with = "no_quota")]
    quota: Option<Value>,
    /// Let it be used any number of times
    #[arg(long)]
    no_quota: bool,
    /// A pair of your own to set, as in team=data; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// A pair of your own to take out; may be given more than once
    #[arg(long, value_name = "NAME")]
    unset_metadata: Vec<String>,
    /// A word to find it by; may be given more than once
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    tag: Vec<String>,
    /// A word that it is not to be found by any more; may be given more than once
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    untag: Vec<String>,
    /// The subject it belongs to
    #[arg(long)]
    owner: Option<String>,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Only if the key is at this revision
    #[arg(long, value_name = "REVISION")]
    if_match: Option<u32>,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

impl Update {
    /// Whether the key has to be read first: a patch names whole lists.
    fn changes_a_list(&self) -> bool {
        [&self.add_permission, &self.remove_permission, &self.tag, &self.untag]
            .iter()
            .any(|list| !list.is_empty())
    }

    /// What is to change, but for the lists.
    fn patch(&self) -> Body {
        let text = |text: &Option<String>| {
            text.clone().map(|text| if text.is_empty() { Value::Null } else { text.into() })
        };
        let ips: Vec<_> = self.allowed_ips.iter().filter(|ip| !ip.is_empty()).cloned().collect();
        let set = self.metadata.iter().map(|(name, value)| (name.clone(), json!(value)));
        let unset = self.unset_metadata.iter().map(|name| (name.clone(), Value::Null));
        let metadata: Map<String, Value> = set.chain(unset).collect();
        Body::default()
            .with("name", self.name.clone())
            .with("description", text(&self.description))
            .with("role", text(&self.role))
            .with("project", text(&self.project))
            .with("allowed_ips", (!self.allowed_ips.is_empty()).then_some(ips))
            .with("expires_at", self.expires_at.clone())
            .with("expires_at", self.never_expires.then_some(Value::Null))
            .with("ttl_s", self.ttl.map(|ttl| ttl.as_secs()))
            .with(
                "daily_limit",
                self.daily_limit.map(|n| if n == 0 { Value::Null } else { n.into() }),
            )
            .with("rate_limit", self.rate_limit.clone())
            .with("rate_limit", self.no_rate_limit.then_some(Value::Null))
            .with("quota", self.quota.clone())
            .with("quota", self.no_quota.then_some(Value::Null))
            .with("metadata", (!metadata.is_empty()).then_some(Value::Object(metadata)))
            .with("owner", self.owner.clone())
    }
}

/// A list of the key with words added and taken out.
fn edited(key: &Value, name: &str, add: &[String], remove: &[String]) -> Vec<String> {
    let texts = key.get(name).and_then(Value::as_array).into_iter().flatten();
    let texts = texts.filter_map(Value::as_str).map(str::to_owned);
    let mut list: Vec<String> = texts.filter(|text| !remove.contains(text)).collect();
    for text in add {
        if !list.contains(text) {
            list.push(text.clone());
        }
    }
    list
}

pub(super) fn run(options: &Update) -> Result<Exit> {
    let (mut body, mut revision) = (options.patch(), options.if_match);
    if body.is_empty() && !options.changes_a_list() {
        return Err(misuse("there is nothing to change: say what, as with --name or --ttl"));
    }
    body = body.with("reason", options.reason.clone());
    let client = Client::new(&options.remote)?;
    if options.changes_a_list() {
        let key = client.call(Call::get(path(&options.id, "")))?;
        let found = key.get("revision").and_then(Value::as_u64).context("a key has a revision")?;
        revision = revision.or(u32::try_from(found).ok());
        if !options.add_permission.is_empty() || !options.remove_permission.is_empty() {
            let (add, remove) = (&options.add_permission, &options.remove_permission);
            body = body.with("permissions", Some(edited(&key, "permissions", add, remove)));
        }
        if !options.tag.is_empty() || !options.untag.is_empty() {
            body = body.with("tags", Some(edited(&key, "tags", &options.tag, &options.untag)));
        }
    }
    let body = body.done();
    let call = Call::patch(path(&options.id, ""), &body)
        .header("if-match", revision.map(|revision| format!("\"{revision}\"")));
    let response = client.call(options.care.apply(call))?;
    if options.json.json {
        print::json(&response)?;
    } else {
        print_key(response.get("key").unwrap_or(&response))?;
    }
    Ok(Exit::Fine)
}
