//! `keyledger subjects hold` and `release`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::path;
use crate::client::{Call, Client};
use crate::command::keys::request::{Body, Once};
use crate::exit::Exit;
use crate::options::{Json, Remote};
use crate::print::{self, cell};

/// Forbid that a person is erased
#[derive(Args, Debug)]
#[command(after_help = "\
There may be several holds; each is released on its own.

Examples:
  keyledger subjects hold ann@example.com --reason 'court order 12/34'")]
pub(super) struct Hold {
    #[command(flatten)]
    common: Common,
}

/// Release a hold
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger subjects release ann@example.com
  keyledger subjects release ann@example.com --hold 4f0c6e2a8d1b47c09a3e5d7f1b2c4d6e")]
pub(super) struct Release {
    #[command(flatten)]
    common: Common,
    /// Which hold; needed where there are several
    #[arg(long, value_name = "ID")]
    hold: Option<String>,
}

/// What both have.
#[derive(Args, Debug)]
struct Common {
    /// Who it is
    subject: String,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long, env = "KEYLEDGER_DRY_RUN")]
    dry_run: bool,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

impl Common {
    fn send(&self, action: &str, body: Body, shown: &str) -> Result<Exit> {
        let body = body.with("reason", self.reason.clone()).done();
        let call = Call::post(path(&self.subject, action), &body);
        let call = call.query("dry_run", self.dry_run.then_some(true));
        let answer = Client::new(&self.remote)?.call(self.once.apply(call))?;
        if self.json.json {
            print::json(&answer)?;
        } else {
            let hold = answer.get(shown).and_then(Value::as_object);
            for (name, value) in hold.into_iter().flatten() {
                print::line(format!("{name:<14} {}", cell(value, "")))?;
            }
        }
        Ok(Exit::Fine)
    }
}

pub(super) fn hold(options: &Hold) -> Result<Exit> {
    options.common.send("/hold", Body::default(), "hold")
}

pub(super) fn release(options: &Release) -> Result<Exit> {
    let body = Body::default().with("hold", options.hold.clone());
    options.common.send("/release", body, "released")
}
