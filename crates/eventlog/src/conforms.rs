//! What every engine has to do, written once and run for each.

pub(crate) mod cases;

use tempfile::TempDir;

use crate::{
    CheckError, Checked, Log,
    memory::{Fault, MemoryLog},
    sled::{Options, SledLog},
};

/// An engine under test.
trait Subject: Sized {
    type Engine: Log;

    /// An empty log.
    fn fresh() -> Self;

    fn log(&self) -> &Self::Engine;

    /// Plans the failure of a write.
    fn fail_after(&self, writes: u32, fault: Fault);

    /// What a restart finds.
    fn reopen(self) -> Self;

    /// Does something while a writer waits for its disk.
    fn while_writing(&self, act: &mut dyn FnMut());

    fn check(&self) -> Result<Checked, CheckError>;
}

impl Subject for MemoryLog {
    type Engine = MemoryLog;

    fn fresh() -> MemoryLog {
        MemoryLog::new()
    }

    fn log(&self) -> &MemoryLog {
        self
    }

    fn fail_after(&self, writes: u32, fault: Fault) {
        MemoryLog::fail_after(self, writes, fault);
    }

    fn reopen(self) -> MemoryLog {
        MemoryLog::reopen(&self).unwrap()
    }

    fn while_writing(&self, act: &mut dyn FnMut()) {
        self.engine().while_writing(act);
    }

    fn check(&self) -> Result<Checked, CheckError> {
        MemoryLog::check(self, &mut |_| ())
    }
}

struct OnDisk {
    log: SledLog,
    dir: TempDir,
}

impl Subject for OnDisk {
    type Engine = SledLog;

    fn fresh() -> OnDisk {
        let dir = tempfile::tempdir().unwrap();
        OnDisk { log: SledLog::open(&Options::new(dir.path())).unwrap(), dir }
    }

    fn log(&self) -> &SledLog {
        &self.log
    }

    fn fail_after(&self, writes: u32, fault: Fault) {
        self.log.engine().store().fail_after(writes, fault);
    }

    fn reopen(self) -> OnDisk {
        drop(self.log);
        OnDisk { log: SledLog::open(&Options::new(self.dir.path())).unwrap(), dir: self.dir }
    }

    fn while_writing(&self, act: &mut dyn FnMut()) {
        self.log.engine().while_writing(act);
    }

    fn check(&self) -> Result<Checked, CheckError> {
        self.log.check(&mut |_| ())
    }
}

macro_rules! conforms {
    ($($case:ident)*) => {
        mod memory {
            $(#[test] fn $case() { super::cases::$case::<super::MemoryLog>(); })*
        }
        mod sled {
            $(#[test] fn $case() { super::cases::$case::<super::OnDisk>(); })*
        }
    };
}

conforms! {
    a_new_log_is_empty
    what_was_appended_is_read_in_any_pieces
    a_writer_that_is_behind_gets_a_conflict_and_nothing_is_written
    concurrent_writers_lose_nothing_and_write_nothing_twice
    an_append_that_fails_but_is_stored_breaks_the_log_and_is_there_after_a_restart
    an_append_that_fails_and_is_lost_breaks_the_log_and_is_gone_after_a_restart
    a_part_of_an_append_is_never_read_and_the_next_append_takes_its_place
    what_is_too_long_is_refused_and_nothing_is_written
    the_longest_records_and_extras_fit
    extras_are_written_with_their_records_and_replaced_by_later_ones
    the_last_seal_is_found_after_a_clean_stop
    a_closed_log_is_read_but_not_written
    a_follower_hears_of_every_record
    a_reader_does_not_wait_for_a_writer
    any_history_is_the_same_as_a_list
}
