//! The signed note of the key table, at most once a minute but for those who need one of now.

use std::sync::Arc;
use std::time::Duration;

use eventlog::Seq;
use keys::{KeyId, Timestamp};
use signedlog::SignedRoot;

use crate::caller::{AUDIT, Caller};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::buckets::bucket;
use crate::projection::row::Row;
use crate::projection::table_snapshot::{BucketProof, InTable, TableSnapshot};
use crate::read::table_tree::Making;

/// The least time between two snapshots.
const INTERVAL: Duration = Duration::from_secs(60);

impl Ledger {
    /// The signed snapshot of the key table, at most a minute old when the log has grown since, but
    /// for the time that the next one takes to be made: as long as what has changed since then takes.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, [`Error::NotSigned`],
    /// [`Error::Overloaded`] while another makes the first one, or a fault of the storage.
    pub fn table_note(&self, caller: &Caller) -> Result<SignedRoot, Error> {
        caller.require_all(AUDIT)?;
        Ok(self.table_snapshot()?.signed.clone())
    }

    /// What a snapshot says of a key, and the bucket in which it does.
    ///
    /// # Errors
    ///
    /// A fault of the storage.
    pub(crate) fn find_row(
        &self,
        snapshot: &TableSnapshot,
        key: KeyId,
    ) -> Result<(BucketProof, InTable), Error> {
        let rows = self.bucket_rows(bucket(key), Seq(snapshot.signed.size))?.rows;
        snapshot.find(&Row::place(key), &rows)
    }

    /// The table's last snapshot if it is of the log's present size, or a new one.
    pub(crate) fn table_snapshot_of_now(&self) -> Result<Arc<TableSnapshot>, Error> {
        let shared = &self.state().snapshots;
        let Some(mut making) = shared.making.try_lock() else { return Err(Error::Overloaded) };
        let (moment, now) = (self.state().clock.now(), self.state().clock.monotonic());
        // After the clock: what came later is not denied.
        let size = self.state().size();
        let last = shared.last.lock().clone();
        if let Some(snapshot) = last.filter(|snapshot| snapshot.signed.size == size.0) {
            *snapshot.heartbeat.lock() = (self.heartbeat_at(size.0, moment)?, now);
            return Ok(snapshot);
        }
        self.make_snapshot(&mut making, (moment, now))
    }

    /// The table's last snapshot, or a new one if it is time and the log has grown. While another
    /// makes that, it is still the last one.
    pub(crate) fn table_snapshot(&self) -> Result<Arc<TableSnapshot>, Error> {
        let shared = &self.state().snapshots;
        let Some(mut making) = shared.making.try_lock() else {
            return shared.last.lock().clone().ok_or(Error::Overloaded);
        };
        let (moment, now) = (self.state().clock.now(), self.state().clock.monotonic());
        // After the clock: what came later is not denied.
        let size = self.state().size();
        if let Some(snapshot) = shared.last.lock().as_ref()
            && (snapshot.signed.size == size.0 || now.saturating_sub(snapshot.made_at) < INTERVAL)
        {
            let mut heartbeat = snapshot.heartbeat.lock();
            if snapshot.signed.size == size.0 && now.saturating_sub(heartbeat.1) >= INTERVAL {
                *heartbeat = (self.heartbeat_at(size.0, moment)?, now);
            }
            drop(heartbeat);
            return Ok(Arc::clone(snapshot));
        }
        self.make_snapshot(&mut making, (moment, now))
    }

    /// A snapshot of now. The log had no more than that at `moment`, which is before now.
    fn make_snapshot(
        &self,
        making: &mut Making<'_>,
        (moment, now): (Timestamp, Duration),
    ) -> Result<Arc<TableSnapshot>, Error> {
        let signing = self.log().signing()?;
        let tree = self.table_tree(making)?;
        let heartbeat = self.heartbeat_at(tree.size.0, moment)?;
        let snapshot = TableSnapshot::sign(tree, signing, (heartbeat, now));
        let snapshot = Arc::new(snapshot.map_err(Error::fault)?);
        *self.state().snapshots.last.lock() = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}
