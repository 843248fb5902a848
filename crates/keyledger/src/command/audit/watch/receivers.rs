//! Where alarms go: to stdout, a program, a URL.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use delivery::{Secret, sign_by_secret};
use ledger::{Clock as _, SystemClock};

use super::alarm::Alarm;
use crate::client::pause;
use crate::data_dir::secret_file::{self, Exposed};
use crate::exit::misuse;
use crate::option_values::duration;
use crate::print;

/// Where alarms go.
#[derive(Args, Debug)]
#[command(next_help_heading = "Alarms")]
pub(crate) struct Alarms {
    /// A program that gets each alarm as JSON on stdin; it is not run by a shell, and must end with 0
    #[arg(long, value_name = "PROGRAM")]
    hook: Option<PathBuf>,
    /// An argument for it; may be given again
    #[arg(long, value_name = "TEXT", requires = "hook", allow_hyphen_values = true)]
    hook_argument: Vec<String>,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    hook_timeout: Duration,
    /// A URL to post each alarm to, signed by Standard Webhooks; it must answer with 2xx
    #[arg(long, value_name = "URL", requires = "webhook_secret_file")]
    webhook: Option<String>,
    /// A file with the secret of the webhook: whsec_ and base64
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_secret_file: Option<PathBuf>,
}

/// How often a receiver is tried before the next look; between two attempts a pause of a second, then of
/// two, and so on.
const ATTEMPTS: u64 = 3;
/// How long a receiver of a webhook may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Where alarms go, ready to take them.
pub(super) struct Receivers {
    hook: Option<Hook>,
    webhook: Option<Webhook>,
    as_json: bool,
}

struct Hook {
    program: PathBuf,
    arguments: Vec<String>,
    timeout: Duration,
}

struct Webhook {
    agent: ureq::Agent,
    url: String,
    secret: Secret,
}

impl Receivers {
    pub(super) fn new(options: &Alarms, as_json: bool) -> Result<Receivers> {
        let hook = options.hook.as_ref().map(|program| Hook {
            program: program.clone(),
            arguments: options.hook_argument.clone(),
            timeout: options.hook_timeout,
        });
        let webhook = match (&options.webhook, &options.webhook_secret_file) {
            (Some(url), Some(file)) => {
                if !url.starts_with("https://") && !url.starts_with("http://") {
                    return Err(misuse("--webhook must begin with https:// or http://"));
                }
                let text = secret_file::read(file, Exposed::Refused)?
                    .with_context(|| format!("there is no file `{}`", file.display()))?;
                let secret = text.trim().parse();
                let secret =
                    secret.map_err(|error| misuse(format!("`{}`: {error}", file.display())))?;
                let config = ureq::Agent::config_builder()
                    .http_status_as_error(false)
                    .max_redirects(0)
                    .timeout_global(Some(ANSWER));
                Some(Webhook { agent: config.build().into(), url: url.clone(), secret })
            }
            (_, _) => None,
        };
        Ok(Receivers { hook, webhook, as_json })
    }

    /// Hands an alarm to every receiver. After an error it may have got to some of them, and must be handed
    /// over again.
    pub(super) fn hand_over(&self, alarm: &Alarm) -> Result<()> {
        let body = serde_json::to_value(alarm)?;
        if self.as_json {
            print::json_line(&body)?;
        } else {
            let word = alarm.kind.as_str().replace('_', " ").to_uppercase();
            print::line(format!("ALARM {word}: {}", print::plain(&alarm.detail)))?;
        }
        let body = body.to_string();
        if let Some(hook) = &self.hook {
            patiently(|| hook.run(&body))?;
        }
        if let Some(webhook) = &self.webhook {
            patiently(|| webhook.post(&alarm.id, &body))?;
        }
        Ok(())
    }
}

/// Tries several times.
fn patiently(mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
    let mut outcome = attempt();
    for number in 1..ATTEMPTS {
        if outcome.is_ok() {
            break;
        }
        pause(Duration::from_secs(number));
        outcome = attempt();
    }
    outcome
}

impl Hook {
    fn run(&self, body: &str) -> Result<()> {
        let name = self.program.display();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        // What the watch is told there is not for others: a token may be among it.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("KEYLEDGER_") {
                command.env_remove(variable);
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut child =
            command.spawn().with_context(|| format!("the hook `{name}` cannot be run"))?;
        if let Some(mut stdin) = child.stdin.take() {
            let body = body.to_owned();
            // It may not read, and it may end without reading.
            std::thread::spawn(move || {
                let _closed = writeln!(stdin, "{body}");
            });
        }
        match ended_within(&mut child, self.timeout)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the hook `{name}` ended with {status}"),
            None => {
                drop(child.kill());
                drop(child.wait());
                bail!("the hook `{name}` took longer than {} s", self.timeout.as_secs())
            }
        }
    }
}

/// Waits for the end of a process, at most so long.
fn ended_within(child: &mut Child, timeout: Duration) -> Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() >= timeout {
            return Ok(None);
        }
        pause(Duration::from_millis(10));
    }
}

impl Webhook {
    fn post(&self, id: &str, body: &str) -> Result<()> {
        let timestamp = SystemClock::default().now().seconds();
        let signature = sign_by_secret(&self.secret, id, timestamp, body.as_bytes());
        let request = self.agent.post(&self.url);
        let request = request.header("content-type", "application/json").header("webhook-id", id);
        let request = request.header("webhook-timestamp", timestamp.to_string());
        // Its URL may be a secret: it is in no error.
        let answer = request
            .header("webhook-signature", signature)
            .send(body)
            .map_err(|_| anyhow::anyhow!("the webhook cannot be reached"))?;
        if answer.status().is_success() {
            return Ok(());
        }
        bail!("the webhook answered with {}", answer.status().as_u16())
    }
}
