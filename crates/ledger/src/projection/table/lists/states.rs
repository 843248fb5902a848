//! How the keys of an account stand: their places by recorded status, and by due time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use keys::{KeyId, KeyState, Status, Timestamp};
use parking_lot::RwLock;
use roaring::RoaringBitmap;

use crate::projection::table::Key;

/// Due keys copied out under one hold of the lock.
const SLICE: usize = 1_024;

/// Keys by the moment they are due at, and their places.
type Dues = BTreeMap<DueKey, u32>;

/// When a key is due, and which one it is.
pub(crate) type DueKey = (Timestamp, KeyId);

/// Who adds a key looks at it while this is held, and who changes one comes here afterwards: the last
/// one to put a key has seen its last change.
#[derive(Default)]
pub(super) struct StateLists(RwLock<Places>);

#[derive(Default)]
struct Places {
    statuses: [RoaringBitmap; Status::ALL.len()],
    /// Of keys that are not at their end.
    alive: Dues,
    /// Of the others.
    ended: Dues,
}

impl Places {
    fn dues(&mut self, state: &KeyState) -> &mut Dues {
        if state.status.is_alive() { &mut self.alive } else { &mut self.ended }
    }

    fn put(&mut self, key: KeyId, place: u32, state: &KeyState) {
        if let Some(places) = self.statuses.get_mut(state.status as usize) {
            places.insert(place);
        }
        if let Some(due) = state.expires_at {
            self.dues(state).insert((due, key), place);
        }
    }

    fn remove(&mut self, key: KeyId, place: u32, state: &KeyState) {
        if let Some(places) = self.statuses.get_mut(state.status as usize) {
            places.remove(place);
        }
        if let Some(due) = state.expires_at {
            self.dues(state).remove(&(due, key));
        }
    }
}

impl StateLists {
    /// Adds keys, the first of them at `first`.
    pub(super) fn put(&self, first: usize, keys: &[Arc<Key>]) {
        let mut places = self.0.write();
        for (place, key) in keys.iter().enumerate() {
            let Ok(place) = u32::try_from(first + place) else { return };
            places.put(key.made.id, place, &key.state());
        }
    }

    /// Moves a key that stood as `before` and stands as `after`.
    pub(super) fn moved(&self, key: KeyId, place: u32, (before, after): (&KeyState, &KeyState)) {
        if (before.status, before.expires_at) == (after.status, after.expires_at) {
            return;
        }
        let mut places = self.0.write();
        places.remove(key, place, before);
        places.put(key, place, after);
    }

    /// The places of keys that can be of `status` at `now`; `None` if more than `most` are due.
    pub(super) fn with(
        &self,
        status: Status,
        now: Timestamp,
        most: usize,
    ) -> Option<RoaringBitmap> {
        let mut found = RoaringBitmap::new();
        if status == Status::Expired {
            self.due(
                |places| &places.alive,
                Timestamp::from_micros(now.micros().saturating_add(1)),
                most,
                &mut found,
            )?;
        }
        let places = self.0.read();
        if let Some(of) = places.statuses.get(status as usize) {
            found |= of;
        }
        Some(found)
    }

    /// The places of keys that are or were due before `end`; `None` if these are more than `most`.
    pub(super) fn due_before(&self, end: Timestamp, most: usize) -> Option<RoaringBitmap> {
        let mut found = RoaringBitmap::new();
        self.due(|places| &places.alive, end, most, &mut found)?;
        self.due(|places| &places.ended, end, most, &mut found)?;
        Some(found)
    }

    /// Adds to `found` those of some keys that are due before `end`, slice by slice: who is moved
    /// meanwhile may be missed or met, as if it had been looked for then.
    fn due(
        &self,
        of: impl Fn(&Places) -> &Dues,
        end: Timestamp,
        most: usize,
        found: &mut RoaringBitmap,
    ) -> Option<()> {
        let mut after = Bound::Unbounded;
        let mut left = most;
        let end = Bound::Excluded((end, KeyId::from_bytes([0; 16])));
        loop {
            if let (Bound::Excluded(after), Bound::Excluded(end)) = (&after, &end)
                && after >= end
            {
                return Some(());
            }
            let slice: Vec<_> = {
                let places = self.0.read();
                let range = of(&places).range((after, end));
                range.take(SLICE).map(|(key, place)| (*key, *place)).collect()
            };
            left = left.checked_sub(slice.len())?;
            found.extend(slice.iter().map(|(_, place)| *place));
            match slice.last() {
                Some((last, _)) if slice.len() == SLICE => after = Bound::Excluded(*last),
                Some(_) | None => return Some(()),
            }
        }
    }

    /// Up to `limit` alive keys that are due after `after` and until `until`, soonest first.
    pub(super) fn due_after(
        &self,
        after: Option<DueKey>,
        until: Timestamp,
        limit: usize,
    ) -> Vec<(DueKey, usize)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let places = self.0.read();
        let following = places.alive.range((start, Bound::Unbounded));
        let following = following.take_while(|((at, _), _)| *at <= until).take(limit);
        following.map(|(due, place)| (*due, *place as usize)).collect()
    }
}
