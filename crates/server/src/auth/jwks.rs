//! The keys of an outside issuer, from a JWKS file (RFC 7517 §5) that is read once a second.
//!
//! Requests use the set in memory. When the bytes of the file have changed, the new set replaces it
//! with a higher epoch. While the file is missing or invalid the last valid set is used for a grace
//! period, after which no key is accepted.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use parking_lot::{Mutex, RwLock};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::error::AuthError;
use super::jwk::{self, KeyDigest, PublicKey};
use crate::watched_file::{FileError, read_file, watch_file};

/// How often a warning about an unusable file is logged.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// The number of skipped keys that are logged by name.
const MAX_NAMED: usize = 20;

/// The keys of one state of the file.
#[derive(Default)]
pub(super) struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// The keys that may have signed a token: all with the `kid` of its header; without a `kid`, the
    /// only one of its algorithm.
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

/// A JWKS file and its content in memory.
pub(super) struct Jwks {
    path: PathBuf,
    /// How long the last valid set is used without its file.
    grace: Duration,
    set: RwLock<Arc<KeySet>>,
    /// The number of changes of the set. Incremented after `set` was replaced: a reader that loads it
    /// first and the set second has a set of that epoch or a newer one.
    epoch: AtomicU64,
    /// The same, as a channel that can be awaited.
    changes: watch::Sender<u64>,
    file: Mutex<FileState>,
}

struct FileState {
    /// Of the bytes of the set.
    digest: [u8; 32],
    /// When the file was last valid.
    good: Instant,
    /// When a warning was last logged.
    warned_at: Option<Instant>,
    /// Whether the grace period is over.
    refused: bool,
}

/// Why a file is no set of keys.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("it is not JSON with a list of `keys`")]
    NoSet,
}

impl Jwks {
    /// Reads the file for the first time.
    pub(super) fn read(path: PathBuf, grace: Duration, now: Instant) -> Result<Jwks, AuthError> {
        let found = read_file(&path)
            .map_err(Unusable::from)
            .and_then(|bytes| Ok((Sha256::digest(&bytes).into(), parse(&bytes)?)));
        let (digest, parsed) = match found {
            Ok(found) => found,
            Err(Unusable::File(FileError::Io(source))) => {
                return Err(AuthError::Unreadable { path, source });
            }
            Err(Unusable::File(FileError::TooLong | FileError::Slow) | Unusable::NoSet) => {
                return Err(AuthError::NoKeys { path });
            }
        };
        if parsed.keys.is_empty() && !parsed.skipped.is_empty() {
            return Err(AuthError::NoKeys { path });
        }
        if parsed.keys.is_empty() {
            tracing::warn!(path = %path.display(), "the JWKS file has no keys: all tokens of its issuer are refused");
        }
        parsed.log_skipped();
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

    /// The number of changes of the set.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Notifies of changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The current set.
    pub(super) fn set(&self) -> Arc<KeySet> {
        Arc::clone(&self.set.read())
    }

    /// Whether a key is in the current set.
    pub(super) fn has(&self, digest: &KeyDigest) -> bool {
        self.set.read().has(digest)
    }

    /// Whether the grace period is over and all keys are refused.
    pub(super) fn is_refused(&self) -> bool {
        self.file.lock().refused
    }

    /// Reads the file about once a second, for ever.
    pub(super) async fn keep(&self) {
        watch_file(self.path.clone(), "jwks", |found| {
            self.take(found.map_err(Unusable::from), Instant::now());
        })
        .await;
    }

    /// Reads the file now. It blocks on the disk: no request calls this.
    #[cfg(test)]
    pub(super) fn look(&self, now: Instant) {
        self.take(read_file(&self.path).map_err(Unusable::from), now);
    }

    /// Applies the result of a read.
    fn take(&self, found: Result<Vec<u8>, Unusable>, now: Instant) {
        let mut file = self.file.lock();
        let parsed = found.and_then(|bytes| {
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            // Unchanged, unless the set was dropped after the grace period.
            if digest == file.digest && !file.refused {
                return Ok(None);
            }
            Ok(Some((digest, parse(&bytes)?)))
        });
        match parsed {
            Ok(None) => file.good = now,
            Ok(Some((digest, parsed))) => {
                tracing::info!(keys = parsed.keys.len(), "the JWKS file has another set of keys");
                parsed.log_skipped();
                *file = FileState { digest, good: now, refused: false, ..*file };
                self.put(KeySet(parsed.keys));
            }
            Err(error) => self.miss(&mut file, &error, now),
        }
    }

    /// The file cannot be used now.
    fn miss(&self, file: &mut FileState, error: &Unusable, now: Instant) {
        let since = now.saturating_duration_since(file.good);
        let over = since >= self.grace;
        let newly_refused = over && !file.refused;
        if newly_refused {
            file.refused = true;
            self.put(KeySet::default());
        }
        let warned =
            file.warned_at.is_some_and(|at| now.saturating_duration_since(at) < WARN_EVERY);
        if warned && !newly_refused {
            return;
        }
        file.warned_at = Some(now);
        let (path, since_s) = (self.path.display(), since.as_secs());
        if over {
            tracing::error!(%path, %error, since_s, "the JWKS file cannot be used: tokens of its issuer are refused");
        } else {
            let left_s = self.grace.saturating_sub(since).as_secs();
            tracing::warn!(%path, %error, left_s, "the JWKS file cannot be used: its last valid keys stay accepted for now");
        }
    }

    fn put(&self, set: KeySet) {
        *self.set.write() = Arc::new(set);
        // After the set was replaced: see `epoch`.
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        self.changes.send_replace(epoch);
    }
}

/// The content of a file.
struct Parsed {
    keys: Vec<PublicKey>,
    /// The `kid` of each key that is not accepted, and why.
    skipped: Vec<(String, &'static str)>,
}

impl Parsed {
    /// Logs which keys are not used. Called once for each content.
    fn log_skipped(&self) {
        for (kid, why) in self.skipped.iter().take(MAX_NAMED) {
            tracing::warn!(kid, "a key of the JWKS file is not used: {why}");
        }
        if let Some(more) = self.skipped.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
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
    let mut parsed = Parsed { keys: Vec::new(), skipped: Vec::new() };
    for value in set.keys {
        let kid = value.get("kid").and_then(serde_json::Value::as_str).unwrap_or("-");
        let kid = kid.chars().take(64).collect();
        match jwk::public_key(value) {
            Ok(key) if parsed.keys.iter().any(|before: &PublicKey| before.digest == key.digest) => {
            }
            Ok(key) => parsed.keys.push(key),
            Err(why) => parsed.skipped.push((kid, why)),
        }
    }
    Ok(parsed)
}
