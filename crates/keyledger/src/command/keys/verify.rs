//! `keyledger keys verify`

mod lines;

use anyhow::{Context as _, Result};
use clap::Args;
use keys::Environment;
use serde_json::{Value, json};

use super::output::print_key;
use super::presented::presented;
use super::request::Body;
use crate::client::{Call, Client};
use crate::exit::Exit;
use crate::option_values::one_of;
use crate::options::{Json, LookBack, Remote};
use crate::print::{self, cell};

/// Ask whether a key may be used, or might have been; exit code 1 if not
#[derive(Args, Debug)]
#[command(after_help = "\
With --as-of, for auditors and admins, it says whether the key would have been good then. Uses are
not in the log: that counts none, and knows of no rate limit and no quota.

Examples:
  keyledger keys verify - < key.txt
  keyledger keys verify - --as-of 2026-01-02T14:03:00Z < key.txt
  keyledger keys verify - --permission orders.read --ip 203.0.113.7 < key.txt
  keyledger keys verify - --permission orders.read --any-of jobs.run,jobs.admin < key.txt
  keyledger keys verify --lines < keys.txt")]
pub(super) struct Verify {
    /// The key, or `-` to read it from stdin, where no list of processes shows it
    #[arg(required_unless_present = "lines")]
    key: Option<String>,
    /// Read many keys from stdin, one a line; exit code 1 if any of them may not be used
    #[arg(long, conflicts_with = "key")]
    lines: bool,
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    moment: LookBack,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

/// What keys are to be used for.
#[derive(Args, Debug)]
#[command(next_help_heading = "What it is to be used for")]
struct Question {
    /// A permission that is needed, as in `orders.read`
    #[arg(long)]
    permission: Option<String>,
    /// Permissions that are all needed
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',')]
    all_of: Vec<String>,
    /// Permissions of which one is needed
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',')]
    any_of: Vec<String>,
    /// The address it is used from
    #[arg(long)]
    ip: Option<String>,
    /// The project it is used on
    #[arg(long)]
    project: Option<String>,
    /// The environment it is used in
    #[arg(long, value_parser = one_of(Environment::ALL))]
    environment: Option<String>,
    /// How many uses it counts as, 1 if you do not say; 0 only asks
    #[arg(long, value_name = "COUNT")]
    cost: Option<u32>,
}

impl Question {
    /// The body that asks it about `key`.
    fn of(&self, key: &str) -> Body {
        Body::default()
            .with("key", Some(key))
            .with("permission", self.needed())
            .with("ip", self.ip.clone())
            .with("project", self.project.clone())
            .with("environment", self.environment.clone())
            .with("cost", self.cost)
    }

    /// All that is needed, together.
    fn needed(&self) -> Option<Value> {
        let texts = self.permission.iter().chain(&self.all_of);
        let mut needed: Vec<Value> = texts.map(|text| text.as_str().into()).collect();
        if !self.any_of.is_empty() {
            needed.push(json!({ "any": self.any_of }));
        }
        if needed.len() > 1 { Some(json!({ "all": needed })) } else { needed.pop() }
    }
}

pub(super) fn run(options: &Verify) -> Result<Exit> {
    let Some(key) = &options.key else { return lines::run(options) };
    let body = options.question.of(&presented(key)?).done();
    let call = Call::post("/v1/keys/verify", &body).query("as_of", options.moment.as_of);
    let answer = Client::new(&options.remote)?.call(call)?;
    let valid = is_valid(&answer)?;
    if options.json.json {
        print::json(&answer)?;
    } else {
        print::line(cell(&answer, "/code"))?;
        print_key(answer.get("key").unwrap_or(&Value::Null))?;
        let limits = ["retry_after_ms", "rate_limit", "quota"].into_iter();
        let limits = limits.filter_map(|name| Some((name.to_owned(), answer.get(name)?.clone())));
        print_key(&Value::Object(limits.collect()))?;
    }
    Ok(if valid { Exit::Fine } else { Exit::Bad })
}

fn is_valid(answer: &Value) -> Result<bool> {
    answer.get("valid").and_then(Value::as_bool).context("there is no verdict")
}
