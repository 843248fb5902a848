//! `keyledger token`: a token of the ledger's own, signed with its token key.
//!
//! It reads that one file and nothing else, so it works while the server runs.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use keys::{Account, Subject, Timestamp};
use ledger::{Clock as _, SystemClock};
use serde_json::json;
use server::token::{Claims, Roles, mint};

use crate::data_dir::token_key;
use crate::exit::{Exit, misuse};
use crate::option_values::duration;
use crate::options::{Data, Json, OwnTokens};
use crate::{print, random};

/// Make a token to call the service with
#[derive(Args, Debug)]
#[command(after_help = "\
The token is the last line that is printed. It needs the data directory, not the server.
`keyledger tokens` lists and ends tokens, and makes them over HTTP.

Examples:
  keyledger token --account acme --subject ann --role owner
  export KEYLEDGER_TOKEN=$(keyledger token --account acme --subject ann --role owner | tail -n 1)
  keyledger token --account acme --subject bob --role user
  keyledger token --account acme --subject gateway --role verifier --ttl 30d
  keyledger token --account '*' --subject root --role admin --ttl 10m")]
pub(crate) struct Token {
    #[command(flatten)]
    data: Data,
    /// The account whose keys it may touch; `*` is every account
    #[arg(long)]
    account: String,
    /// Who calls with it, as events will name them
    #[arg(long)]
    subject: String,
    /// What it may do; may be given more than once
    #[arg(long, required = true, value_delimiter = ',')]
    role: Vec<TokenRole>,
    /// The plan, for the dialects that know plans
    #[arg(long)]
    plan: Option<Plan>,
    /// How long it is good for, as in 30s, 15m, 1h or 7d
    #[arg(long, default_value = "1h", value_parser = duration)]
    ttl: Duration,
    #[command(flatten)]
    most: OwnTokens,
    #[command(flatten)]
    json: Json,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TokenRole {
    /// Everything with the keys and events of its account
    Owner,
    /// The same with the keys of its own subject alone
    User,
    /// Verify keys, nothing else
    Verifier,
    /// Read everything, change nothing
    Auditor,
    /// Record that keys are expired, nothing else
    Worker,
    /// Everything
    Admin,
}

/// What was paid for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Plan {
    Free,
    Pro,
    Team,
    Enterprise,
}

pub(crate) fn run(options: &Token) -> Result<Exit> {
    if options.account != "*" {
        options.account.parse::<Account>().map_err(|why| misuse(format!("--account {why}")))?;
    }
    let has = |wanted| options.role.iter().all(|role| *role == wanted);
    if options.account == "*" && has(TokenRole::User) {
        return Err(misuse("--role user is for one account"));
    }
    options.subject.parse::<Subject>().map_err(|why| misuse(format!("--subject {why}")))?;
    if options.ttl.is_zero() {
        return Err(misuse("--ttl must be longer than nothing"));
    }
    if options.ttl.as_secs() > options.most.max_ttl_s() {
        return Err(misuse(format!(
            "--ttl is longer than --max-token-ttl, {} s: the service would refuse the token; make a \
             new one before it ends, or give the service and this command a longer --max-token-ttl",
            options.most.max_ttl_s()
        )));
    }
    let key = token_key::read(&options.data.data, options.data.secrets.exposed())?;
    let now = SystemClock::default().now();
    let expires = Timestamp::from_secs(now.plus_secs(options.ttl.as_secs()).seconds());
    let jti = random::bytes::<16>()?;
    let claims = Claims {
        sub: options.subject.clone(),
        account: options.account.clone(),
        role: Roles::Many(options.role.iter().filter_map(word).collect()),
        plan: options.plan.as_ref().and_then(word),
        iat: now,
        nbf: None,
        exp: expires.seconds(),
        jti: hex::encode(*jti),
    };
    let token = mint(&key, &claims);
    if options.json.json {
        let expires = expires.to_seconds_text();
        let jti = claims.jti;
        print::json(&json!({ "token": token, "expires_at": expires, "jti": jti }))?;
    } else {
        print::line(token)?;
    }
    Ok(Exit::Fine)
}

/// The word that the command line and the claim have for a value.
fn word(value: &impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|word| word.get_name().to_owned())
}
