//! `keyledger serve`: the service, from a command line to a listening socket and to a clean stop.
//!
//! What can be refused is refused in this order: what was asked wrongly, addresses that are in
//! use, secret files that cannot be read, and only then the data directory, so that a bad start
//! changes nothing on the disk.

mod options;
mod running;
mod signals;

use std::io::{IsTerminal as _, stdout};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use eventlog::Log;
use eventlog::sled::SledLog;
use ledger::{Ledger, OpenError, ReplayError, Signing, SystemClock};
use server::{App, Auth, Config};
use tracing_subscriber::EnvFilter;

use self::options::LogFormat;
pub(crate) use self::options::Serve;
use self::running::Listeners;
pub(crate) use self::signals::StopSignals;
use crate::exit::{Exit, misuse};
use crate::print::{self, Progress};
use crate::{key_file, log_key, token_key};

pub(crate) fn run(asked: &Serve) -> Result<Exit> {
    asked.check()?;
    start_logging(asked)?;
    let listeners = Listeners::bind(asked)?;
    let key = token_key::Kept::find(&asked.data.data)?;
    let auth = Auth::new(key.key.verifier(), asked.outside()?)?;

    let log_key = log_key::Kept::find(&asked.data.data, asked.origin.as_deref())?;

    let log = Arc::new(SledLog::open(&asked.log_options())?);
    key.keep(&asked.data.data)?;
    drop(key);
    log_key.keep(&asked.data.data, *log.length().borrow(), asked.accept_rollback)?;
    let ledger = open(asked, &log, log_key.signing)?;

    let config = Config {
        trusted_proxies: asked.trusted_proxy.clone(),
        root_dialect: asked.root_dialect,
        cloudsigma_daily_limit: asked.cloudsigma_daily_limit,
        metrics: asked.metrics_listen.is_none(),
        ..Config::default()
    };
    let app = App::new(ledger, auth, config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the threads of the service cannot be started")?;
    runtime.block_on(running::run(asked, app, listeners))?;
    Ok(Exit::Fine)
}

/// Replays the log. One that is not what its evidence says is refused, unless the operator accepts
/// it as it is: then a new origin begins, which names the old one.
fn open(asked: &Serve, log: &Arc<SledLog>, signing: Signing) -> Result<Ledger> {
    let data = &asked.data.data;
    let signing = Arc::new(signing);
    let options = |signing: &Arc<Signing>, accept_rollback| ledger::Options {
        clock: Arc::new(SystemClock::default()),
        max_clock_step_s: asked.max_clock_step,
        usage: Some(data.join("usage")),
        signing: Some(Arc::clone(signing)),
        accept_rollback,
        ..ledger::Options::default()
    };
    let open = |options| {
        let mut progress = Progress::new("records applied:");
        Ledger::open(Arc::clone(log) as Arc<dyn Log>, options, &mut |seq| progress.at(seq.0))
    };
    match open(options(&signing, false)) {
        Err(OpenError::Replay(ReplayError::Tree(why))) if asked.accept_rollback => {
            let last = log.guarded().seal.and_then(|seal| signing.chain().open(&seal).ok());
            let last = last.map_or((0, tlog::empty_root()), |last| (last.size(), last.root()));
            let next = signing.succeed(&log_key::new_origin()?, *key_file::seed()?, last)?;
            log_key::replace(data, &next)?;
            tracing::warn!(%why, origin = next.origin(), "a new origin begins");
            Ok(open(options(&Arc::new(next), true))?)
        }
        opened => Ok(opened?),
    }
}

/// Says on stderr what goes on; stdout is for the ready line alone.
fn start_logging(asked: &Serve) -> Result<()> {
    let filter = EnvFilter::try_new(&asked.log_level)
        .map_err(|_| misuse("--log-level must be error, warn, info, debug or trace"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match asked.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

/// Says that the service is ready: one line for machines, and on a terminal what to do next.
fn tell_ready(data: &Path, listen: SocketAddr, log_size: u64) -> Result<()> {
    let pid = std::process::id();
    let shown = print::plain(&data.display().to_string());
    print::line(format!(
        "keyledger ready listen={listen} data={shown} log_size={log_size} pid={pid}"
    ))?;
    if stdout().is_terminal() {
        // As it was called: after `cargo run` it is in no search path.
        let program = std::env::args().next().unwrap_or_else(|| "keyledger".to_owned());
        print::line(format!(
            "\nhttp://{listen}/docs describes the API. In another terminal:\n\n  \
             TOKEN=$({program} token --data '{shown}' --account acme --subject me --role owner \
             | tail -n 1)\n  \
             curl -H \"Authorization: Bearer $TOKEN\" http://{listen}/v1/keys \\\n    \
             -H 'Content-Type: application/json' -d '{{\"name\":\"my first key\"}}'\n"
        ))?;
    }
    Ok(())
}
