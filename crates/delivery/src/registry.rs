//! All webhooks of a data directory.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventlog::files;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::attempt::{Entry, Position, Replay};
use crate::attempt_file::{self, AttemptFile};
use crate::definition::{self, Definition, NewWebhook};
use crate::deleted::{Deleted, Deletion};
use crate::idempotency::Idempotency;
use crate::progress::{Progress, Stats};
use crate::secret::Secret;
use crate::webhook::Webhook;
use crate::webhook_id::WebhookId;

/// For how long a request with an idempotency key is remembered, in microseconds.
const REMEMBERED_US: i64 = 86_400_000_000;
/// For how long it is answered with the secret, by the process that made the webhook.
const SECRET_SHOWN_US: i64 = 600_000_000;

/// Where webhooks are stored, and how many there may be.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// The folder; `None`: in memory, for tests.
    pub folder: Option<PathBuf>,
    /// The most webhooks of one account; those of all accounts count as one account's.
    pub most_per_account: usize,
    /// The most of all.
    pub most: usize,
}

/// Why the webhooks of a folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be read: {source}; restore it from a backup, or remove it", path.display())]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

/// Why a webhook was not made, deleted or moved. Nothing has happened but for a fault.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is none of this id.
    #[error("no such webhook")]
    Unknown,
    /// The account has as many as it may have.
    #[error("the account has {0} webhooks, as many as it may have")]
    TooManyOfAccount(usize),
    /// There are as many as there may be.
    #[error("there are {0} webhooks, as many as there may be")]
    TooMany(usize),
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    IdempotencyMismatch,
    /// There are no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The disk failed. It may have happened, or not.
    #[error("the webhook's files cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// A webhook that was made.
pub struct Created {
    /// The webhook.
    pub webhook: Arc<Webhook>,
    /// What signs its messages; `None` for a repeated request that came too late, or after a restart.
    pub secret: Option<Secret>,
    /// Whether it was made by an earlier request with this idempotency key.
    pub replayed: bool,
}

/// A webhook that was deleted, or goes on from elsewhere.
pub struct Changed {
    /// The webhook.
    pub webhook: Arc<Webhook>,
    /// Whether an earlier request with this idempotency key did it.
    pub replayed: bool,
}

/// All webhooks.
pub struct Registry {
    options: RegistryOptions,
    webhooks: RwLock<BTreeMap<WebhookId, Arc<Webhook>>>,
    /// Changes when one is made or deleted.
    changes: watch::Sender<u64>,
    deleted: Deleted,
    /// Held by whoever makes, deletes or moves one.
    writing: Mutex<()>,
}

impl Registry {
    /// Reads the webhooks of a folder, which is made if there is none.
    ///
    /// # Errors
    ///
    /// One of its files is none that was written here.
    pub fn open(options: RegistryOptions) -> Result<Registry, OpenError> {
        let mut webhooks = BTreeMap::new();
        if let Some(folder) = &options.folder {
            let at = |path: &Path| {
                let path = path.to_path_buf();
                move |source| OpenError { path, source }
            };
            files::make_folder(folder).map_err(at(folder))?;
            files::tighten(folder).map_err(at(folder))?;
            for path in paths(folder).map_err(at(folder))? {
                files::tighten(&path).map_err(at(&path))?;
                if definition::is_one(&path) {
                    let webhook = read(folder, &path).map_err(at(&path))?;
                    webhooks.insert(webhook.id(), Arc::new(webhook));
                } else if is_left_over(folder, &path) {
                    files::remove_if_there(&path).map_err(at(&path))?;
                }
            }
        }
        Ok(Registry {
            options,
            webhooks: RwLock::new(webhooks),
            changes: watch::Sender::new(0),
            deleted: Deleted::default(),
            writing: Mutex::new(()),
        })
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Webhook>> {
        self.webhooks.read().values().cloned().collect()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: WebhookId) -> Option<Arc<Webhook>> {
        self.webhooks.read().get(&id).cloned()
    }

    /// Changes when one is made or deleted.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Checks whether a webhook could be made now; what a repeated request made is given again.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn check(&self, new: &NewWebhook, now: i64) -> Result<Option<Created>, Refusal> {
        let webhooks = self.webhooks.read();
        for webhook in webhooks.values() {
            let definition = &webhook.definition;
            let made = definition.idempotency.map(|request| (request, definition.created_at));
            if !is_repeated(new.idempotency, made, now)? {
                continue;
            }
            let shown = webhook.made_here && now - definition.created_at < SECRET_SHOWN_US;
            let secret = shown.then(|| definition.secret.clone());
            let webhook = Arc::clone(webhook);
            return Ok(Some(Created { webhook, secret, replayed: true }));
        }
        let same = webhooks.values().filter(|other| other.definition.account == new.account);
        let same = same.count();
        if same >= self.options.most_per_account {
            return Err(Refusal::TooManyOfAccount(same));
        }
        if webhooks.len() >= self.options.most {
            return Err(Refusal::TooMany(webhooks.len()));
        }
        Ok(None)
    }

    /// Makes a webhook that goes on from `position`. Waits for the disk: it is on stable storage on
    /// return.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; there is none, but after [`Refusal::Io`] there may be one after a restart.
    pub fn create(
        &self,
        new: NewWebhook,
        position: Position,
        now: i64,
    ) -> Result<Created, Refusal> {
        let _writing = self.writing.lock();
        if let Some(created) = self.check(&new, now)? {
            return Ok(created);
        }
        let mut random = [0; 10];
        getrandom::fill(&mut random)?;
        let id = WebhookId::new(now, random);
        let secret = new.secret.map_or_else(Secret::random, Ok)?;
        let definition = Definition {
            id,
            target: new.target,
            events: new.events,
            account: new.account,
            created_at: now,
            created_by: new.created_by,
            secret: secret.clone(),
            idempotency: new.idempotency,
        };
        let entry = Entry::at(position);
        let lines = VecDeque::from([entry.clone()]);
        let mut file = None;
        if let Some(folder) = &self.options.folder {
            // The definition last: without it, the other file is nothing.
            file = Some(AttemptFile::create(attempt_file::path(folder, id), entry)?);
            definition.write(folder)?;
        }
        let webhook = Webhook { made_here: true, ..assemble(definition, &lines, file) };
        let webhook = Arc::new(webhook);
        self.webhooks.write().insert(id, Arc::clone(&webhook));
        self.changes.send_modify(|changes| *changes += 1);
        Ok(Created { webhook, secret: Some(secret), replayed: false })
    }

    /// The webhook that an earlier request with the same idempotency key deleted or had go on from
    /// elsewhere. What was deleted is remembered until the process ends.
    ///
    /// # Errors
    ///
    /// [`Refusal::IdempotencyMismatch`].
    pub fn repeated(
        &self,
        request: Option<Idempotency>,
        now: i64,
    ) -> Result<Option<Arc<Webhook>>, Refusal> {
        let Some(Idempotency { key, .. }) = request else { return Ok(None) };
        if let Some(Deletion { request: earlier, at, webhook }) = self.deleted.find(key)
            && is_repeated(request, Some((earlier, at)), now)?
        {
            return Ok(Some(webhook));
        }
        for webhook in self.webhooks.read().values() {
            let earlier = webhook.progress.last_replay().map(|replay| (replay.request, replay.at));
            if is_repeated(request, earlier, now)? {
                return Ok(Some(Arc::clone(webhook)));
            }
        }
        Ok(None)
    }

    /// Has a webhook go on from place `next` of the log, at once. Waits for the disk.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; with [`Refusal::Io`] it goes on from there, but after a crash it may be where it was.
    pub fn replay(
        &self,
        id: WebhookId,
        next: u64,
        request: Option<Idempotency>,
        now: i64,
    ) -> Result<Changed, Refusal> {
        let _writing = self.writing.lock();
        if let Some(webhook) = self.repeated(request, now)? {
            return Ok(Changed { webhook, replayed: true });
        }
        let webhook = self.get(id).ok_or(Refusal::Unknown)?;
        webhook.progress.replay(next, request.map(|request| Replay { request, at: now }))?;
        Ok(Changed { webhook, replayed: false })
    }

    /// Deletes a webhook: nothing more is delivered. Waits for the disk.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; after [`Refusal::Io`] it may be there again after a restart.
    pub fn delete(
        &self,
        id: WebhookId,
        request: Option<Idempotency>,
        now: i64,
    ) -> Result<Changed, Refusal> {
        let _writing = self.writing.lock();
        if let Some(webhook) = self.repeated(request, now)? {
            return Ok(Changed { webhook, replayed: true });
        }
        let webhook = self.webhooks.write().remove(&id).ok_or(Refusal::Unknown)?;
        webhook.progress.end();
        self.changes.send_modify(|changes| *changes += 1);
        if let Some(folder) = &self.options.folder {
            files::remove_if_there(&definition::path(folder, id))?;
            std::fs::File::open(folder)?.sync_all()?;
            files::remove_if_there(&attempt_file::path(folder, id))?;
        }
        if let Some(request) = request {
            self.deleted.push(Deletion { request, at: now, webhook: Arc::clone(&webhook) });
        }
        Ok(Changed { webhook, replayed: false })
    }

    /// Has the tasks look whose webhook `wants` that.
    pub fn wake(&self, wants: impl Fn(&Definition) -> bool) {
        for webhook in self.webhooks.read().values().filter(|it| wants(&it.definition)) {
            webhook.progress.wake();
        }
    }

    /// Writes how far all of them are. Waits for the disk.
    ///
    /// # Errors
    ///
    /// The last one that failed: after a restart it repeats messages.
    pub fn save(&self) -> io::Result<()> {
        self.all().iter().map(|webhook| webhook.progress.save()).fold(Ok(()), io::Result::and)
    }

    /// Numbers for the operator; the log has `length` places.
    #[must_use]
    pub fn stats(&self, length: u64) -> Stats {
        Stats::of(self.all().iter().map(|webhook| webhook.progress.status()), length)
    }
}

/// Whether `wanted` is the same request as `earlier`, of that moment, if both have the same
/// idempotency key.
fn is_repeated(
    wanted: Option<Idempotency>,
    earlier: Option<(Idempotency, i64)>,
    now: i64,
) -> Result<bool, Refusal> {
    match (wanted, earlier) {
        (Some(wanted), Some((earlier, at)))
            if wanted.key == earlier.key && now - at < REMEMBERED_US =>
        {
            let same = wanted.request == earlier.request;
            if same { Ok(true) } else { Err(Refusal::IdempotencyMismatch) }
        }
        _ => Ok(false),
    }
}

fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Reads a webhook from its two files.
fn read(folder: &Path, path: &Path) -> io::Result<Webhook> {
    let definition = Definition::read(path)?;
    if definition::path(folder, definition.id) != path {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is a webhook of another name"));
    }
    let file = AttemptFile::open(attempt_file::path(folder, definition.id))?;
    let lines = file.lines().clone();
    Ok(assemble(definition, &lines, Some(file)))
}

fn assemble(definition: Definition, lines: &VecDeque<Entry>, file: Option<AttemptFile>) -> Webhook {
    let progress = Progress::new(format!("webhook {}", definition.id), lines, file);
    Webhook { definition, progress: Arc::new(progress), made_here: false }
}

/// Whether a crash left this file when a webhook was made or deleted, or a file was written.
fn is_left_over(folder: &Path, path: &Path) -> bool {
    let aside = path.file_name().and_then(|name| name.to_str()).is_some_and(files::is_aside);
    let without_definition = attempt_file::webhook_of(path)
        .and_then(|id| id.parse().ok())
        .is_some_and(|id| !definition::path(folder, id).exists());
    aside || without_definition
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
