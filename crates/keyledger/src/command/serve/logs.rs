//! The two logs of a data directory, opened: the ledger's, and the journal of who reads it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use eventlog::Log;
use eventlog::sled::{Options, SledLog};
use ledger::{Journal, KeyChain, Ledger, OpenError, ReplayError, Signing, SystemClock};

use super::options::Serve;
use crate::data_dir::{log_key, secret_file};
use crate::print::Progress;

/// Opens the ledger, or makes it.
pub(super) fn ledger(asked: &Serve, key: log_key::Kept, log: SledLog) -> Result<Ledger> {
    let data = asked.data.data.as_path();
    accepting(asked, data, key, log, &log_key::new_origin()?, |log, signing, accept_rollback| {
        let options = ledger::Options {
            clock: Arc::new(SystemClock::default()),
            queue: asked.queue.get(),
            quotas: asked.quotas.of_ledger(),
            max_clock_step_s: asked.max_clock_step,
            usage: Some(data.join("usage")),
            signing: Some(signing),
            accept_rollback,
            ..ledger::Options::default()
        };
        let mut progress = Progress::new("records applied:");
        Ledger::open(log, options, &mut |seq| progress.at(seq.0))
    })
}

/// Opens the journal of the log that these keys sign, or makes it.
pub(super) fn journal(asked: &Serve, options: &Options, keys: &KeyChain) -> Result<Journal> {
    let data = options.dir.as_path();
    let key = log_key::Kept::find_or_name(
        data,
        &format!("{}/access", keys.newest().name()),
        asked.data.secrets.exposed(),
    )?;
    // One of its keys has the name of the log's that was there when the journal began.
    let belongs = key.signing.chain().keys().iter().any(|own| {
        let log = own.name().strip_suffix("/access");
        log.is_some_and(|log| keys.keys().iter().any(|key| key.name() == log))
    });
    if !belongs && !asked.accept_rollback {
        bail!(
            "`{}` is the access journal of another log, {}; restore this log's own from a backup, \
             or start once with --accept-rollback, which takes it as it is",
            data.display(),
            key.signing.origin()
        );
    }
    let log = SledLog::open(options).context("the access journal cannot be opened")?;
    let fresh = format!("{}/access", log_key::new_origin()?);
    accepting(asked, data, key, log, &fresh, |log, signing, accept_rollback| {
        let clock = Arc::new(SystemClock::default());
        Ok(Journal::open(log, clock, signing, accept_rollback)?)
    })
    .context("the access journal cannot be opened")
}

/// Opens a log with its key. One that is not what its evidence says is refused, unless the
/// operator accepts it as it is: then the origin `fresh` begins, which names the old one.
fn accepting<T>(
    asked: &Serve,
    data: &Path,
    key: log_key::Kept,
    log: SledLog,
    fresh: &str,
    open: impl Fn(Arc<dyn Log>, Arc<Signing>, bool) -> Result<T, OpenError>,
) -> Result<T> {
    let log: Arc<dyn Log> = Arc::new(log);
    key.keep(data, *log.length().borrow(), asked.accept_rollback)?;
    let signing = Arc::new(key.signing);
    match open(Arc::clone(&log), Arc::clone(&signing), false) {
        Err(OpenError::Replay(ReplayError::Tree(why))) if asked.accept_rollback => {
            let last = log.guarded().seal.and_then(|seal| signing.chain().open(&seal).ok());
            let last = last.map_or((0, tlog::empty_root()), |last| (last.size(), last.root()));
            let next = signing.succeed(fresh, *secret_file::seed()?, last)?;
            log_key::replace(data, &next)?;
            tracing::warn!(%why, origin = next.origin(), "a new origin begins");
            Ok(open(log, Arc::new(next), true)?)
        }
        opened => Ok(opened?),
    }
}
