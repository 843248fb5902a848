//! An import under way: lines in, answers out.
//!
//! One group of lines after the other is parsed on the read pool, in the turn of its account, and
//! decided by the writer in one command, also in its turn. The next group is read when the answers to
//! the one before have been taken: neither a long import nor a client that does not read makes memory
//! grow, and however many lines one account sends, the others wait for one command of it at a time.
//! A client that sends faster than its account may change keys is read more slowly, and not refused.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use ledger::{Caller, ImportedKey, Ledger};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::parse::{Parsed, parse};
use super::source::{Group, Source};
use crate::app::App;
use crate::auth::bearer::Bearer;
use crate::error::{ApiError, Code, Problem};
use crate::export::slots::Slot;
use crate::reads::Share;
use crate::request::context::HttpContext;
use crate::wire;
use crate::wire::{ImportAnswer, ImportCounts, ImportSummary, LineAnswer, Text, put_json};

/// How long a client may send nothing, or take nothing of what it is answered; and how long there may
/// be no room for its lines.
const PATIENCE: Duration = Duration::from_secs(30);
/// The delay before lines are tried again for which there was no room.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// An import that was admitted.
pub(crate) struct ImportStream {
    app: App,
    caller: Caller,
    /// Whose token must stay valid.
    bearer: Bearer,
    context: HttpContext,
    dry_run: bool,
    counts: ImportCounts,
    _slot: Slot,
}

impl ImportStream {
    /// Admits an import, which takes the place of a long answer.
    pub(crate) fn begin(
        app: &App,
        caller: Caller,
        bearer: Bearer,
        context: HttpContext,
        dry_run: bool,
    ) -> Result<ImportStream, ApiError> {
        let slot = app.slots().take(&Share::from(&caller))?;
        let (app, counts) = (app.clone(), ImportCounts::default());
        Ok(ImportStream { app, caller, bearer, context, dry_run, counts, _slot: slot })
    }

    /// Answers the lines of a body while they come.
    pub(crate) async fn answer(self, mut source: Source) -> Result<Response, ApiError> {
        // Before the head of the answer: a client that waits until it may go on (`Expect`) must not
        // take the head for the whole.
        let first = source.group(self.app.ledger().most_imports()).await?;
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(self.run(source, first, send));
        let body = ReceiverStream::new(receive).map(Ok::<Bytes, Infallible>);
        let content_type = HeaderValue::from_static("application/x-ndjson");
        Ok(wire::typed(StatusCode::OK, content_type, Body::from_stream(body)))
    }

    async fn run(mut self, mut source: Source, first: Group, send: mpsc::Sender<Bytes>) {
        let mut group = Ok(first);
        let problem = loop {
            let stop = match group {
                Ok(group) if group.is_empty() => break None,
                Ok(group) => {
                    let (text, stop) = self.import(group).await;
                    if put(&send, text).await.is_err() {
                        return;
                    }
                    stop
                }
                Err(error) => Some(error),
            };
            if stop.is_some() {
                break stop;
            }
            group = self.next(&mut source).await;
        };
        self.counts.complete = problem.is_none();
        let problem = problem.as_ref().map(|error| self.problem(error));
        let summary = ImportSummary { summary: self.counts, problem };
        let mut text = Vec::new();
        put_line(&mut text, &ImportAnswer::Summary(summary));
        // A client that is gone needs no summary.
        let _ = put(&send, text).await;
    }

    /// The next lines, or why there are none any more.
    async fn next(&self, source: &mut Source) -> Result<Group, ApiError> {
        let mut stopping = self.app.stopping();
        let (auth, ledger) = (self.app.auth(), self.app.ledger());
        let group = tokio::time::timeout(PATIENCE, source.group(ledger.most_imports()));
        tokio::select! {
            biased;
            // A dropped sender is a stop too.
            _ = stopping.wait_for(|stopping| *stopping) => {
                Err(ApiError::new(Code::Overloaded, "the service stops; send the rest again"))
            }
            () = self.bearer.ended(auth, ledger) => {
                Err(ApiError::bad_token("the token has ended; send the rest with another one"))
            }
            group = group => group.unwrap_or_else(|_| {
                Err(ApiError::new(Code::Timeout, "no line came for 30 s; send the rest again"))
            }),
        }
    }

    /// Imports the lines of a group. The text of their answers, and why it goes no further.
    async fn import(&mut self, group: Group) -> (Vec<u8>, Option<ApiError>) {
        let (group, now) = (Arc::new(group), self.app.ledger().now());
        let route = self.context.route;
        let parsed = self.patiently(|| {
            let group = Arc::clone(&group);
            let parse = move |ledger: &Ledger, caller: &Caller| {
                Ok(parse(ledger, caller, &group, route, now))
            };
            self.app.read(self.caller.clone(), parse)
        });
        let Parsed { lines, keys } = match parsed.await {
            Ok(parsed) => parsed,
            Err(error) => return (Vec::new(), Some(error.into())),
        };
        let decided = if keys.is_empty() {
            Ok(Vec::new())
        } else {
            let import = || self.app.ledger().import(&self.caller, Arc::clone(&keys), self.dry_run);
            self.patiently(import).await
        };
        let (decided, stop) = match decided {
            Ok(decided) => (decided, None),
            // What is wrong is so for all of them, and for those that come.
            Err(error) => (Vec::new(), Some(ApiError::from(error))),
        };
        let mut decided = decided.into_iter();
        let mut text = Vec::with_capacity(lines.len() * 96);
        for (line, problem) in lines {
            let became = match (problem, &stop) {
                (Err(error), _) => Err(error),
                (Ok(()), Some(error)) => Err(error.clone()),
                (Ok(()), None) => match decided.next() {
                    Some(decided) => decided.map_err(ApiError::from),
                    None => break,
                },
            };
            put_line(&mut text, &ImportAnswer::Line(self.line(line, became.as_ref())));
            self.counts.add(became.as_ref().ok());
        }
        (text, stop)
    }

    /// What `attempt` comes to. While there is no room for it, or it comes too soon, it is made again.
    async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ledger::Error>
    where
        F: Future<Output = Result<T, ledger::Error>>,
    {
        let (end, stopping) = (Instant::now() + PATIENCE, self.app.stopping());
        loop {
            let (error, delay) = match attempt().await {
                Err(error @ ledger::Error::RateLimited { retry_after_s }) => {
                    (error, Duration::from_secs(retry_after_s))
                }
                Err(error @ ledger::Error::Overloaded) => (error, RETRY_DELAY),
                other => return other,
            };
            if Instant::now() + delay > end || *stopping.borrow() {
                return Err(error);
            }
            tokio::time::sleep(delay).await;
        }
    }

    fn line<'e>(&'e self, line: u64, became: Result<&ImportedKey, &'e ApiError>) -> LineAnswer<'e> {
        match became {
            Ok(ImportedKey { id, repeated }) => {
                let made = !repeated && !self.dry_run;
                let status = if made { StatusCode::CREATED } else { StatusCode::OK };
                let id = (made || *repeated).then_some(Text(*id));
                LineAnswer { line, status: status.as_u16(), id, problem: None }
            }
            Err(error) => {
                let status = error.code.status().as_u16();
                LineAnswer { line, status, id: None, problem: Some(self.problem(error)) }
            }
        }
    }

    fn problem<'e>(&'e self, error: &'e ApiError) -> Problem<'e> {
        Problem::new(error, self.context.request_id.as_str())
    }
}

impl ImportCounts {
    fn add(&mut self, became: Option<&ImportedKey>) {
        self.lines += 1;
        let count = match became {
            Some(key) if key.repeated => &mut self.repeated,
            Some(_) => &mut self.imported,
            None => &mut self.refused,
        };
        *count += 1;
    }
}

fn put_line(text: &mut Vec<u8>, answer: &ImportAnswer<'_>) {
    put_json(text, answer);
    text.push(b'\n');
}

/// Sends a text, unless the client takes nothing, or is gone.
async fn put(send: &mpsc::Sender<Bytes>, text: Vec<u8>) -> Result<(), ()> {
    if text.is_empty() {
        return Ok(());
    }
    match tokio::time::timeout(PATIENCE, send.send(text.into())).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}
