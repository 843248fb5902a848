//! `keyledger audit watch`: follows the keys of one account with proofs, and raises an alarm at what its owner
//! did not do, at what is missing, and at a log that is not what it was.

pub(super) mod acknowledged;
mod alarm;
mod fetched;
mod followed_key;
mod look;
mod receivers;
mod state;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bundle::Refused;
use clap::Args;
use keys::{Account, Timestamp};
use ledger::{Clock as _, SystemClock};
use serde_json::json;
use tlog::note::VerifierKey;
use tlog::policy::Policy;

use self::acknowledged::Acknowledged;
use self::alarm::{Finding, Kind};
use self::fetched::is_refused;
use self::look::{Looked, Seen, Wanted, look};
use self::receivers::{Alarms, Receivers};
use self::state::Store;
use super::verdict;
use crate::client::{Client, pause};
use crate::exit::Exit;
use crate::option_values::duration;
use crate::options::{Json, Remote};
use crate::policy_file;
use crate::print;

/// Follow an account's keys with proofs, and raise an alarm at what its owner did not do
#[derive(Args, Debug)]
#[command(after_help = "\
For a tenant who does not trust the operator. It takes a token of role owner or auditor,
proves each event of the account, and believes nothing that the log did not sign. Run it
where the operator cannot reach it. What it finds, and what it cannot: docs/watch.md. An
event is acknowledged by a line of --acknowledge or by --by; the end of a key's time needs
no word. Without --key the first answer is taken on trust. Events from before the first look
are not judged, unless with --from-start. Exit code 0 looked, whether or not there were
alarms; 1 an alarm was not handed over, or the token is refused; 3 out of reach; 10 altered,
11 a fork, 12 a rollback, 13 stale or out of reach for --max-age, 14 rolled back, which is
on record.

Examples:
  keyledger audit watch --account acme --token-file jwt --acknowledge own.ndjson --hook ./page-me
  keyledger audit watch --account acme --token-file jwt --by deployer --once
  keyledger keys create --name ci --json | keyledger audit acknowledge --file own.ndjson")]
pub(crate) struct Watch {
    /// The account
    #[arg(long)]
    account: Account,
    /// Where it is written down what was seen
    #[arg(long, value_name = "FILE", default_value = "./keyledger-watch")]
    state: PathBuf,
    /// A verifier key of the log, present or past
    #[arg(long, value_name = "NAME+ID+KEY")]
    key: Option<VerifierKey>,
    /// A policy (c2sp.org/tlog-policy): a quorum of its witnesses must have cosigned what the server
    /// shows as cosigned, not longer ago than --max-age; a log that it names stands for --key
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A file with the changes that are your own, a line of JSON each; `audit acknowledge` adds to it
    #[arg(long, env = "KEYLEDGER_ACKNOWLEDGE", value_name = "FILE")]
    acknowledge: Option<PathBuf>,
    /// A subject of the account whose events are your own; may be given again. Whoever issues tokens can act
    /// in this name
    #[arg(long, value_name = "SUBJECT")]
    by: Vec<String>,
    /// How long an acknowledgement may come after the event, and an event after its acknowledgement
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    grace: Duration,
    /// Judge the events from before the first look too
    #[arg(long)]
    from_start: bool,
    /// Have the recorded end of a key's time acknowledged too
    #[arg(long)]
    with_expiries: bool,
    /// Look once, and end
    #[arg(long)]
    once: bool,
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    every: Duration,
    /// How often to compare the signed table of keys; at the start too
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    compare_every: Duration,
    /// How old the log's last heartbeat may be, and how long it may not be reached
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    max_age: Duration,
    #[command(flatten)]
    alarms: Alarms,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(crate) fn run(options: &Watch) -> Result<Exit> {
    let receivers = Receivers::new(&options.alarms, options.json.json)?;
    let acknowledged = options.acknowledged()?;
    let policy = options.policy.as_deref().map(|path| policy_file::read(path, "--policy"));
    let policy = policy.transpose()?;
    let store = Store::open(&options.state, options.account.as_str())?;
    // What is wrong with the token on the command line is said at once.
    Client::new(&options.remote)?;
    let mut watch = Running {
        options,
        receivers,
        acknowledged,
        policy,
        store,
        compared: None,
        events: 0,
        is_first: false,
        trouble: None,
    };
    // What a process before this one could not hand over.
    watch.hand_over_or_say();
    loop {
        if let Some(exit) = watch.turn()? {
            return Ok(exit);
        }
    }
}

impl Watch {
    fn acknowledged(&self) -> Result<Acknowledged> {
        Acknowledged::read(self.acknowledge.as_deref(), &self.by)
    }
}

/// A watch that runs.
struct Running<'o> {
    options: &'o Watch,
    receivers: Receivers,
    acknowledged: Acknowledged,
    policy: Option<Policy>,
    store: Store,
    /// When the table of keys was compared last, by this process.
    compared: Option<Timestamp>,
    /// What it saw since it last printed that.
    events: u64,
    /// Whether the first look was among that.
    is_first: bool,
    /// What was said last of what goes wrong, so that it is said once.
    trouble: Option<String>,
}

/// How many alarms are handed over until it is written down that they were.
const BATCH: usize = 50;

impl Running<'_> {
    /// Looks once. How the watch ends, if it does.
    fn turn(&mut self) -> Result<Option<Exit>> {
        match self.options.acknowledged() {
            Ok(acknowledged) => self.acknowledged = acknowledged,
            // As it was: who writes the file wrong hears of it, and of every event that it would take.
            Err(error) => self.say(&format!("{error:#}")),
        }
        let now = SystemClock::default().now();
        let options = self.options;
        let every = u64::try_from(options.compare_every.as_micros()).unwrap_or(u64::MAX);
        let is_new = self.store.state.checkpoint.is_none();
        let compare = !is_new && self.compared.is_none_or(|at| now.micros_since(at) >= every);
        let wanted = Wanted {
            account: &options.account,
            key: options.key.as_ref(),
            policy: self.policy.as_ref(),
            max_age: options.max_age,
            grace: options.grace,
            acknowledged: &self.acknowledged,
            from_start: options.from_start,
            with_expiries: options.with_expiries,
        };
        let looked = Client::new(&options.remote)
            .and_then(|client| look(&client, &wanted, &self.store.state, compare, now));
        match looked {
            Ok(Looked { outcome: Ok(seen), .. }) => self.seen(seen, compare.then_some(now)),
            Ok(Looked { outcome: Err(refused), chain }) => {
                self.raise(Finding::refused(&refused), now)?;
                self.hand_over_or_say();
                let (state, as_json) = (&options.state, options.json.json);
                verdict::report(&refused, chain.as_ref(), state, as_json).map(Some)
            }
            Err(error) => self.not_seen(error, now),
        }
    }

    /// Goes on from what was seen.
    fn seen(&mut self, seen: Seen, compared: Option<Timestamp>) -> Result<Option<Exit>> {
        let Seen { state, size, events, more } = seen;
        let (was_new, before) = (self.store.state.checkpoint.is_none(), self.store.state.next);
        if more && state.next == before {
            anyhow::bail!("the service goes on answering without an end");
        }
        self.store.state = state;
        self.store.save()?;
        let is_compared = compared.is_some() && !more;
        if is_compared {
            self.compared = compared;
        }
        self.events += events;
        self.is_first |= was_new;
        let handed = self.hand_over();
        match &handed {
            Ok(()) => self.trouble = None,
            // It is the end of this watch, and said there.
            Err(_) if self.options.once => {}
            Err(error) => self.say(&format!("{error:#}; the alarm is handed over again")),
        }
        // All events first, and then the table.
        if more || self.compared.is_none() {
            return Ok(None);
        }
        self.report(size)?;
        if self.options.once {
            return handed.map(|()| Some(Exit::Fine));
        }
        pause(self.options.every);
        Ok(None)
    }

    /// The log could not be looked at.
    fn not_seen(&mut self, error: anyhow::Error, now: Timestamp) -> Result<Option<Exit>> {
        // One that never answered is said to whoever starts this.
        let Some(seen_at) = self.store.state.seen_at.map(Timestamp::from_micros) else {
            return Err(error);
        };
        if is_refused(&error, &[401, 403]) {
            let detail = format!("the service does not take the token: {error:#}");
            self.raise(Finding::new(Kind::Refused, seen_at.to_string(), detail), now)?;
            self.hand_over_or_say();
            return Err(error);
        }
        let age = Duration::from_micros(now.micros_since(seen_at));
        if age > self.options.max_age {
            let detail = format!("nothing was heard of the log since {seen_at}: {error:#}");
            self.raise(Finding::new(Kind::Unreachable, seen_at.to_string(), detail), now)?;
            self.hand_over_or_say();
            let refused = Refused::Stale { since: seen_at.to_string() };
            let (state, as_json) = (&self.options.state, self.options.json.json);
            return verdict::report(&refused, None, state, as_json).map(Some);
        }
        if self.options.once {
            return Err(error);
        }
        let every = self.options.every.as_secs();
        self.say(&format!("{error:#}; trying again every {every} s"));
        pause(self.options.every);
        Ok(None)
    }

    fn raise(&mut self, finding: Finding, now: Timestamp) -> Result<()> {
        self.store.state.raise(finding, now);
        self.store.save()
    }

    /// Hands over what is in the outbox, in order. What is left after an error stands there for the next time.
    fn hand_over(&mut self) -> Result<()> {
        while !self.store.state.outbox.is_empty() {
            let (mut done, mut outcome) = (0, Ok(()));
            for alarm in self.store.state.outbox.iter().take(BATCH) {
                outcome = self.receivers.hand_over(alarm);
                if outcome.is_err() {
                    break;
                }
                done += 1;
            }
            self.store.state.outbox.drain(..done);
            self.store.save()?;
            outcome?;
        }
        Ok(())
    }

    fn hand_over_or_say(&mut self) {
        if let Err(error) = self.hand_over() {
            self.say(&format!("{error:#}; the alarm is handed over again"));
        }
    }

    /// Says what goes wrong, once.
    fn say(&mut self, trouble: &str) {
        if self.trouble.as_deref() != Some(trouble) {
            print::error(trouble);
            self.trouble = Some(trouble.to_owned());
        }
    }

    fn report(&mut self, size: u64) -> Result<()> {
        let state = &self.store.state;
        let (events, is_first) =
            (std::mem::take(&mut self.events), std::mem::take(&mut self.is_first));
        let (keys, waiting) = (state.keys.len(), state.waiting.len());
        if self.options.json.json {
            return print::json_line(&json!({
                "ok": state.outbox.is_empty(), "size": size, "keys": keys, "events": events,
                "waiting": waiting, "alarms": state.outbox.len(), "read_to": state.next,
            }));
        }
        let judged =
            if is_first && !self.options.from_start { ", taken as acknowledged" } else { "" };
        print::line(format!(
            "size {size}: {keys} keys, {events} new events{judged}; {waiting} wait to be acknowledged"
        ))
    }
}
