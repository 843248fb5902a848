//! Lines of an import, as keys that are to be made.

use std::sync::Arc;

use keys::{Reason, Timestamp};
use ledger::{Caller, Ledger, NewImport, NewKeyRequest};

use super::lines::{Line, MAX_LINE};
use crate::error::{ApiError, Code};
use crate::request::change::scope_of;
use crate::request::extract::{field, idempotency_text, json};
use crate::wire::ImportLine;

/// What lines were parsed to.
pub(super) struct Parsed {
    /// Each line's number, and what is wrong with it.
    pub(super) lines: Vec<(u64, Result<(), ApiError>)>,
    /// The keys of those with which nothing is.
    pub(super) keys: Arc<[NewImport]>,
}

/// Parses lines that came at `now`, by `route`.
pub(super) fn parse(
    ledger: &Ledger,
    caller: &Caller,
    group: &[Line],
    route: &str,
    now: Timestamp,
) -> Parsed {
    let mut keys = Vec::with_capacity(group.len());
    let lines = group.iter().map(|line| {
        let key = wanted(line, caller, route, now).and_then(|(request, reason)| {
            ledger.new_import(caller, &request, reason).map_err(ApiError::from)
        });
        (line.number, key.map(|key| keys.push(key)))
    });
    let lines = lines.collect();
    Parsed { lines, keys: keys.into() }
}

/// What a line asks for.
fn wanted(
    line: &Line,
    caller: &Caller,
    route: &str,
    now: Timestamp,
) -> Result<(NewKeyRequest, Option<Reason>), ApiError> {
    let text = line.text.as_ref().ok_or_else(|| {
        ApiError::new(Code::PayloadTooLarge, format!("a line may have {MAX_LINE} bytes"))
    })?;
    let ImportLine { mut key, idempotency_key } = json(text)?;
    let reason = key.reason.take().map(|text| field("reason", text.parse())).transpose()?;
    let mut request = key.draft(now)?;
    let import = request.import.as_mut();
    let import = import.ok_or_else(|| ApiError::field("import", "is missing"))?;
    if let Some(text) = idempotency_key {
        let key = idempotency_text("idempotency_key", &text)?;
        let digest = scope_of(&caller.identity, "POST", route, key);
        import.repeat = digest.first_chunk().copied();
    }
    Ok((request, reason))
}
