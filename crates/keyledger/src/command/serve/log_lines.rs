//! The writer of the log on stderr. It never blocks or ends the service: lines wait in a bounded
//! queue for a thread of their own; when the queue is full they are dropped and counted.
//!
//! (`tracing-appender` does as much, but for the count of lines that the kernel refused, and brings
//! a calendar with it.)

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// The most lines that wait for stderr.
const QUEUE: usize = 1024;
/// Time limit for writing the last lines when the service ends.
const LAST_LINES: Duration = Duration::from_secs(1);
/// The pause before a full queue is tried again then.
const RETRY: Duration = Duration::from_millis(10);

enum Item {
    Line(Vec<u8>),
    /// Sends when everything before it is written.
    Flush(Sender<()>),
}

/// The queue's sending side. A clone is the same queue.
#[derive(Clone)]
pub(crate) struct LogLines {
    queue: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

impl LogLines {
    /// Starts the thread that writes to `out`.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<LogLines> {
        let (queue, items) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_lines(&items, out, &counted))?;
        Ok(LogLines { queue, lost })
    }

    /// How many lines were dropped so far.
    pub(super) fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost)
    }

    fn enqueue(&self, line: &[u8]) {
        // API keys are removed from the line, whatever error it is about.
        let line = match std::str::from_utf8(line) {
            Ok(text) => keys::without_keys(text).into_owned().into_bytes(),
            Err(_) => line.to_vec(),
        };
        if self.queue.try_send(Item::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// On drop, waits until the last lines are written, but not for a stderr that accepts nothing.
pub(crate) struct LastLines(pub(crate) LogLines);

impl Drop for LastLines {
    fn drop(&mut self) {
        let (done, flushed) = channel();
        let until = Instant::now() + LAST_LINES;
        let mut waiting = Some(Item::Flush(done));
        while let Some(item) = waiting.take() {
            let left = until.saturating_duration_since(Instant::now());
            match self.0.queue.try_send(item) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => {
                    let _ = flushed.recv_timeout(left);
                }
                // The queue is full of lines that may still be taken.
                Err(TrySendError::Full(item)) if !left.is_zero() => {
                    let _ = flushed.recv_timeout(left.min(RETRY));
                    waiting = Some(item);
                }
                Err(TrySendError::Full(_)) => {}
            }
        }
    }
}

fn write_lines(items: &Receiver<Item>, mut out: impl Write, lost: &AtomicU64) {
    let mut reported = 0;
    for item in items {
        match item {
            Item::Line(line) => {
                if out.write_all(&line).and_then(|()| out.flush()).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let now = lost.load(Ordering::Relaxed);
                if now != reported {
                    let lines = now - std::mem::replace(&mut reported, now);
                    tracing::warn!(lines, "lines of this log were lost: nobody took them");
                }
            }
            Item::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.enqueue(line);
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

    /// Blocks until `go`, and then refuses so many lines.
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
    fn a_reader_that_takes_nothing_blocks_nobody_and_lost_lines_are_counted() {
        let (go, wait) = channel();
        let (seen, lines) = channel();
        let mut log = LogLines::start(Slow { go: wait, refuse: 2, seen }).unwrap();
        let more = 5;
        // One line is with the writer, or will be; the queue is full all the same.
        for line in 0..=QUEUE + more {
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
