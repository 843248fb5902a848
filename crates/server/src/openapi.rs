//! `/openapi.json`: the API as a document (OpenAPI 3.1), made from the handlers themselves.

use std::sync::OnceLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, Required, ResponseBuilder, Type};
use utoipa::openapi::{OpenApi as Document, SecurityRequirement};
use utoipa::{Modify, OpenApi};

use crate::error::{Code, Problem};
use crate::{
    access, audit_bundle, authorize, change, events, evidence, expirations, expiring, health, home,
    key_proof, keys_routes, metrics, report, stream, verify, wire,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "keyledger",
        description = "API keys with a proof: every change of a key is one immutable event.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        keys_routes::create, keys_routes::list, keys_routes::one, keys_routes::history,
        change::enable, change::disable, change::expire, change::revoke, change::delete,
        keys_routes::rotate, verify::verify, authorize::authorize, authorize::below,
        events::list, events::one, stream::stream, expirations::expire_due, expiring::list,
        report::access, report::table_digest,
        evidence::checkpoint, evidence::keys, evidence::tile, evidence::entries,
        evidence::inclusion, evidence::consistency, evidence::receipt, key_proof::proof, key_proof::table,
        access::list, access::checkpoint, access::keys, access::tile, access::entries, audit_bundle::bundle,
        home::home, health::alive, health::ready, metrics::page
    ),
    components(schemas(Problem, wire::KeyRef)),
    tags(
        (name = "keys", description = "Made, shown, changed"),
        (name = "verify", description = "What a gateway asks on every request"),
        (name = "events", description = "What happened, and what will"),
        (name = "evidence", description = "The log proves itself, in the formats of C2SP"),
        (name = "operations", description = "For those who run the service; no token needed")
    ),
    modifiers(&Conventions)
)]
struct Api;

/// What holds for every route, said once.
struct Conventions;

impl Modify for Conventions {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        let gateway = ApiKey::Header(ApiKeyValue::with_description(
            "X-Keyledger-Token",
            "The gateway's own token, of role verifier",
        ));
        components.add_security_scheme("gateway", SecurityScheme::ApiKey(gateway));
        document.security = Some(vec![SecurityRequirement::new("bearer", [""; 0])]);

        for (path, item) in &mut document.paths.paths {
            for (operation, changes) in [
                (&mut item.get, false),
                (&mut item.post, path != "/v1/keys/verify"),
                (&mut item.delete, true),
            ] {
                let Some(operation) = operation else { continue };
                if path.contains("{id}") {
                    parameter(operation, "id", ParameterIn::Path, "The key's id, a UUID");
                }
                if changes {
                    change_parameters(operation, path.contains("{id}"));
                }
                if authorize::is_route(path) {
                    let gateway = SecurityRequirement::new("gateway", [""; 0]);
                    operation.security = Some(vec![gateway]);
                }
                operation.responses.responses.insert("default".to_owned(), problem().into());
            }
        }
    }
}

fn change_parameters(operation: &mut Operation, of_a_key: bool) {
    parameter(
        operation,
        "dry_run",
        ParameterIn::Query,
        "true: decide and answer, but record nothing",
    );
    parameter(
        operation,
        "receipt",
        ParameterIn::Query,
        "true: the answer holds the event's receipt",
    );
    parameter(
        operation,
        "Idempotency-Key",
        ParameterIn::Header,
        "The same key and request within 24 hours give the same outcome, recorded once",
    );
    if of_a_key {
        let meaning = "The revision the key must be at, in quotes; another is 412";
        parameter(operation, "If-Match", ParameterIn::Header, meaning);
    }
}

fn parameter(operation: &mut Operation, name: &str, place: ParameterIn, meaning: &str) {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let kind = if matches!(name, "dry_run" | "receipt") { Type::Boolean } else { Type::String };
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(meaning))
        .schema(Some(ObjectBuilder::new().schema_type(kind)));
    operation.parameters.get_or_insert_default().push(parameter.build());
}

/// Any error, with the table of codes.
fn problem() -> utoipa::openapi::Response {
    let codes: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("`{}` {}", code.as_str(), code.status().as_u16()))
        .collect();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new()
        .description(format!("A problem (RFC 9457). Codes: {}.", codes.join(", ")))
        .content("application/problem+json", content)
        .build()
}

/// The API as an OpenAPI 3.1 document.
#[must_use]
pub fn document() -> serde_json::Value {
    // Strings, numbers and lists into memory: this cannot fail.
    serde_json::to_value(Api::openapi()).unwrap_or_default()
}

/// `GET /openapi.json`
pub(crate) async fn json() -> Response {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| Bytes::from(document().to_string() + "\n"));
    let content_type = HeaderValue::from_static("application/json");
    wire::typed(StatusCode::OK, content_type, Body::from(text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_openapi_31_and_has_every_route() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let paths = document["paths"].as_object().unwrap();
        for path in [
            "/v1/keys",
            "/v1/keys/{id}",
            "/v1/keys/{id}/history",
            "/v1/keys/{id}/rotate",
            "/v1/keys/verify",
            "/v1/authorize",
            "/v1/events",
            "/v1/events/{seq}",
            "/v1/events/stream",
            "/v1/expirations",
            "/v1/expiring",
            "/v1/report/access",
            "/v1/table-digest",
            "/healthz",
            "/readyz",
            "/metrics",
        ] {
            assert!(paths.contains_key(path), "{path}");
        }
        for (path, item) in paths {
            for operation in item.as_object().unwrap().values() {
                assert!(operation["summary"].is_string(), "{path}");
                assert!(operation["responses"]["default"].is_object(), "{path}");
                let parameters = operation["parameters"].as_array();
                let names = parameters.into_iter().flatten().map(|p| p["name"].as_str().unwrap());
                let mut names: Vec<_> = names.collect();
                names.sort_unstable();
                let all = names.len();
                names.dedup();
                assert_eq!(names.len(), all, "{path}");
            }
        }
    }

    /// Every `$ref` leads somewhere.
    #[test]
    fn no_reference_is_dangling() {
        fn walk(value: &serde_json::Value, found: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(map) => {
                    if let Some(target) = map.get("$ref").and_then(|target| target.as_str()) {
                        found.push(target.trim_start_matches('#').to_owned());
                    }
                    map.values().for_each(|value| walk(value, found));
                }
                serde_json::Value::Array(list) => list.iter().for_each(|v| walk(v, found)),
                serde_json::Value::Null
                | serde_json::Value::Bool(_)
                | serde_json::Value::Number(_)
                | serde_json::Value::String(_) => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        walk(&document, &mut found);
        assert!(found.len() > 20);
        for target in found {
            assert!(document.pointer(&target).is_some(), "{target}");
        }
    }
}
