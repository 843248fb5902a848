//! The log on stderr. It never stalls or ends the service: lines wait in a queue for a thread of
//! their own, and when nobody takes them, they are counted and thrown away.
//!
//! (`tracing-appender` does as much, but for the count of lines that the kernel refused, and brings
//! a calendar with it.)

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait for stderr at most.
const WAITING: usize = 1024;
/// How long the last lines may take when the service ends.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How soon a full queue is tried again then.
const AGAIN: Duration = Duration::from_millis(10);

enum Item {
    Line(Vec<u8>),
    /// Everything before it is written: says so.
    Flush(Sender<()>),
}

/// Where lines are handed in. A clone is the same one.
#[derive(Clone)]
pub(super) struct LogLines {
    queue: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

impl LogLines {
    /// Starts the thread that writes to `out`.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<LogLines> {
        let (queue, items) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_lines(&items, out, &counted))?;
        Ok(LogLines { queue, lost })
    }

    /// How many lines were thrown away so far.
    pub(super) fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost)
    }

    fn hand_in(&self, line: &[u8]) {
        // No secret key is in a line, whatever error it tells of.
        let line = match std::str::from_utf8(line) {
            Ok(text) => keys::without_keys(text).into_owned().into_bytes(),
            Err(_) => line.to_vec(),
        };
        if self.queue.try_send(Item::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Waits for the last lines, but not for somebody who never reads them.
pub(super) struct LastLines(pub(super) LogLines);

impl Drop for LastLines {
    fn drop(&mut self) {
        let (told, hears) = channel();
        let until = Instant::now() + LAST_LINES;
        let mut waiting = Some(Item::Flush(told));
        while let Some(item) = waiting.take() {
            let left = until.saturating_duration_since(Instant::now());
            match self.0.queue.try_send(item) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => {
                    let _ = hears.recv_timeout(left);
                }
                // The queue is full of lines that may still be taken.
                Err(TrySendError::Full(item)) if !left.is_zero() => {
                    let _ = hears.recv_timeout(left.min(AGAIN));
                    waiting = Some(item);
                }
                Err(TrySendError::Full(_)) => {}
            }
        }
    }
}

fn write_lines(items: &Receiver<Item>, mut out: impl Write, lost: &AtomicU64) {
    let mut told = 0;
    for item in items {
        match item {
            Item::Line(line) => {
                if out.write_all(&line).and_then(|()| out.flush()).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let now = lost.load(Ordering::Relaxed);
                if now != told {
                    let lines = now - std::mem::replace(&mut told, now);
                    tracing::warn!(lines, "lines of this log were lost: nobody took them");
                }
            }
            Item::Flush(told) => {
                let _ = told.send(());
            }
        }
    }
}

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.hand_in(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = LogLines;

    fn make_writer(&'a self) -> LogLines {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing until it is told to, and then refuses so many lines.
    struct Slow {
        go: Receiver<()>,
        refuse: u32,
        seen: Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv();
            if let Some(left) = self.refuse.checked_sub(1) {
                self.refuse = left;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let _ = self.seen.send(String::from_utf8_lossy(line).into_owned());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_takes_nothing_stalls_nobody_and_what_is_lost_is_counted() {
        let (go, wait) = channel();
        let (seen, lines) = channel();
        let mut log = LogLines::start(Slow { go: wait, refuse: 2, seen }).unwrap();
        let more = 5;
        // One is in the writer's hands, or will be: the queue is full all the same.
        for line in 0..=WAITING + more {
            log.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        let lost = log.lost().load(Ordering::Relaxed);
        let most = u64::try_from(more + 1).unwrap();
        assert!(lost == most || lost == most - 1, "{lost}");
        drop(go);
        drop(LastLines(log.clone()));
        assert_eq!(lines.try_iter().next().unwrap(), "2\n");
        assert_eq!(log.lost().load(Ordering::Relaxed), lost + 2);
    }

    #[test]
    fn a_line_has_no_key_in_it() {
        let (go, wait) = channel();
        let (seen, lines) = channel();
        let mut log = LogLines::start(Slow { go: wait, refuse: 0, seen }).unwrap();
        drop(go);
        log.write_all(b"sent kl_live_0bAlKvU3eDoNyX6hGrQa9kJuT23VZUQ7 twice\n").unwrap();
        drop(LastLines(log));
        assert_eq!(lines.recv().unwrap(), "sent kl_live_… twice\n");
    }
}
