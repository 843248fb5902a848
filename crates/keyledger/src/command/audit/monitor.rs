//! `keyledger audit monitor`: keeps the last checkpoint and checks that the next one extends it, that
//! nothing was lost between two origins, and that the log still says what it has.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use bundle::{Refused, Statement, Witnessed};
use clap::Args;
use ledger::{Clock as _, KeyChain, SystemClock};
use serde_json::json;
use tlog::note::VerifierKey;
use tlog::policy::Policy;

use super::served::{Checked, Served};
use super::{before, lineage, verdict, witnessed};
use crate::client::{Client, pause};
use crate::exit::{Exit, Failure};
use crate::option_values::duration;
use crate::options::{Json, Remote};
use crate::policy_file;
use crate::print;

/// Watch a running log: what it signed once must be in what it signs now
#[derive(Args, Debug)]
#[command(after_help = "\
The state file holds the last checkpoint as the log signed it, and nothing else; its time is that of
the last heartbeat, which a log signs every minute, whether it grows or not. Keep it where the operator of the log cannot reach it. No token is needed: checkpoint,
keys and tiles are public. Without --key the first answer is taken on trust, and everything after is
held against it.
Exit code 0 good, 10 invalid, 11 a fork, 12 a rollback, 13 stale, 14 rolled back, which is on record;
3 when it cannot be reached.

Examples:
  keyledger audit monitor --url https://ledger.example.com --state /var/lib/audit/ledger
  keyledger audit monitor --once --key ledger.example.com/keys+dd441a68+AepKbGPi… --max-age 1h")]
pub(crate) struct Monitor {
    /// Where the last checkpoint is kept
    #[arg(long, value_name = "FILE", default_value = "./keyledger-checkpoint")]
    state: PathBuf,
    /// A verifier key of the log, present or past
    #[arg(long, value_name = "NAME+ID+KEY")]
    key: Option<VerifierKey>,
    /// A policy (c2sp.org/tlog-policy): a quorum of its witnesses must have cosigned what the server
    /// shows as cosigned, not longer ago than --max-age; a log that it names stands for --key
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Look once, and end
    #[arg(long)]
    once: bool,
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    every: Duration,
    /// How old its last heartbeat may be, and how long it may not be reached
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = duration)]
    max_age: Duration,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(crate) fn run(options: &Monitor) -> Result<Exit> {
    let policy = options.policy.as_deref().map(|path| policy_file::read(path, "--policy"));
    let policy = policy.transpose()?;
    let client = Client::public(&options.remote)?;
    let mut reached = true;
    loop {
        let looked = match look(options, policy.as_ref(), &client) {
            // A log that cannot be reached is stale after a while; before that it is tried again.
            Err(error) if matches!(error.downcast_ref(), Some(Failure::Unreachable(_))) => {
                match stale(&options.state, options.max_age)? {
                    Some(refused) => Ok(Looked { chain: None, outcome: Err(refused) }),
                    None if options.once => return Err(error),
                    None => {
                        // Only once, not on every attempt.
                        if reached {
                            let every = options.every.as_secs();
                            print::error(format_args!("{error:#}; trying again every {every} s"));
                        }
                        reached = false;
                        pause(options.every);
                        continue;
                    }
                }
            }
            looked => looked,
        }?;
        reached = true;
        let Looked { chain, outcome } = looked;
        match (outcome, &chain) {
            (Ok(observed), Some(chain)) => report(&observed, chain, options.json.json)?,
            (Ok(_), None) => {}
            (Err(refused), chain) => {
                let (state, as_json) = (&options.state, options.json.json);
                return verdict::report(&refused, chain.as_ref(), state, as_json);
            }
        }
        if options.once {
            return Ok(Exit::Fine);
        }
        pause(options.every);
    }
}

/// The checkpoint that the log has now, and the size of the one before.
struct Observed {
    checkpoint: Statement,
    before: Option<u64>,
    trusted: VerifierKey,
    witnessed: Option<Witnessed>,
}

/// What came of one look, and the keys of the log if they could be read.
struct Looked {
    chain: Option<KeyChain>,
    outcome: Result<Observed, Refused>,
}

fn look(options: &Monitor, policy: Option<&Policy>, client: &Client) -> Result<Looked> {
    match Served::new(client, options.key.as_ref())? {
        Err(refused) => Ok(Looked { chain: None, outcome: Err(refused) }),
        Ok(mut served) => {
            let outcome = observe(options, policy, &mut served)?;
            Ok(Looked { chain: Some(served.chain), outcome })
        }
    }
}

fn observe(
    options: &Monitor,
    policy: Option<&Policy>,
    served: &mut Served<'_>,
) -> Checked<Observed> {
    if let (None, Some(policy)) = (&options.key, policy)
        && let Err(refused) = served.trust_named_by(policy)
    {
        return Ok(Err(refused));
    }
    let previous = match std::fs::read_to_string(&options.state) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        text => Some(text.with_context(|| unreadable(&options.state))?),
    };
    let keys = served.chain.keys();
    let previous =
        previous.map(|note| bundle::signed_statement(&note, &served.chain, keys)).transpose();
    let previous = match previous {
        Err(refused) => return Ok(Err(refused.into())),
        Ok(previous) => previous,
    };
    // The key that signed the kept checkpoint is trusted from then on.
    let is_named = options.key.is_some() || policy.is_some_and(|policy| !policy.logs().is_empty());
    if let (false, Some(previous)) = (is_named, &previous) {
        served.trusted = previous.by.clone();
    }
    // Before the checkpoint, so that this is not of a larger tree.
    let cosigned = policy.map(|policy| Ok::<_, anyhow::Error>((policy, served.cosigned()?)));
    let cosigned = cosigned.transpose()?;
    let now = SystemClock::default().now();
    let progress = served.progress(previous.as_ref(), before(now, options.max_age), now)?;
    let (heartbeat, checkpoint) = match progress {
        Ok(progress) => progress,
        Err(refused) => return Ok(Err(refused)),
    };
    let witnessed = match cosigned {
        None => None,
        Some((policy, note)) => match served.witnessed(policy, &note, &checkpoint)? {
            Err(refused) => return Ok(Err(refused)),
            Ok(witnessed) => Some(witnessed),
        },
    };
    let is_fresh = |one: &Witnessed| one.is_fresh(before(now, options.max_age), now);
    if let Some(Err(refused)) = witnessed.as_ref().map(is_fresh) {
        return Ok(Err(refused));
    }
    let before = previous.map(|previous| previous.size);
    let unwritable = || format!("`{}` cannot be written", options.state.display());
    if before != Some(checkpoint.size) {
        eventlog::files::replace(&options.state, checkpoint.note.as_bytes())
            .with_context(unwritable)?;
    }
    set_time(&options.state, heartbeat.at).with_context(unwritable)?;
    Ok(Ok(Observed { checkpoint, before, trusted: served.trusted.clone(), witnessed }))
}

fn unreadable(path: &Path) -> String {
    format!("the state `{}` cannot be read", path.display())
}

/// Has a file be from that moment.
fn set_time(path: &Path, at: keys::Timestamp) -> std::io::Result<()> {
    let since_1970 = Duration::from_micros(u64::try_from(at.micros()).unwrap_or(0));
    let file = std::fs::File::options().write(true).open(path)?;
    file.set_modified(SystemTime::UNIX_EPOCH + since_1970)
}

/// Whether the log has said nothing for too long.
fn stale(state: &Path, max_age: Duration) -> Result<Option<Refused>> {
    let Ok(metadata) = std::fs::metadata(state) else { return Ok(None) };
    let grown = metadata.modified().with_context(|| unreadable(state))?;
    // From before 1970, by a clock that was wrong: as old as can be.
    let grown = grown.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let grown = i64::try_from(grown.as_micros()).with_context(|| unreadable(state))?;
    let grown = keys::Timestamp::from_micros(grown);
    let age = Duration::from_micros(SystemClock::default().now().micros_since(grown));
    Ok((age > max_age).then(|| Refused::Stale { since: grown.to_string() }))
}

fn report(observed: &Observed, chain: &KeyChain, as_json: bool) -> Result<()> {
    let Observed { checkpoint, before, trusted, witnessed } = observed;
    let (size, root) = (checkpoint.size, checkpoint.root);
    if as_json {
        return print::json_line(&json!({
            "ok": true, "size": size, "root": root.to_string(), "before": before,
            "signed_by": checkpoint.by.to_string(), "lineage": lineage::json(chain),
            "witnessed": witnessed.as_ref().map(witnessed::json),
        }));
    }
    print::line(match before {
        None => format!("size {size}, root {root}; the first that is kept"),
        Some(before) if *before == size => format!("size {size}, root {root}; nothing new"),
        Some(before) => format!("size {size}, root {root}; extends size {before}"),
    })?;
    for (what, value) in witnessed.as_ref().map(witnessed::rows).unwrap_or_default() {
        print::line(format!("{what:<12} {}", print::plain(&value)))?;
    }
    lineage::print(chain)?;
    lineage::print_newer(chain, trusted)
}
