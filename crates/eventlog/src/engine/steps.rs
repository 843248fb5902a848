//! The steps in which an append is written.

use crate::{
    Extra, frame,
    store::{Change, extra_key, frame_key},
};

/// The most bytes of frames that are made durable in one step.
///
/// sled may reuse a segment of 512 KiB as soon as it *believes* that what was in it is safe
/// elsewhere, and it believes too much (see `sled/store.rs`). Steps well below a segment, each
/// synced by us, leave it no chance. A crash between two steps leaves an unfinished append.
const STEP: usize = 256 * 1024;

/// The steps in which an append is written. The last one holds the frame that makes it valid, and
/// the extras with it.
pub(super) fn batches(frames: Vec<frame::Packed>, extras: &[Extra]) -> Vec<Vec<Change>> {
    let mut batches = Vec::new();
    let mut batch: Vec<Change> = Vec::new();
    let mut size = 0;
    for frame in frames {
        if size + frame.bytes.len() > STEP && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            size = 0;
        }
        size += frame.bytes.len();
        batch.push(Change::Put(frame_key(frame.first).into(), frame.bytes));
    }
    let extras = extras.iter().map(|e| Change::Put(extra_key(&e.key), e.value.clone()));
    batch.extend(extras);
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}
