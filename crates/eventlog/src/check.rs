//! The check of everything a log holds: every checksum, every link of the chain, no gap.
//!
//! It reads and changes nothing, and does not look into records.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::{
    Cause, Damage, DamageKind, MAX_EXTRA, Seq,
    engine::{Engine, follow},
    frame::FrameHash,
    store::Store,
};

/// What a check saw, all of it in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Checked {
    /// The records, which is the length of the log.
    pub records: Seq,
    /// The frames they are in.
    pub frames: u64,
    /// The extras.
    pub extras: u64,
    /// The hash of the last frame; zeros if there is none.
    pub hash: FrameHash,
}

/// Why a check did not end well.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckError {
    /// Something is not as it was appended.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The storage cannot be read, so the rest was not checked.
    #[error("the storage cannot be read at record {at}")]
    Storage {
        /// The records before this one are in order.
        at: Seq,
        /// The storage's error.
        source: Cause,
    },
}

/// Checks every frame and every extra of a log, up to its length at the start of the check.
///
/// `progress` is called after each frame with the number of records found in order.
pub(crate) fn engine<S: Store>(
    engine: &Engine<S>,
    progress: &mut dyn FnMut(Seq),
) -> Result<Checked, CheckError> {
    let end = engine.durable();
    let mut walk = Walk::default();
    let mut broken_at = None;
    let store = engine.store();
    store
        .visit_frames(Seq(0), &mut |filed, bytes| {
            if walk.checked.records >= end {
                return false;
            }
            match walk.step(filed, &bytes) {
                Ok(()) => {
                    progress(walk.checked.records);
                    true
                }
                Err(damage) => {
                    broken_at = Some(damage);
                    false
                }
            }
        })
        .map_err(|source| CheckError::Storage { at: walk.checked.records, source })?;
    if let Some(damage) = broken_at {
        return Err(damage.into());
    }
    let at = walk.checked.records;
    if at != end {
        return Err(Damage { at, kind: DamageKind::Gap }.into());
    }
    if walk.within.is_some() {
        return Err(Damage { at, kind: DamageKind::Append }.into());
    }
    let mut long = false;
    let mut extras = 0;
    store
        .visit_extras(&mut |length| {
            long |= length > MAX_EXTRA;
            extras += 1;
        })
        .map_err(|source| CheckError::Storage { at, source })?;
    if long {
        return Err(Damage { at, kind: DamageKind::Extra }.into());
    }
    Ok(Checked { extras, ..walk.checked })
}

/// The state of a check between two frames.
#[derive(Default)]
struct Walk {
    checked: Checked,
    /// Which frame of which append comes next: its place and number. `None` at the start of one.
    within: Option<(u32, u32)>,
}

impl Walk {
    fn step(&mut self, filed: Seq, bytes: &Bytes) -> Result<(), Damage> {
        let at = self.checked.records;
        let frame = follow(at, filed, bytes)?;
        if frame.before != self.checked.hash {
            return Err(Damage { at, kind: DamageKind::Chain });
        }
        let expected = self.within.unwrap_or((0, frame.number));
        if (frame.place, frame.number) != expected {
            return Err(Damage { at, kind: DamageKind::Append });
        }
        self.within = (!frame.is_last()).then(|| (frame.place.saturating_add(1), frame.number));
        self.checked.records = frame.end();
        self.checked.frames += 1;
        self.checked.hash = FrameHash::of(bytes);
        Ok(())
    }
}
