//! An import under way: lines in, answers out.
//!
//! One group of lines after the other is parsed on the read pool, in the turn of its account, and
//! decided by the writer in one command, also in its turn. While a group is decided the next one is
//! gathered, and parsed as soon as it is full; it is decided when the answers to the one before have
//! been taken: neither a long import nor a client that does not read makes memory grow, and however
//! many lines one account sends, the others wait for one command of it at a time. A client that sends
//! faster than its account may change keys is read more slowly, and not refused.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use ledger::{Caller, ImportedKey, Ledger};
use tokio::sync::{mpsc, watch};
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
use crate::wire::{Id, ImportAnswer, ImportCounts, ImportSummary, LineAnswer, put_json};

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
    /// How long its client may send nothing, or take nothing of what it is answered; and how long there
    /// may be no room for its lines.
    patience: Duration,
    _slot: Slot,
}

/// Why an import goes no further.
enum Stop {
    /// Its client is gone.
    Gone,
    Problem(ApiError),
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
        let (app, patience) = (app.clone(), app.config().request_timeout);
        Ok(ImportStream { app, caller, bearer, context, dry_run, patience, _slot: slot })
    }

    /// Answers the lines of a body while they come.
    pub(crate) async fn answer(self, mut source: Source) -> Result<Response, ApiError> {
        // Before the head of the answer: a client that waits until it may go on (`Expect`) must not
        // take the head for the whole.
        let first = source.group(self.app.ledger().most_imports(), ready(())).await?;
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(self.run(source, first, send));
        let body = ReceiverStream::new(receive).map(Ok::<Bytes, Infallible>);
        let content_type = HeaderValue::from_static("application/x-ndjson");
        Ok(wire::typed(StatusCode::OK, content_type, Body::from_stream(body)))
    }

    async fn run(self, mut source: Source, first: Group, send: mpsc::Sender<Bytes>) {
        let mut counts = ImportCounts::default();
        let mut next = self.parse(first).await;
        let problem = loop {
            let parsed = match next {
                Ok(Some(parsed)) => parsed,
                Ok(None) => break None,
                Err(error) => break Some(error),
            };
            let (is_idle, idle) = watch::channel(false);
            let decide = async {
                let decided = self.decide(parsed, &mut counts, &send).await;
                is_idle.send_replace(true);
                decided
            };
            // What goes wrong with the next lines takes nothing from the answers to these.
            let ahead = async { Ok(self.next(&mut source, idle).await) };
            next = match tokio::try_join!(decide, ahead) {
                Ok(((), ahead)) => ahead,
                Err(Stop::Gone) => return,
                Err(Stop::Problem(error)) => break Some(error),
            };
        };
        counts.complete = problem.is_none();
        let problem = problem.as_ref().map(|error| self.problem(error));
        let summary = ImportSummary { summary: counts, problem };
        let mut text = Vec::new();
        put_line(&mut text, &ImportAnswer::Summary(summary));
        // A client that is gone needs no summary.
        drop(self.put(&send, text).await);
    }

    /// The next lines, parsed, or why there are none any more; `None` at their end. A whole group of
    /// them, or from when nothing is decided any more (`idle`) as many as are there.
    async fn next(
        &self,
        source: &mut Source,
        idle: watch::Receiver<bool>,
    ) -> Result<Option<Parsed>, ApiError> {
        let mut stopping = self.app.stopping();
        let (auth, ledger) = (self.app.auth(), self.app.ledger());
        let silence = async {
            until_true(idle.clone()).await;
            tokio::time::sleep(self.patience).await;
        };
        let group = tokio::select! {
            biased;
            // A dropped sender is a stop too.
            _ = stopping.wait_for(|stopping| *stopping) => {
                Err(ApiError::new(Code::Overloaded, "the service stops; send the rest again"))
            }
            () = self.bearer.ended(auth, ledger) => Err(token_ended()),
            group = source.group(ledger.most_imports(), until_true(idle.clone())) => group,
            () = silence => {
                let patience = self.patience.as_secs();
                let detail = format!("no line came for {patience} s; send the rest again");
                Err(ApiError::new(Code::Timeout, detail))
            }
        };
        self.parse(group?).await
    }

    /// Parses a group; one without lines is the end.
    async fn parse(&self, group: Group) -> Result<Option<Parsed>, ApiError> {
        if group.is_empty() {
            return Ok(None);
        }
        let (group, now) = (Arc::new(group), self.app.ledger().now());
        let route = self.context.route;
        let parsed = self.patiently(|| {
            let group = Arc::clone(&group);
            let parse = move |ledger: &Ledger, caller: &Caller| {
                Ok(parse(ledger, caller, &group, route, now))
            };
            self.app.read(self.caller.clone(), parse)
        });
        Ok(Some(parsed.await?))
    }

    /// Imports the keys of a group and answers its lines.
    async fn decide(
        &self,
        Parsed { lines, keys }: Parsed,
        counts: &mut ImportCounts,
        send: &mpsc::Sender<Bytes>,
    ) -> Result<(), Stop> {
        let decided = if keys.is_empty() {
            Ok(Vec::new())
        } else if !self.bearer.is_good(self.app.auth(), self.app.ledger().now()) {
            return Err(Stop::Problem(token_ended()));
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
            counts.add(became.as_ref().ok());
        }
        self.put(send, text).await?;
        stop.map_or(Ok(()), |error| Err(Stop::Problem(error)))
    }

    /// What `attempt` comes to. While there is no room for it, or it comes too soon, it is made again.
    async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ledger::Error>
    where
        F: Future<Output = Result<T, ledger::Error>>,
    {
        let (end, stopping) = (Instant::now() + self.patience, self.app.stopping());
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

    /// Sends a text, unless the client takes nothing, or is gone.
    async fn put(&self, send: &mpsc::Sender<Bytes>, text: Vec<u8>) -> Result<(), Stop> {
        if text.is_empty() {
            return Ok(());
        }
        match tokio::time::timeout(self.patience, send.send(text.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Stop::Gone),
        }
    }

    fn line<'e>(&'e self, line: u64, became: Result<&ImportedKey, &'e ApiError>) -> LineAnswer<'e> {
        match became {
            Ok(ImportedKey { id, repeated }) => {
                let made = !repeated && !self.dry_run;
                let status = if made { StatusCode::CREATED } else { StatusCode::OK };
                let id = (made || *repeated).then_some(Id(*id));
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

fn token_ended() -> ApiError {
    ApiError::bad_token("the token has ended; send the rest with another one")
}

/// Waits until it is `true`, or nobody is left who could say so.
async fn until_true(mut flag: watch::Receiver<bool>) {
    drop(flag.wait_for(|is_true| *is_true).await);
}
