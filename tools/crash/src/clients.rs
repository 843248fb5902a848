//! Clients that change keys as fast as they can and enter what was acknowledged in the book.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::api::{Api, Method, Request};
use crate::book::{Book, Change};

/// Longer than any response takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Running clients.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
    acknowledged: Receiver<()>,
}

/// One of them.
struct Client {
    api: Api,
    book: Book,
    report: Sender<()>,
    stop: Arc<AtomicBool>,
    /// The file that appears when the disk fails.
    fault: Option<PathBuf>,
    number: u64,
    keys: u64,
}

/// Why a client stops.
enum End {
    /// The round is over, or the service does not respond any more.
    Over,
    /// A violation.
    Violation(anyhow::Error),
}

impl Clients {
    /// Starts `count` clients. Each ends at its first response that is no success.
    pub(crate) fn start(count: usize, api: impl Fn() -> Api, book: &Book) -> Clients {
        Clients::start_until(count, api, book, None)
    }

    /// Starts `count` clients. For them the acknowledgement of a change that was requested after the
    /// file `fault` appeared is a violation.
    pub(crate) fn start_until(
        count: usize,
        api: impl Fn() -> Api,
        book: &Book,
        fault: Option<&Path>,
    ) -> Clients {
        let stop = Arc::new(AtomicBool::new(false));
        let (report, acknowledged) = channel();
        let mut threads = Vec::new();
        for _ in 0..count {
            let mut client = Client {
                api: api(),
                book: book.clone(),
                report: report.clone(),
                stop: Arc::clone(&stop),
                fault: fault.map(Path::to_owned),
                number: book.new_client(),
                keys: 0,
            };
            threads.push(std::thread::spawn(move || {
                loop {
                    match client.live_one_key() {
                        Ok(()) => {}
                        Err(End::Over) => return Ok(()),
                        Err(End::Violation(error)) => return Err(error),
                    }
                }
            }));
        }
        Clients { stop, threads, acknowledged }
    }

    /// Waits for `time`, and then for one more acknowledgement; returns whether one came.
    pub(crate) fn run_for(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            match self.acknowledged.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(()) if Instant::now() < end => {}
                Ok(()) | Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        // Skips those that came in the meantime.
        while self.acknowledged.try_recv().is_ok() {}
        self.acknowledged.recv_timeout(TIMEOUT).is_ok()
    }

    /// Waits until every client was refused or gets no more responses; returns whether all did.
    pub(crate) fn run_out(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            match self.acknowledged.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(()) if Instant::now() < end => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Ok(()) | Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Stops the clients and waits for their end.
    ///
    /// # Errors
    ///
    /// One of them saw a violation.
    pub(crate) fn join(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().ok().context("a client panicked")??;
        }
        Ok(())
    }
}

impl Client {
    /// One key's life: created, disabled, enabled, and ended in one of four ways.
    fn live_one_key(&mut self) -> Result<(), End> {
        self.keys += 1;
        let name = format!("{}-{}", self.number, self.keys);
        // A third of the keys gets a receipt: what was signed before a crash must hold after it.
        let path = if self.keys.is_multiple_of(3) { "/v1/keys?receipt=true" } else { "/v1/keys" };
        let create = Request::post(path, format!(r#"{{"name":"{name}"}}"#));
        let key = self.request(create, "created", 1)?;
        let post = |step| Request::post(format!("/v1/keys/{key}/{step}"), "{}");
        self.request(post("disable"), "disabled", 2)?;
        self.request(post("enable"), "enabled", 3)?;
        let (request, event) = match self.keys % 4 {
            0 => return Ok(()),
            1 => (post("revoke"), "revoked"),
            2 => (post("expire"), "expired"),
            _ => {
                let mut delete = Request::post(format!("/v1/keys/{key}"), "");
                delete.method = Method::Delete;
                (delete, "revoked")
            }
        };
        self.request(request, event, 4)?;
        Ok(())
    }

    /// Requests a change; returns the id of the key when it is acknowledged.
    fn request(
        &self,
        mut request: Request,
        event: &'static str,
        revision: u64,
    ) -> Result<String, End> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(End::Over);
        }
        if self.keys.is_multiple_of(2) {
            let key = format!("{}-{}-{revision}", self.number, self.keys);
            request.idempotency_key = Some(key);
        }
        let change = Change { request, event, revision };
        let too_late = self.fault.as_ref().is_some_and(|file| file.exists());
        match self.api.send(&change.request) {
            Ok((200 | 201, response)) => {
                let key = self.book.acknowledge(&change, &response);
                // The receiver is gone once the round is over.
                let _ = self.report.send(());
                done(&change, &key, too_late).map_err(End::Violation)?;
                Ok(key)
            }
            // Stopped, broken or full: the round ends.
            Ok((503, _)) | Err(_) => {
                self.book.leave_open(change);
                Err(End::Over)
            }
            Ok((status, problem)) => Err(End::Violation(anyhow::anyhow!(
                "{status} {problem} to a lawful change: {change:?}"
            ))),
        }
    }
}

/// An acknowledgement must name a key and must not come after a fault.
fn done(change: &Change, key: &str, too_late: bool) -> Result<()> {
    ensure!(!key.is_empty(), "an acknowledgement without a key, to {change:?}");
    if too_late {
        bail!("acknowledged though it was requested after the disk had failed: {change:?}");
    }
    Ok(())
}
