//! The changes that were acknowledged, and those without an response.

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
    /// Its place in the log; `None` if the response did not say.
    pub(crate) seq: Option<u64>,
}

/// A change to request, and the event that the log will have for it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) request: Request,
    pub(crate) event: &'static str,
    pub(crate) revision: u64,
}

/// The changes of all rounds.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Entries>>);

/// The contents of a book.
#[derive(Clone, Default)]
pub(crate) struct Entries {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Some of the secrets, by key.
    pub(crate) secrets: Vec<(String, String)>,
    /// Some of the receipts.
    pub(crate) receipts: Vec<String>,
    /// Requested, and either not answered or answered with a fault.
    open: Vec<Change>,
    clients: u64,
}

/// Of so many changes the secrets or receipts of a few are collected, to be verified later.
const SAMPLE: usize = 64;

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

    /// Enters an acknowledgement and returns the id of its key.
    pub(crate) fn acknowledge(&self, change: &Change, response: &Value) -> String {
        let key = text(response, "/key/id");
        let seq = response.pointer("/event/seq").and_then(Value::as_u64);
        let (event, revision) = (change.event, change.revision);
        let mut entries = self.entries();
        entries.acknowledged.push(Acknowledged { key: key.clone(), event, revision, seq });
        let secret = text(response, "/secret");
        if !secret.is_empty() && entries.acknowledged.len() % SAMPLE < SAMPLE / 16 {
            entries.secrets.push((key.clone(), secret));
        }
        let receipt = text(response, "/receipt");
        if !receipt.is_empty() && entries.acknowledged.len() % SAMPLE < SAMPLE / 8 {
            entries.receipts.push(receipt);
        }
        key
    }

    /// Enters a change whose outcome is unknown.
    pub(crate) fn leave_open(&self, change: Change) {
        self.entries().open.push(change);
    }

    /// Requests the open changes again if that is safe: each is made once, whether or not it had been
    /// made. Returns their number.
    pub(crate) fn settle(&self, api: &Api) -> Result<usize> {
        let open = std::mem::take(&mut self.entries().open);
        let mut settled = 0;
        for change in open {
            let request = &change.request;
            if request.idempotency_key.is_none() && request.method == Method::Post {
                // Made or not made: the check of the log accepts both.
                continue;
            }
            let (status, response) = api.send(request)?;
            // A repeated DELETE is refused when it was done the first time.
            if request.method == Method::Delete && status == 409 {
                continue;
            }
            ensure!(
                status == 200 || status == 201,
                "requested again after the restart: {status} {response} to {change:?}"
            );
            self.acknowledge(&change, &response);
            settled += 1;
        }
        Ok(settled)
    }
}
