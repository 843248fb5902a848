//! `keyledger worker`: makes a server record that keys are expired.
//!
//! Nothing depends on it: a key is denied from its due time on whether or not this runs. It may
//! run beside the server's own worker, and more than once.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use keys::Timestamp;
use ledger::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::client::{Call, Client, Refused};
use crate::exit::{Exit, Failure};
use crate::option_values::duration;
use crate::options::{Json, Remote};
use crate::print;

/// Record from outside that keys are expired
#[derive(Args, Debug)]
#[command(after_help = "\
It needs a token of role worker or admin. Run the server with --no-worker to leave the work to it.

Examples:
  keyledger worker --token-file worker.jwt
  keyledger worker --url https://keys.example.com --token-file worker.jwt --interval 1s")]
pub(crate) struct Worker {
    /// The longest wait between two looks, as in 5s
    #[arg(long, default_value = "5s", value_parser = duration)]
    interval: Duration,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

/// The most keys of one request.
const LIMIT: u64 = 1_000;
/// The shortest wait: this clock may be ahead of the server's.
const MIN_WAIT: Duration = Duration::from_millis(50);
/// The longest wait for a server that is not there.
const MAX_WAIT: Duration = Duration::from_secs(60);

pub(crate) fn run(options: &Worker) -> Result<Exit> {
    let client = Client::new(&options.remote)?;
    let stop = stop_signal()?;
    let clock = SystemClock::default();
    let mut failures = 0;
    loop {
        let wait = match client.call(Call::post("/v1/expirations", &json!({ "limit": LIMIT }))) {
            Ok(answer) => {
                failures = 0;
                report(&answer, options.json.json)?;
                wait_after(&answer, clock.now(), options.interval)
            }
            Err(error) if is_temporary(&error) => {
                failures += 1;
                let wait = back_off(failures, options.interval);
                print::error(format_args!("{error:#}; trying again in {} s", wait.as_secs()));
                wait
            }
            Err(error) => return Err(error),
        };
        match stop.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(Exit::Fine),
        }
    }
}

/// Whether another attempt may succeed: the server is unreachable, overloaded or broken for now.
fn is_temporary(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Failure::Unreachable(_)))
        || error.downcast_ref::<Refused>().is_some_and(|refused| refused.status >= 500)
}

fn report(answer: &Value, as_json: bool) -> Result<()> {
    let expired = answer.get("expired").and_then(Value::as_array).context("no list of keys")?;
    if expired.is_empty() {
        return Ok(());
    }
    if as_json {
        return print::json_line(answer);
    }
    expired.iter().try_for_each(|id| print::line(format!("expired {}", print::cell(id, ""))))
}

/// How long to wait after an answer: not at all while there is more, else until the next key is
/// due, and never longer than `interval`.
fn wait_after(answer: &Value, now: Timestamp, interval: Duration) -> Duration {
    if answer.get("more").and_then(Value::as_bool) == Some(true) {
        return Duration::ZERO;
    }
    let due = answer.get("next_due_at").or_else(|| answer.get("next_due")).and_then(Value::as_str);
    match due.and_then(|due| due.parse::<Timestamp>().ok()) {
        Some(due) => Duration::from_micros(due.micros_since(now)).max(MIN_WAIT).min(interval),
        None => interval,
    }
}

/// Twice as long after each failure.
fn back_off(failures: u32, interval: Duration) -> Duration {
    let first = interval.max(Duration::from_secs(1));
    first.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(MAX_WAIT)
}

/// Receives when SIGTERM or SIGINT arrives, so that a request under way is not cut off.
fn stop_signal() -> Result<mpsc::Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, receiver) = mpsc::channel();
    let mut signals = {
        let _inside = runtime.enter();
        crate::signals::StopSignals::new().map_err(|error| anyhow!("no signals: {error}"))?
    };
    std::thread::spawn(move || {
        runtime.block_on(signals.stopped());
        // The loop may have ended already.
        let _ = sender.send(());
    });
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_the_next_due_key_but_not_long() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let interval = Duration::from_secs(5);
        let wait = |answer: Value| wait_after(&answer, now, interval);
        assert_eq!(wait(json!({"more": true})), Duration::ZERO);
        assert_eq!(wait(json!({"more": false})), interval);
        let due = |at: &str| wait(json!({"more": false, "next_due_at": at}));
        assert_eq!(due("2026-01-02T03:04:06.5Z"), Duration::from_millis(1500));
        assert_eq!(due("2026-01-02T04:00:00Z"), interval);
        assert_eq!(due("2026-01-02T03:00:00Z"), MIN_WAIT);
    }

    #[test]
    fn it_backs_off() {
        let waits = [1, 2, 3, 9].map(|failures| back_off(failures, Duration::from_secs(5)));
        assert_eq!(waits.map(|wait| wait.as_secs()), [5, 10, 20, 60]);
    }
}
