//! What was acknowledged, and what was asked and not answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::api::{Api, Method, Request, text};

/// A change that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) key: String,
    pub(crate) event: &'static str,
    pub(crate) revision: u64,
    /// Its place in the log; `None` if the answer did not tell.
    pub(crate) seq: Option<u64>,
}

/// A change to ask for, and what the log will say of it.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) request: Request,
    pub(crate) event: &'static str,
    pub(crate) revision: u64,
}

/// All that was acknowledged and all that was left open, in all rounds.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Entries>>);

/// What is in it.
#[derive(Clone, Default)]
pub(crate) struct Entries {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Some of the secrets, by key.
    pub(crate) secrets: Vec<(String, String)>,
    /// Some of the receipts.
    pub(crate) receipts: Vec<String>,
    /// Asked, and either not answered or answered with a fault.
    open: Vec<Wish>,
    clients: u64,
}

/// Of so many secrets and receipts a few are kept, to be verified later.
const KEPT: usize = 64;

impl Book {
    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another book with the same entries.
    pub(crate) fn copy(&self) -> Book {
        Book(Arc::new(Mutex::new(self.entries().clone())))
    }

    /// How many changes were acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.entries().acknowledged.len()
    }

    /// A number that no other client has.
    pub(crate) fn new_client(&self) -> u64 {
        let mut entries = self.entries();
        entries.clients += 1;
        entries.clients
    }

    /// Writes an acknowledgement down and gives the key it was about.
    pub(crate) fn note(&self, wish: &Wish, answer: &Value) -> String {
        let key = text(answer, "/key/id");
        let seq = answer.pointer("/event/seq").and_then(Value::as_u64);
        let (event, revision) = (wish.event, wish.revision);
        let mut entries = self.entries();
        entries.acknowledged.push(Acknowledged { key: key.clone(), event, revision, seq });
        let secret = text(answer, "/secret");
        if !secret.is_empty() && entries.acknowledged.len() % KEPT < KEPT / 16 {
            entries.secrets.push((key.clone(), secret));
        }
        let receipt = text(answer, "/receipt");
        if !receipt.is_empty() && entries.acknowledged.len() % KEPT < KEPT / 8 {
            entries.receipts.push(receipt);
        }
        key
    }

    /// Writes down that nobody knows whether it was done.
    pub(crate) fn leave_open(&self, wish: Wish) {
        self.entries().open.push(wish);
    }

    /// Asks again for what was left open and may be asked again: it is done, once, whether or not
    /// it had been. How many there were.
    pub(crate) fn settle(&self, api: &Api) -> Result<usize> {
        let open = std::mem::take(&mut self.entries().open);
        let mut settled = 0;
        for wish in open {
            let request = &wish.request;
            if request.idempotency_key.is_none() && request.method == Method::Post {
                // Whole or not at all: the check of the log sees to that.
                continue;
            }
            let (status, answer) = api.send(request)?;
            // A repeated DELETE is refused when it was done the first time.
            if request.method == Method::Delete && status == 409 {
                continue;
            }
            ensure!(
                status == 200 || status == 201,
                "asked again after the restart: {status} {answer} to {wish:?}"
            );
            self.note(&wish, &answer);
            settled += 1;
        }
        Ok(settled)
    }
}
