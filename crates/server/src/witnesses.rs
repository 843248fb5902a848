//! Witnesses: others who cosign that this log only grows (c2sp.org/tlog-witness).
//!
//! Nothing here is on the way of a change. Once a second at most the newest checkpoint becomes a
//! *round*; a task for each witness sends it there, with the proof that it extends what that witness
//! cosigned last. When a quorum has cosigned a round, its checkpoint with their signatures is what
//! `/log/checkpoint/cosigned` serves, and what a file has for after a restart. A quorum of several
//! can only be had for the same checkpoint: so a round lasts until a quorum has cosigned it, or ten
//! seconds.

mod exchange;
mod rounds;
mod spec;
mod tasks;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use delivery::Poster;
use ledger::Ledger;
use parking_lot::Mutex;
use tlog::note::{Note, NoteError, VerifierKey};

use self::rounds::Rounds;
pub use self::spec::{InvalidWitness, WitnessSpec};
pub use self::tasks::gather_cosignatures;

/// What is asked of which witnesses.
pub struct WitnessOptions {
    /// Each of them, once.
    pub all: Vec<WitnessSpec>,
    /// What posts to them.
    pub poster: Poster,
    /// How many must cosign a checkpoint; from 1 to all.
    pub quorum: usize,
    /// For how long a quorum may be missing before `/readyz` warns.
    pub max_lag: Duration,
    /// Where the cosigned checkpoint is stored.
    pub file: PathBuf,
    /// What that file has, if it is there.
    pub stored: Option<String>,
}

/// The witnesses of a log, and what they cosigned. By default there are none. A clone is the same one.
#[derive(Clone, Default)]
pub struct Witnesses(Option<Arc<Inner>>);

struct Inner {
    all: Vec<WitnessSpec>,
    poster: Poster,
    max_lag: Duration,
    file: PathBuf,
    /// What the file has; locked while it is written.
    written: tokio::sync::Mutex<Option<Arc<str>>>,
    state: Mutex<State>,
}

struct State {
    rounds: Rounds,
    /// Of each witness, in their order.
    witnesses: Vec<Progress>,
    /// When a quorum cosigned last, or when the service was started.
    quorum_at: Instant,
}

/// How far a witness is.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// The size that it cosigned last, since the start; 0 if none.
    size: u64,
    /// When it did, or when the service was started.
    at: Instant,
}

/// The numbers of a witness, for the metrics.
pub(crate) struct WitnessStats<'w> {
    pub(crate) name: &'w str,
    /// The size that it cosigned last.
    pub(crate) size: u64,
    /// For how long it has cosigned nothing.
    pub(crate) age: Duration,
}

impl fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.as_ref().map_or(&[][..], |inner| &inner.all);
        f.debug_list().entries(all.iter().map(|witness| witness.key().to_string())).finish()
    }
}

impl Witnesses {
    /// Those of the log of `ledger`. What is stored is taken if the log has it and a quorum cosigned it.
    #[must_use]
    pub fn new(options: WitnessOptions, ledger: &Ledger) -> Witnesses {
        let WitnessOptions { all, poster, quorum, max_lag, file, stored } = options;
        if all.is_empty() {
            return Witnesses::default();
        }
        let stored = stored.and_then(|text| {
            let accepted = accept(&text, ledger, &all, quorum);
            accepted
                .inspect_err(|why| {
                    tracing::warn!("the stored cosigned checkpoint is left out: {why}");
                })
                .ok()
        });
        let note = stored.as_ref().map(|(_, note)| Arc::clone(note));
        let now = Instant::now();
        let witnesses = vec![Progress { size: 0, at: now }; all.len()];
        let state = State { rounds: Rounds::new(quorum, stored), witnesses, quorum_at: now };
        let written = tokio::sync::Mutex::new(note);
        let state = Mutex::new(state);
        Witnesses(Some(Arc::new(Inner { all, poster, max_lag, file, written, state })))
    }

    /// The newest checkpoint that a quorum cosigned, as a note with their signatures.
    #[must_use]
    pub fn cosigned(&self) -> Option<Arc<str>> {
        self.0.as_ref()?.state.lock().rounds.cosigned().map(|(_, note)| note)
    }

    /// The size of that checkpoint, 0 if there is none, and for how long no quorum has cosigned
    /// anything; `None` without witnesses.
    pub(crate) fn quorum(&self) -> Option<(u64, Duration)> {
        let state = self.0.as_ref()?.state.lock();
        let size = state.rounds.cosigned().map_or(0, |(size, _)| size);
        Some((size, state.quorum_at.elapsed()))
    }

    /// Whether no quorum has cosigned anything for too long.
    pub(crate) fn are_late(&self) -> bool {
        let max_lag = self.0.as_ref().map(|inner| inner.max_lag);
        self.quorum().zip(max_lag).is_some_and(|((_, age), max_lag)| age > max_lag)
    }

    /// The numbers of each.
    pub(crate) fn stats(&self) -> Vec<WitnessStats<'_>> {
        let Some(inner) = &self.0 else { return Vec::new() };
        let state = inner.state.lock();
        let each = inner.all.iter().zip(&state.witnesses);
        let numbers = each.map(|(witness, Progress { size, at })| WitnessStats {
            name: witness.key().name(),
            size: *size,
            age: at.elapsed(),
        });
        numbers.collect()
    }
}

/// The size and the note of a stored checkpoint, if the log has it and a quorum cosigned it.
fn accept(
    text: &str,
    ledger: &Ledger,
    witnesses: &[WitnessSpec],
    quorum: usize,
) -> Result<(u64, Arc<str>), String> {
    let chain = ledger.signing_keys().map_err(|error| error.to_string())?;
    let checkpoint = chain.open(text.as_bytes()).map_err(|error| error.to_string())?;
    let root = ledger.root_at(checkpoint.size());
    if root.map_err(|error| error.to_string())? != checkpoint.root() {
        return Err("it is of another log".to_owned());
    }
    let keys: Vec<VerifierKey> = witnesses.iter().map(|witness| witness.key().clone()).collect();
    let cosigned = Note::parse(text.as_bytes()).and_then(|note| note.verify(&keys));
    match cosigned {
        Ok(by) if by.len() >= quorum => Ok((checkpoint.size(), Arc::from(text))),
        Ok(_) | Err(NoteError::Unsigned) => {
            Err("no quorum of these witnesses cosigned it".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}
