//! The data directory of a stopped service, opened to be read.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use eventlog::sled::SledLog;
use eventlog::{AppendError, Broken, CloseError, Extra, Guarded, Log, ReadError, Record, Seq};
use keys::{Dialect, Subject, Timestamp};
use ledger::{Caller, Clock, Identity, Keyring, Origin, Role, Roles, Scope, Signing, Via};
use tokio::sync::watch;

use crate::data_dir::{layout, log_key};
use crate::options::Data;

/// The data directory of a stopped service.
#[derive(Args, Debug)]
pub(crate) struct StoppedDir {
    #[command(flatten)]
    data: Data,
    /// The guard file, if it is not in the data directory
    #[arg(long, env = "KEYLEDGER_GUARD", value_name = "FILE")]
    guard: Option<PathBuf>,
}

impl StoppedDir {
    /// That directory, with its guard file if that is elsewhere.
    pub(crate) fn new(data: Data, guard: Option<PathBuf>) -> StoppedDir {
        StoppedDir { data, guard }
    }

    /// Opens its log for reading: nothing in the directory changes.
    pub(crate) fn open(&self) -> Result<SledLog> {
        let dir = &self.data.data;
        if !dir.join("FORMAT").try_exists()? && !dir.join("log").try_exists()? {
            bail!("`{}` is no keyledger data directory; say which one with --data", dir.display());
        }
        Ok(SledLog::open_read_only(&layout::log(dir, self.guard.as_deref()))?)
    }

    /// Opens its access journal, with the key that signs it. `None` if it has none.
    pub(crate) fn open_journal(&self) -> Result<Option<(SledLog, Signing)>> {
        let options = layout::journal(&self.data.data, self.guard.as_deref());
        if !options.dir.try_exists()? {
            return Ok(None);
        }
        let signing = log_key::read(&options.dir, self.data.secrets.exposed())?;
        Ok(Some((SledLog::open_read_only(&options)?, signing)))
    }

    /// The keys of the persons that its records speak of.
    pub(crate) fn keyring(&self) -> Result<Arc<Keyring>> {
        Ok(Arc::new(Keyring::read(&layout::keyring(&self.data.data))?))
    }

    /// The key that signs the log.
    pub(crate) fn signing(&self) -> Result<Signing> {
        log_key::read(&self.data.data, self.data.secrets.exposed())
    }
}

/// The first records of a log, read-only.
pub(crate) struct LogPrefix<L> {
    log: L,
    length: watch::Sender<Seq>,
}

impl<L: Log> LogPrefix<L> {
    /// The first `length` records of `log`.
    pub(crate) fn new(log: L, length: Seq) -> LogPrefix<L> {
        LogPrefix { log, length: watch::Sender::new(length) }
    }
}

impl<L: Log> Log for LogPrefix<L> {
    fn append(&self, _: Seq, _: &[Vec<u8>], _: &[Extra]) -> Result<Seq, AppendError> {
        Err(Broken::Closed.into())
    }

    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Record>, ReadError> {
        let left = self.length.borrow().0.saturating_sub(from.0);
        self.log.read(from, limit.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    fn extra(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, ReadError> {
        self.log.extra(key)
    }

    fn seal(&self, _: bytes::Bytes) {}

    /// The guard and the seal of the whole log say nothing about a part of it.
    fn guarded(&self) -> Guarded {
        let whole = *self.log.length().borrow() == *self.length.borrow();
        if whole { self.log.guarded() } else { Guarded::default() }
    }

    fn length(&self) -> watch::Receiver<Seq> {
        self.length.subscribe()
    }

    fn health(&self) -> Result<(), Broken> {
        Err(Broken::Closed)
    }

    fn stalled(&self) -> watch::Receiver<bool> {
        self.log.stalled()
    }

    fn close(&self) -> Result<(), CloseError> {
        self.log.close()
    }
}

/// A clock that stands still, so that a status is judged at that time and not now.
pub(crate) struct FixedClock(pub(crate) Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// The caller of the commands that read a stopped directory: an auditor of all accounts.
pub(crate) fn auditor() -> Result<Caller> {
    let via = Via::Token { issuer: "keyledger replay".into(), jti: None };
    let roles = Roles::default().with(Role::Auditor);
    let subject = Subject::new("operator").context("the operator has no name")?;
    let identity = Identity { subject, scope: Scope::All, roles, via };
    Ok(Caller { identity: Arc::new(identity), dialect: Dialect::Native, origin: Origin::default() })
}
