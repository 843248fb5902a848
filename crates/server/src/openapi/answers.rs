//! What every answer has: headers, and for each status of an error the codes that it comes with.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operations::{OPERATIONS, Operation, SHARED};
use super::shape::reference;
use crate::error::Code;

/// Headers by name, with what they mean.
const HEADERS: &[(&str, &str, &str)] = &[
    (
        "X-Request-Id",
        "string",
        "Names this answer: the caller's own id if it sent one, else a new one.",
    ),
    ("ETag", "string", "The key's revision in quotes, for `If-Match`."),
    ("Location", "string", "Where the new key is; not of a dry run."),
    ("Idempotency-Replayed", "boolean", "`true` if this is the outcome of an earlier request."),
    ("Retry-After", "integer", "After how many seconds to try again."),
    ("WWW-Authenticate", "string", "How to prove who calls (RFC 6750)."),
    ("Accept-Encoding", "string", "How a body may be packed."),
    (
        "X-Reading-Recorded",
        "boolean",
        "`false` if a fault of the disk kept this reading from being recorded.",
    ),
    ("Content-Disposition", "string", "The name to save it under."),
    ("X-Key-Code", "string", "What verify would say of the client's key."),
    ("X-Key-Id", "string", "The key's id."),
    ("X-Key-Account", "string", "The key's account, percent-encoded."),
    ("X-Key-Owner", "string", "The key's owner, percent-encoded."),
    ("X-Key-Role", "string", "The key's role, percent-encoded; empty if it has none."),
    (
        "X-Key-Permissions",
        "string",
        "The key's permissions, each percent-encoded, with commas between.",
    ),
    ("X-Key-Expires-At", "string", "When the key ends, if it does."),
    (
        "RateLimit-Policy",
        "string",
        "The key's rate limit and quota, of draft-ietf-httpapi-ratelimit-headers.",
    ),
    ("RateLimit", "string", "What they have left, and after how many seconds they have all again."),
];

/// Adds to `document` what its annotations do not say of answers.
pub(super) fn complete(document: &mut Value) {
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let words = json!({
        "type": "string",
        "enum": codes.collect::<Vec<_>>(),
        "description": "The stable name of a problem.",
    });
    let headers = HEADERS.iter().map(|(name, kind, about)| {
        ((*name).to_owned(), json!({ "description": about, "schema": { "type": kind } }))
    });
    let mut shared = Map::new();
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        let items = paths.values_mut().filter_map(Value::as_object_mut);
        for operation in items.flat_map(Map::values_mut) {
            let id = operation.get("operationId").and_then(Value::as_str);
            let found = OPERATIONS.iter().find(|listed| Some(listed.id) == id);
            let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
            if let (Some(listed), Some(responses)) = (found, responses) {
                answers(responses, listed, &mut shared);
            }
        }
    }
    let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) else {
        return;
    };
    components.insert("headers".to_owned(), headers.collect::<Map<_, _>>().into());
    components.insert("responses".to_owned(), shared.into());
    if let Some(schemas) = components.get_mut("schemas").and_then(Value::as_object_mut) {
        schemas.insert("ProblemCode".to_owned(), words);
        if let Some(code) =
            schemas.get_mut("Problem").and_then(|it| it.pointer_mut("/properties/code"))
        {
            *code = reference("ProblemCode");
        }
    }
}

/// The answers of one operation: its good ones with their headers, and its problems.
fn answers(
    responses: &mut Map<String, Value>,
    listed: &Operation,
    shared: &mut Map<String, Value>,
) {
    for (status, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        let Some(response) = response.as_object_mut() else { continue };
        let all = listed.headers.iter().filter(|name| !(**name == "Location" && status == "200"));
        response.insert("headers".to_owned(), headers(all.copied()));
        let content = response.get_mut("content").and_then(Value::as_object_mut);
        for (media_type, described) in content.into_iter().flatten() {
            if matches!(media_type.as_str(), "application/octet-stream" | "application/x-tar") {
                *described = json!({ "schema": { "type": "string", "format": "binary" } });
            }
        }
        response.entry("description").and_modify(|about| {
            if about.as_str() == Some("") {
                *about = "Done".into();
            }
        });
    }
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL.iter().filter(|code| listed.answers(**code)) {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    // What forward auth says of a key is in its problems, too.
    let of_key = |name: &&str| name.starts_with("X-Key-") || name.starts_with("RateLimit");
    let own: Vec<&str> = listed.headers.iter().copied().filter(of_key).collect();
    for (status, codes) in by_status {
        let response = problem(status, &codes, own.iter().copied());
        let named =
            SHARED.iter().find(|(_, set)| *set == codes).map(|(name, _)| (*name).to_owned());
        let name = match (codes.as_slice(), named) {
            _ if !own.is_empty() => None,
            ([code], _) => Some(format!("{code:?}")),
            (_, named) => named,
        };
        let response = match name {
            Some(name) => {
                let target = json!({ "$ref": format!("#/components/responses/{name}") });
                shared.insert(name, response);
                target
            }
            None => response,
        };
        responses.insert(status.to_string(), response);
    }
}

/// A problem with one of `codes`.
fn problem<'n>(status: u16, codes: &[Code], own: impl Iterator<Item = &'n str>) -> Value {
    let more = match status {
        401 => Some("WWW-Authenticate"),
        415 => Some("Accept-Encoding"),
        429 | 503 => Some("Retry-After"),
        // Where a gateway takes no 429.
        403 if codes.contains(&Code::KeyNotAllowed) => Some("Retry-After"),
        _ => None,
    };
    let titles: Vec<_> =
        codes.iter().map(|code| format!("{}: `{}`", code.title(), code.as_str())).collect();
    let words: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    json!({
        "description": titles.join("; "),
        "headers": headers(more.into_iter().chain(own)),
        "content": { "application/problem+json": { "schema": {
            "allOf": [
                reference("Problem"),
                { "type": "object", "properties": { "code": { "type": "string", "enum": words } } },
            ],
        } } },
    })
}

/// References to headers, and to the one that every answer has.
fn headers<'n>(names: impl Iterator<Item = &'n str>) -> Value {
    let all = names
        .chain(["X-Request-Id"])
        .map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })));
    all.collect::<Map<_, _>>().into()
}
