//! `GET /metrics`: what is counted, for Prometheus.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::error::ApiError;
use crate::metrics::Numbers;

/// Gives counts and times for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operations",
    security(()),
    responses((status = 200, content_type = "text/plain", body = String)),
)]
pub(crate) async fn page(State(app): State<App>) -> Result<Response, ApiError> {
    let numbers = numbers(&app);
    app.metrics().witnesses().set(&app.config().witnesses);
    // What is read of the process is a file of the system for each open connection: on some kernels
    // that takes milliseconds, in which this thread would answer nobody.
    let text = tokio::task::spawn_blocking(move || app.metrics().text(&numbers)).await;
    let text = text.map_err(|error| ApiError::internal(&error))?;
    let text = text.map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// What the gauges are read off.
fn numbers(app: &App) -> Numbers {
    let (webhooks, sinks) = app.webhooks().stats(app.ledger().length().borrow().0);
    Numbers {
        ledger: app.ledger().stats(),
        reads: app.reads().stats(),
        exports: app.slots().taken(),
        log_lines_lost: app.config().log_lines_lost.load(Ordering::Relaxed),
        wrong_guesses: app.guesses().wrong(),
        streams: app.streams().open(),
        space: app.ledger().space(),
        log_writable: app.ledger().is_writable(),
        journal_writable: app.journal().is_writable(),
        tokens: app.journal().tokens().stats(),
        webhooks,
        sinks,
        accounts_file_usable: app.config().accounts_file.is_usable(),
        account_rules: app.config().accounts_file.counts(),
        subjects: app.journal().subject_counts(),
        stamps: app.config().stamps.stats(),
    }
}
