//! Clients that change keys as fast as they can, and remember what was acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

/// A change that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) key: String,
    pub(crate) event: &'static str,
    pub(crate) revision: u64,
}

/// All that was acknowledged, in all rounds.
pub(crate) type Book = Arc<Mutex<Vec<Acknowledged>>>;

/// How many entries the book has.
pub(crate) fn written(book: &Book) -> usize {
    book.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// Running clients.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    news: Receiver<()>,
}

impl Clients {
    /// Starts `count` clients. Each ends at its first answer that is no success.
    pub(crate) fn start(count: usize, url: &str, token: &str, book: &Book) -> Clients {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, news) = channel();
        let threads = (0..count)
            .map(|_| {
                let (stop, tell, book) = (Arc::clone(&stop), tell.clone(), Arc::clone(book));
                let api = Api::new(url, token);
                std::thread::spawn(move || {
                    let mut note = |acknowledged| {
                        book.lock().unwrap_or_else(PoisonError::into_inner).push(acknowledged);
                        // Nobody listens once the round is over.
                        let _ = tell.send(());
                    };
                    // The end of the service is how a round ends.
                    while !stop.load(Ordering::Relaxed) && api.live_one_key(&mut note).is_ok() {}
                })
            })
            .collect();
        Clients { stop, threads, news }
    }

    /// Waits for `time`, and then for one more acknowledgement. Whether one came.
    pub(crate) fn run_for(&self, time: Duration) -> bool {
        let end = std::time::Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            match self.news.recv_timeout(left) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        self.news.recv_timeout(Duration::from_secs(30)).is_ok()
    }

    /// Ends them and waits until they are gone.
    pub(crate) fn join(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // A client's panic shows in what it did not write down.
            let _ = thread.join();
        }
    }
}

/// The HTTP API, as far as these tests need it.
pub(crate) struct Api {
    agent: ureq::Agent,
    url: String,
    bearer: String,
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Api {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            .build();
        Api { agent: config.into(), url: url.to_owned(), bearer: format!("Bearer {token}") }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let mut answer = request.header("authorization", &self.bearer).call()?;
        if answer.status() != 200 {
            bail!("GET {path}: {}", answer.status());
        }
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Result<(u16, Value)> {
        let request = self.agent.post(format!("{}{path}", self.url));
        let request = request.header("authorization", &self.bearer);
        let mut answer = request.header("content-type", "application/json").send(body)?;
        let text = answer.body_mut().read_to_string()?;
        Ok((answer.status().as_u16(), serde_json::from_str(&text)?))
    }

    /// One key's life: created, disabled, enabled, and sometimes left so, else revoked.
    fn live_one_key(&self, note: &mut impl FnMut(Acknowledged)) -> Result<()> {
        let (status, made) = self.post("/v1/keys", r#"{"name":"crash"}"#)?;
        if status != 201 {
            bail!("create: {status}");
        }
        let key = text(&made, "/key/id");
        note(Acknowledged { key: key.clone(), event: "created", revision: 1 });
        let steps = [("disable", "disabled"), ("enable", "enabled"), ("revoke", "revoked")];
        for (revision, (step, event)) in (2..).zip(steps) {
            let (status, _) = self.post(&format!("/v1/keys/{key}/{step}"), "{}")?;
            if status != 200 {
                bail!("{step}: {status}");
            }
            note(Acknowledged { key: key.clone(), event, revision });
        }
        Ok(())
    }
}

/// The text at `pointer`, empty if there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
