//! Keys of an issuer outside, from a JWKS file (RFC 7517 §5) that is looked at once a second.
//!
//! Requests read what is in memory. A set that is not like the one before, by its bytes, takes its
//! place with a higher epoch. A file that is missing or broken leaves the last good set in its place
//! for a while, and then no key at all.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use parking_lot::{Mutex, RwLock};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::error::AuthError;
use super::jwk::{self, KeyDigest, PublicKey};

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A read that takes longer is a file that cannot be read.
const SLOW: Duration = Duration::from_secs(10);
/// How often the log says that the file cannot be used.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// How many keys that are passed over the log tells of.
const MAX_NAMED: usize = 20;

/// The keys of one state of the file.
#[derive(Default)]
pub(super) struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// The keys that a token may mean: all that its header names; without a name the only one of
    /// its algorithm.
    pub(super) fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &PublicKey> {
        let fits = move |key: &&PublicKey| {
            key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid)
        };
        let ambiguous = kid.is_none() && self.0.iter().filter(fits).nth(1).is_some();
        self.0.iter().filter(fits).filter(move |_| !ambiguous)
    }

    fn has(&self, digest: &KeyDigest) -> bool {
        self.0.iter().any(|key| key.digest == *digest)
    }
}

/// The file, and what is in it.
pub(super) struct Jwks {
    path: PathBuf,
    /// How long the last good set outlives its file.
    grace: Duration,
    set: RwLock<Arc<KeySet>>,
    /// How often the set has changed. Grows after `set` has changed: who reads it first and the
    /// set second has keys that are as new as that or newer.
    epoch: AtomicU64,
    /// The same, for those who wait for a change.
    changes: watch::Sender<u64>,
    file: Mutex<FileState>,
}

struct FileState {
    /// Of the bytes of the set.
    digest: [u8; 32],
    /// When the file was last good.
    good: Instant,
    /// When the operator was last warned that it is not.
    warned_at: Option<Instant>,
    /// Whether its last good set was given up.
    refused: bool,
}

/// Why a file is no set of keys.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("reading it takes too long")]
    Slow,
    #[error("it is longer than 1 MiB")]
    TooLong,
    #[error("it is not JSON with a list of `keys`")]
    NoSet,
}

impl Jwks {
    /// Reads the file for the first time.
    pub(super) fn read(path: PathBuf, grace: Duration, now: Instant) -> Result<Jwks, AuthError> {
        let found =
            read(&path).and_then(|bytes| Ok((Sha256::digest(&bytes).into(), parse(&bytes)?)));
        let (digest, parsed) = match found {
            Ok(found) => found,
            Err(Unusable::Io(source)) => return Err(AuthError::Unreadable { path, source }),
            Err(Unusable::TooLong | Unusable::NoSet | Unusable::Slow) => {
                return Err(AuthError::NoKeys { path });
            }
        };
        if parsed.keys.is_empty() && !parsed.passed_over.is_empty() {
            return Err(AuthError::NoKeys { path });
        }
        if parsed.keys.is_empty() {
            tracing::warn!(path = %path.display(), "the JWKS file has no keys: its issuer is believed in nothing");
        }
        parsed.tell();
        let file = FileState { digest, good: now, warned_at: None, refused: false };
        Ok(Jwks {
            path,
            grace,
            set: RwLock::new(Arc::new(KeySet(parsed.keys))),
            epoch: AtomicU64::new(0),
            changes: watch::Sender::new(0),
            file: Mutex::new(file),
        })
    }

    /// How often the set has changed.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Hears of changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The keys that count now.
    pub(super) fn set(&self) -> Arc<KeySet> {
        Arc::clone(&self.set.read())
    }

    /// Whether a key is one of them.
    pub(super) fn has(&self, digest: &KeyDigest) -> bool {
        self.set.read().has(digest)
    }

    /// Whether the last good set was given up because its file is gone or broken.
    pub(super) fn is_refused(&self) -> bool {
        self.file.lock().refused
    }

    /// Looks at the file about once a second, for ever.
    pub(super) async fn keep(&self) {
        let (found, mut finds) = tokio::sync::mpsc::channel(1);
        // Dropped with this future, which ends the thread. A thread of its own: a file system that
        // does not answer then keeps nothing else from being done, nor the service from ending.
        let (_stop, stopped) = std::sync::mpsc::channel::<()>();
        let path = self.path.clone();
        let looking = std::thread::Builder::new().name("jwks".into()).spawn(move || {
            while found.blocking_send(read(&path)).is_ok()
                && stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout)
            {}
        });
        if let Err(error) = looking {
            tracing::error!(%error, "no thread that reads the JWKS file");
        }
        loop {
            match tokio::time::timeout(SLOW, finds.recv()).await {
                Ok(Some(found)) => self.take(found, Instant::now()),
                Err(_) => self.take(Err(Unusable::Slow), Instant::now()),
                Ok(None) => {
                    self.take(Err(Unusable::Slow), Instant::now());
                    tokio::time::sleep(SLOW).await;
                }
            }
        }
    }

    /// Looks at the file now. It reads the disk: nothing of a request does this.
    #[cfg(test)]
    pub(super) fn look(&self, now: Instant) {
        self.take(read(&self.path), now);
    }

    /// Takes what was found in the file.
    fn take(&self, found: Result<Vec<u8>, Unusable>, now: Instant) {
        let mut file = self.file.lock();
        let parsed = found.and_then(|bytes| {
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            // The same again: but it may have been given up meanwhile.
            if digest == file.digest && !file.refused {
                return Ok(None);
            }
            Ok(Some((digest, parse(&bytes)?)))
        });
        match parsed {
            Ok(None) => file.good = now,
            Ok(Some((digest, parsed))) => {
                tracing::info!(keys = parsed.keys.len(), "the JWKS file has another set of keys");
                parsed.tell();
                *file = FileState { digest, good: now, refused: false, ..*file };
                self.put(KeySet(parsed.keys));
            }
            Err(error) => self.miss(&mut file, &error, now),
        }
    }

    /// The file is of no use now.
    fn miss(&self, file: &mut FileState, error: &Unusable, now: Instant) {
        let since = now.saturating_duration_since(file.good);
        let over = since >= self.grace;
        let turned = over && !file.refused;
        if turned {
            file.refused = true;
            self.put(KeySet::default());
        }
        let warned =
            file.warned_at.is_some_and(|at| now.saturating_duration_since(at) < WARN_EVERY);
        if warned && !turned {
            return;
        }
        file.warned_at = Some(now);
        let (path, since_s) = (self.path.display(), since.as_secs());
        if over {
            tracing::error!(%path, %error, since_s, "the JWKS file cannot be used: tokens of its issuer are refused");
        } else {
            let left_s = self.grace.saturating_sub(since).as_secs();
            tracing::warn!(%path, %error, left_s, "the JWKS file cannot be used: its last keys stay for now");
        }
    }

    fn put(&self, set: KeySet) {
        *self.set.write() = Arc::new(set);
        // Only now: see `epoch`.
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        self.changes.send_replace(epoch);
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE { Err(Unusable::TooLong) } else { Ok(bytes) }
}

/// What a file holds.
struct Parsed {
    keys: Vec<PublicKey>,
    /// The name of each key that is passed over, and why.
    passed_over: Vec<(String, &'static str)>,
}

impl Parsed {
    /// Says which keys are not used. Called once for each content.
    fn tell(&self) {
        for (kid, why) in self.passed_over.iter().take(MAX_NAMED) {
            tracing::warn!(kid, "a key of the JWKS file is not used: {why}");
        }
        if let Some(more) = self.passed_over.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            tracing::warn!(more, "and more keys of the JWKS file are not used");
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Parsed, Unusable> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(bytes).map_err(|_| Unusable::NoSet)?;
    let mut parsed = Parsed { keys: Vec::new(), passed_over: Vec::new() };
    for value in set.keys {
        let kid = value.get("kid").and_then(serde_json::Value::as_str).unwrap_or("-");
        let kid = kid.chars().take(64).collect();
        match jwk::public_key(value) {
            Ok(key) if parsed.keys.iter().any(|before: &PublicKey| before.digest == key.digest) => {
            }
            Ok(key) => parsed.keys.push(key),
            Err(why) => parsed.passed_over.push((kid, why)),
        }
    }
    Ok(parsed)
}
