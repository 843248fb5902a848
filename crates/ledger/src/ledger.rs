//! The ledger: what the rest of the program talks to.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use eventlog::{Log, Seq};
use keys::{
    Account, Digest, Event, Format, KeyId, KeyName, Kind, NewKey, Refusal, Rotation, Secret,
    Standing, Timestamp,
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::api::{
    Ask, Change, Changed, Changes, Created, Draft, Entry, Error, Expirations, Expiry, KeyView,
    Rules,
};
use crate::batch::{Circumstances, Decided};
use crate::caller::{Caller, EXPIRE, MANAGE, Scope};
use crate::clock::{Clock, SystemClock};
use crate::outcomes::Outcome;
use crate::record::Idempotency;
use crate::state::{ReplayError, State};
use crate::table::Key;
use crate::usage::{self, UsageError};
use crate::writer::{self, Answer, Job, Work};

/// How a ledger is to run.
pub struct Options {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// How many commands may wait; one more is [`Error::Overloaded`].
    pub queue: usize,
    /// By how many seconds the time of day may run away before keys stop expiring.
    pub max_clock_step_s: u64,
    /// Where counts of use are kept; `None` keeps them in memory only.
    pub usage: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            clock: Arc::new(SystemClock::default()),
            queue: 4096,
            max_clock_step_s: 60,
            usage: None,
        }
    }
}

/// Why a ledger did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The counts of use cannot be read.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// Why the ledger is not ready for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The outcome of a write is not known.
    #[error("the log is broken; restart the service to read it again")]
    Broken,
    /// The time of day stepped, or lies behind the log.
    #[error("the clock stepped; no key expires until it agrees again or the service is restarted")]
    ClockStepped,
}

/// Numbers for the operator.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "each says what it counts")]
pub struct Stats {
    pub keys: u64,
    pub log_size: u64,
    pub batches: u64,
    pub queue_depth: usize,
    pub queue_capacity: usize,
}

/// Commands in, events down, answers out. A clone is another handle on the same ledger.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    capacity: usize,
    closed: watch::Sender<bool>,
    stopped: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
    usage: Option<PathBuf>,
    max_clock_step_s: u64,
}

impl Ledger {
    /// Replays `log` and starts the writer's thread. `progress` hears how far the replay is.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or a record in it is damaged; nothing was written.
    pub fn open(
        log: Arc<dyn Log>,
        options: Options,
        progress: &mut dyn FnMut(Seq),
    ) -> Result<Ledger, OpenError> {
        let state = Arc::new(State::new(log, options.clock));
        let length = *state.log.length().borrow();
        state.replay(length, progress)?;
        if let Some(path) = &options.usage {
            usage::restore(path, &state.table)?;
        }
        let (send, mut receive) = mpsc::channel(options.queue.max(1));
        let (stopped, wait_stopped) = oneshot::channel();
        let of_writer = Arc::clone(&state);
        std::thread::Builder::new()
            .name("ledger-writer".into())
            .spawn(move || {
                writer::run(&of_writer, &mut receive);
                let _ = stopped.send(());
            })
            .map_err(ReplayError::Thread)?;
        Ok(Ledger(Arc::new(Inner {
            state,
            queue: Mutex::new(Some(send)),
            capacity: options.queue.max(1),
            closed: watch::Sender::new(false),
            stopped: tokio::sync::Mutex::new(Some(wait_stopped)),
            usage: options.usage,
            max_clock_step_s: options.max_clock_step_s,
        })))
    }

    pub(crate) fn state(&self) -> &State {
        &self.0.state
    }

    pub(crate) fn max_clock_step_s(&self) -> u64 {
        self.0.max_clock_step_s
    }

    pub(crate) async fn closed(&self) {
        let _ = self.0.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// The moment that the ledger's clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state().clock.now()
    }

    /// The length up to which everything is durable and visible; it wakes a follower.
    #[must_use]
    pub fn length(&self) -> watch::Receiver<Seq> {
        self.state().published.subscribe()
    }

    /// Whether changes are accepted and keys expire.
    ///
    /// # Errors
    ///
    /// Why not. Reads and verify go on.
    pub fn ready(&self) -> Result<(), NotReady> {
        if self.state().broken.load(Ordering::Acquire) || self.state().log.health().is_err() {
            Err(NotReady::Broken)
        } else if self.state().stepped.load(Ordering::Relaxed) {
            Err(NotReady::ClockStepped)
        } else {
            Ok(())
        }
    }

    /// Numbers for the operator.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let free = self.0.queue.lock().as_ref().map_or(0, mpsc::Sender::capacity);
        Stats {
            keys: self.state().table.len() as u64,
            log_size: self.state().size().0,
            batches: self.state().batches.load(Ordering::Relaxed),
            queue_depth: self.0.capacity - free,
            queue_capacity: self.0.capacity,
        }
    }

    /// Takes no more changes, answers those that wait, writes the counts of use and closes the
    /// log.
    ///
    /// # Errors
    ///
    /// The last writes failed; every acknowledged event is safe all the same.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.closed.send_replace(true);
        drop(self.0.queue.lock().take());
        if let Some(stopped) = self.0.stopped.lock().await.take() {
            let _ = stopped.await;
        }
        self.save_usage().map_err(Error::fault)?;
        self.state().log.close().map_err(Error::fault)
    }

    /// Writes the counts of use aside.
    ///
    /// # Errors
    ///
    /// The file cannot be written; the one before it stays.
    pub fn save_usage(&self) -> Result<(), UsageError> {
        self.0.usage.as_ref().map_or(Ok(()), |path| usage::save(path, &self.state().table))
    }

    async fn submit(&self, said: Circumstances, work: Work, ask: &Ask) -> Result<Answer, Error> {
        let (answer, wait) = oneshot::channel();
        let job =
            Job { said, wanted_revision: ask.if_revision, dry_run: ask.dry_run, work, answer };
        {
            let queue = self.0.queue.lock();
            let queue = queue.as_ref().ok_or(Error::Broken)?;
            queue.try_send(job).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Error::Broken,
            })?;
        }
        wait.await.map_err(|_| Error::Broken)?
    }

    pub(crate) async fn catch_up(&self) {
        let said = circumstances(&crate::work::worker(), &Ask::default());
        let _ = self.submit(said, Work::CatchUp, &Ask::default()).await;
    }

    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn create(&self, caller: &Caller, draft: Draft, ask: Ask) -> Result<Created, Error> {
        caller.require(MANAGE)?;
        let account = match (&caller.identity.scope, &draft.account) {
            (Scope::Account(own), None) => own.clone(),
            (Scope::Account(own), Some(asked)) if own == asked => own.clone(),
            (Scope::Account(_), Some(_)) => return Err(Error::Forbidden),
            (Scope::All, Some(asked)) => asked.clone(),
            (Scope::All, None) => return Err(Error::AccountRequired),
        };
        self.room_for_secret(caller, &ask)?;
        // Two prefixes are rarely alike; three times in a row is not bad luck any more.
        for _ in 0..8 {
            let (key, secret) = self.make(caller, &account, &draft)?;
            let work = Work::Create(Box::new(key), draft.rules);
            match self.submit(circumstances(caller, &ask), work, &ask).await {
                Err(Error::Refused(Refusal::PrefixTaken)) => {}
                answer => return self.created(caller, answer?, secret, &ask).await,
            }
        }
        Err(Error::Refused(Refusal::PrefixTaken))
    }

    /// Puts a new key in the place of `id`, which stays valid for the rotation's overlap.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn rotate(
        &self,
        caller: &Caller,
        id: KeyId,
        changes: Changes,
        rotation: Rotation,
        ask: Ask,
    ) -> Result<Created, Error> {
        caller.require(MANAGE)?;
        let old = self.find(caller, id, &ask)?;
        self.room_for_secret(caller, &ask)?;
        let made = &old.made;
        let draft = Draft {
            account: Some(made.account.clone()),
            owner: Some(made.owner.clone()),
            name: changes.name.or_else(|| Some(made.name.clone())),
            description: changes.description.or_else(|| made.description.clone()),
            kind: made.kind,
            environment: made.environment,
            role: changes.role.or_else(|| made.role.clone()),
            permissions: changes.permissions.unwrap_or_else(|| made.permissions.clone()),
            project: changes.project.or_else(|| made.project.clone()),
            allowed_ips: changes.allowed_ips.unwrap_or_else(|| made.allowed_ips.clone()),
            expires: changes.expires.or_else(|| made.expires_at.map(Expiry::At)),
            daily_limit: changes.daily_limit.or(made.daily_limit),
            metadata: changes.metadata.unwrap_or_else(|| made.metadata.clone()),
            rules: Rules { most_active: changes.most_active, ..Rules::default() },
        };
        let of_old = Caller { dialect: made.dialect, ..caller.clone() };
        let (key, secret) = self.make(&of_old, &made.account, &draft)?;
        let work = Work::Rotate(Arc::clone(&old), Box::new(key), rotation, draft.rules);
        let answer = self.submit(circumstances(caller, &ask), work, &ask).await?;
        self.created(caller, answer, secret, &ask).await
    }

    /// Changes a key's status.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn change(
        &self,
        caller: &Caller,
        id: KeyId,
        change: Change,
        ask: Ask,
    ) -> Result<Changed, Error> {
        caller.require(MANAGE)?;
        let key = self.find(caller, id, &ask)?;
        let work = Work::Change(Arc::clone(&key), change);
        match self.submit(circumstances(caller, &ask), work, &ask).await? {
            Answer::Done(start, decided) => {
                let Decided { index, record, standing } = *decided;
                let seq = Seq(start.0 + index.unwrap_or(0) as u64);
                let at = record.at;
                Ok(Changed {
                    key: view(&key, standing, at),
                    entry: Entry { seq, record, account: key.made.account.clone() },
                    recorded: index.is_some(),
                    replayed: false,
                })
            }
            Answer::Replay(outcome) => {
                let entry = self.entry_at(outcome.first).await?;
                let standing = self.standing_at(&key, outcome.first).await?;
                let at = entry.record.at;
                Ok(Changed { key: view(&key, standing, at), entry, recorded: true, replayed: true })
            }
            Answer::Expired(_) | Answer::CaughtUp => Err(Error::Broken),
        }
    }

    /// Records what is due, at most `limit` keys, soonest first.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn expire_due(
        &self,
        caller: &Caller,
        limit: usize,
        idempotency: Option<Idempotency>,
    ) -> Result<Expirations, Error> {
        caller.require(EXPIRE)?;
        let ask = Ask { idempotency, ..Ask::default() };
        let answer = self.submit(circumstances(caller, &ask), Work::ExpireDue(limit), &ask).await?;
        let (expired, replayed) = match answer {
            Answer::Expired(expired) => (expired, false),
            Answer::Replay(Outcome { first, count, .. }) => {
                let records = self.read_chunk(first, count as usize).await?;
                (records.into_iter().map(|read| read.record.link.key).collect(), true)
            }
            Answer::Done(..) | Answer::CaughtUp => return Err(Error::Broken),
        };
        let next_due = self.state().table.next_due();
        let more = next_due.is_some_and(|due| due <= self.now());
        Ok(Expirations { expired, more, next_due, replayed })
    }

    /// The key, if the caller may know of it.
    pub(crate) fn find(&self, caller: &Caller, id: KeyId, ask: &Ask) -> Result<Arc<Key>, Error> {
        self.state()
            .table
            .get(id)
            .filter(|key| caller.sees(&key.made.account))
            .filter(|key| ask.only.is_none_or(|dialect| dialect == key.made.dialect))
            .ok_or(Error::Refused(Refusal::UnknownKey))
    }

    fn room_for_secret(&self, caller: &Caller, ask: &Ask) -> Result<(), Error> {
        if ask.idempotency.is_none()
            || self.state().secrets.lock().has_room(&holder(caller), self.now())
        {
            Ok(())
        } else {
            Err(Error::Overloaded)
        }
    }

    /// Makes the key that `draft` wants, and its secret. Only the writer can say whether it may be.
    fn make(
        &self,
        caller: &Caller,
        account: &Account,
        draft: &Draft,
    ) -> Result<(NewKey, Secret), Error> {
        let now = self.now();
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(Error::fault)?;
        let format = Format::of(caller.dialect, draft.kind, draft.environment);
        let mut failed = None;
        let secret = Secret::generate(format, |buffer| {
            failed = failed.take().or(getrandom::fill(buffer).err());
        });
        if let Some(error) = failed {
            return Err(Error::fault(error));
        }
        let prefix = secret.prefix(format);
        let name = match &draft.name {
            Some(name) => name.clone(),
            None => KeyName::new(format!("API key {}", prefix.as_str())).map_err(Error::fault)?,
        };
        let key = NewKey {
            id: KeyId::new(now, random),
            number: 0,
            account: account.clone(),
            owner: draft.owner.clone().unwrap_or_else(|| caller.identity.subject.clone()),
            name,
            description: draft.description.clone(),
            kind: draft.kind,
            environment: draft.environment,
            role: draft.role.clone(),
            permissions: draft.permissions.clone(),
            project: draft.project.clone(),
            allowed_ips: draft.allowed_ips.clone(),
            expires_at: draft.expires.map(|expires| match expires {
                Expiry::At(at) => at,
                Expiry::After(seconds) => now.plus_secs(seconds),
            }),
            daily_limit: draft.daily_limit,
            metadata: draft.metadata.clone(),
            prefix,
            digest: Digest::of(secret.reveal()),
            replaces: None,
            dialect: caller.dialect,
            public_value: (draft.kind == Kind::Public).then(|| secret.reveal().into()),
        };
        Ok((key, secret))
    }

    async fn created(
        &self,
        caller: &Caller,
        answer: Answer,
        secret: Secret,
        ask: &Ask,
    ) -> Result<Created, Error> {
        let (entry, secret, recorded, replayed) = match answer {
            Answer::Done(start, decided) => {
                let Decided { index, record, .. } = *decided;
                let seq = Seq(start.0 + index.unwrap_or(0) as u64);
                if index.is_some() && ask.idempotency.is_some() {
                    let mut secrets = self.state().secrets.lock();
                    secrets.keep(record.at, seq, secret.clone(), holder(caller));
                }
                let Event::Created(made) = &record.event else { return Err(Error::Broken) };
                let account = made.account.clone();
                let secret = index.is_some().then_some(secret);
                (Entry { seq, record, account }, secret, index.is_some(), false)
            }
            Answer::Replay(outcome) => {
                let entry = self.entry_at(outcome.first).await?;
                let secret = self.state().secrets.lock().find(outcome.first, self.now());
                (entry, secret, true, true)
            }
            Answer::Expired(_) | Answer::CaughtUp => return Err(Error::Broken),
        };
        let Event::Created(made) = &entry.record.event else {
            // The idempotency key's scope holds the route: a create finds only creates.
            return Err(Error::IdempotencyMismatch);
        };
        let standing = Standing::created(made, entry.record.at);
        let key = KeyView {
            key: Arc::clone(made),
            standing,
            status: standing.status_at(entry.record.at),
            created_at: entry.record.at,
            created_by: entry.record.actor.subject.clone(),
            last_used_at: None,
        };
        Ok(Created { key, secret, entry: recorded.then_some(entry), replayed })
    }
}

fn circumstances(caller: &Caller, ask: &Ask) -> Circumstances {
    Circumstances {
        caller: caller.clone(),
        reason: ask.reason.clone(),
        idempotency: ask.idempotency,
    }
}

fn holder(caller: &Caller) -> (Option<Account>, keys::Subject) {
    (caller.identity.scope.account().cloned(), caller.identity.subject.clone())
}

pub(crate) fn view(key: &Key, standing: Standing, now: Timestamp) -> KeyView {
    KeyView {
        key: Arc::clone(&key.made),
        standing,
        status: standing.status_at(now),
        created_at: key.created_at,
        created_by: key.created_by.clone(),
        last_used_at: key.uses.last(),
    }
}
