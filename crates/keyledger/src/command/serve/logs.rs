//! Opens the two logs of a data directory: the ledger's and the access journal.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use eventlog::sled::SledLog;
use eventlog::{Log, Seq};
use ledger::{
    Journal, JournalOptions, KeyChain, Keyring, Ledger, OpenError, ReplayError, Signing,
    SystemClock, TreeHead, head_of,
};

use super::options::Serve;
use crate::data_dir::layout;
use crate::data_dir::log_key::{self, LogKeyFile};
use crate::print::Progress;
use crate::random;

/// Opens the keys of the persons that a log speaks of, or makes the first ones.
pub(super) fn keyring(options: &Serve, log: &SledLog) -> Result<Arc<Keyring>> {
    let path = layout::keyring(&options.data.data);
    if options.storage.accept_rollback {
        return Ok(Arc::new(Keyring::open_with_losses(&path)?));
    }
    // A log without records speaks of nobody yet, but the journal may.
    let journal = options.journal_options().dir.join("log");
    let is_new = *log.length().borrow() == Seq(0) && !journal.exists();
    let keyring = Keyring::open(&path, is_new)?;
    let damaged = keyring.damaged();
    if damaged > 0 {
        tracing::error!(
            damaged,
            "keys of persons are damaged: these read as erased; restore the keyring"
        );
    }
    Ok(Arc::new(keyring))
}

/// Opens the ledger, or makes it.
pub(super) fn ledger(
    options: &Serve,
    key: LogKeyFile,
    log: SledLog,
    keyring: &Arc<Keyring>,
) -> Result<Ledger> {
    let data = options.data.data.as_path();
    let ledger = open_or_begin_anew(
        options,
        data,
        key,
        log,
        &log_key::new_origin()?,
        |log, signing, accept_rollback| {
            let ledger_options = ledger::Options {
                clock: Arc::new(SystemClock::default()),
                queue: options.storage.queue.get(),
                quotas: options.quotas.for_ledger(),
                max_clock_step_s: options.expiry.max_clock_step,
                node: options.node.name(),
                keyring: Arc::clone(keyring),
                usage: options.usage.counts(data),
                signing: Some(signing),
                accept_rollback,
                ..ledger::Options::default()
            };
            let mut progress = Progress::new("records applied:");
            Ledger::open(log, ledger_options, &mut |seq| progress.at(seq.0))
        },
    )?;
    let lost = keyring.settle()?;
    if lost > 0 {
        tracing::warn!(
            lost,
            "keys of persons are not in the keyring: they are forgotten from now on, and tokens \
             that they ended may be good again; a new token.key ends all"
        );
    }
    Ok(ledger)
}

/// Opens the journal of the log that these keys sign, or makes it.
pub(super) fn journal(options: &Serve, keys: &KeyChain, keyring: &Arc<Keyring>) -> Result<Journal> {
    let location = options.journal_options();
    let data = location.dir.as_path();
    let key = LogKeyFile::read_or_generate_as(
        data,
        &format!("{}/access", keys.newest().name()),
        options.data.secrets.exposed(),
    )?;
    // One of its keys is named after the key that the log had when the journal began.
    let belongs = key.signing.chain().keys().iter().any(|own| {
        let log = own.name().strip_suffix("/access");
        log.is_some_and(|log| keys.keys().iter().any(|key| key.name() == log))
    });
    if !belongs && !options.storage.accept_rollback {
        bail!(
            "`{}` is the access journal of another log, {}; restore this log's own from a backup, \
             or start once with --accept-rollback, which takes it as it is",
            data.display(),
            key.signing.origin()
        );
    }
    let log = SledLog::open(&location).context("the access journal cannot be opened")?;
    let fresh = format!("{}/access", log_key::new_origin()?);
    let journal =
        open_or_begin_anew(options, data, key, log, &fresh, |log, signing, accept_rollback| {
            let clock = Arc::new(SystemClock::default());
            let journal_options = JournalOptions {
                accept_rollback,
                max_token_ttl_s: options.tokens.max_ttl_s(),
                keyring: Arc::clone(keyring),
            };
            Ok(Journal::open(log, clock, signing, journal_options)?)
        })
        .context("the access journal cannot be opened")?;
    let again = journal.forget_again().context("who was erased cannot be forgotten again")?;
    if again > 0 {
        tracing::warn!(again, "who was erased was there again, and is forgotten again");
    }
    Ok(journal)
}

/// Opens a log with its key. A log that contradicts its evidence is refused, unless the operator
/// accepts it: then the origin `fresh` begins, which names the old one.
fn open_or_begin_anew<T>(
    options: &Serve,
    data: &Path,
    key: LogKeyFile,
    log: SledLog,
    fresh: &str,
    open: impl Fn(Arc<dyn Log>, Arc<Signing>, bool) -> Result<T, OpenError>,
) -> Result<T> {
    let log: Arc<dyn Log> = Arc::new(log);
    key.write_if_new(data, *log.length().borrow(), options.storage.accept_rollback)?;
    let signing = Arc::new(key.signing);
    match open(Arc::clone(&log), Arc::clone(&signing), false) {
        Err(OpenError::Replay(ReplayError::Integrity(why))) if options.storage.accept_rollback => {
            let last = log.guarded().seal.and_then(|seal| signing.chain().open(&seal).ok());
            let last = last.map_or_else(TreeHead::empty, |last| TreeHead {
                size: last.size(),
                root: last.root(),
            });
            let from = head_of(&*log).map_err(ReplayError::from).map_err(OpenError::from)?;
            let next = signing.begin_anew(fresh, *random::bytes()?, last, from)?;
            log_key::replace(data, &next)?;
            tracing::warn!(
                %why, origin = next.origin(), signed_for = last.size, goes_on_from = from.size,
                "a new origin begins"
            );
            Ok(open(log, Arc::new(next), true)?)
        }
        Err(error @ OpenError::Replay(ReplayError::Integrity(_))) => {
            bail!(
                "{error}, or start once with --accept-rollback, which begins a new origin that \
                 names this one"
            )
        }
        opened => Ok(opened?),
    }
}
