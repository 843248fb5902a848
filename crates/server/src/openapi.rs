//! `/openapi.json`: the API as a document (OpenAPI 3.1), made from the handlers themselves.

mod answers;
mod examples;
mod operations;
mod shape;

use std::sync::{Arc, OnceLock};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::routing::get;
use keys::Dialect;
use serde_json::Value;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ObjectBuilder, OpenApi as Document, Required, SchemaFormat};
use utoipa::openapi::{SecurityRequirement, Server, Type};
use utoipa::{Modify, OpenApi};

use crate::error::Problem;
use crate::http::error_form::PROBLEM;
use crate::http::route::Routes;
use crate::request::key_filter::KeyFilterFields;
use crate::routes::events::{expirations, expiring, receipt, stream};
use crate::routes::evidence::{access, account, bundle as audit_bundle, stamps};
use crate::routes::keys::{bulk as keys_bulk, import as keys_import};
use crate::routes::keys::{change, proof as key_proof};
use crate::routes::operations::{health, home, metrics};
use crate::routes::verify::batch;
use crate::routes::webhooks::deliveries;
use crate::routes::{
    authorize, events, evidence, keys as keys_routes, own_key, report, subjects, tokens, usage,
    verify, webhooks,
};
use crate::wire::words;
use crate::{dialects, wire};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "keyledger",
        description = "API keys with a proof: every change of a key is one immutable event.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        keys_routes::create, keys_routes::list::list, keys_routes::one, keys_routes::history,
        keys_bulk::change, keys_import::import, change::enable, change::disable, change::expire, change::revoke, change::delete, change::update,
        keys_routes::rotate, usage::of_key, usage::of_account, verify::verify, batch::verify_batch, own_key::show, own_key::revoke, authorize::authorize, authorize::below,
        events::list, events::one, stream::stream, expirations::expire_due, expiring::list,
        report::access, report::table_digest,
        evidence::checkpoint, evidence::cosigned, evidence::heartbeat, evidence::keys, evidence::tile, evidence::entries, evidence::persons,
        stamps::list, stamps::create,
        evidence::inclusion, evidence::consistency, account::events, account::rows, receipt::receipt, key_proof::proof, evidence::table,
        tokens::list, tokens::create, tokens::end, tokens::revoke,
        subjects::show, subjects::erase, subjects::hold, subjects::release,
        access::list, access::checkpoint, access::keys, access::tile, access::entries, audit_bundle::bundle,
        webhooks::create, webhooks::list, webhooks::one, webhooks::delete,
        deliveries::list, deliveries::replay, deliveries::keys,
        home::home, health::alive, health::ready, metrics::page
    ),
    components(schemas(
        Problem, wire::Event, wire::CreatedData, wire::ExpiredData, wire::RevokedData, wire::UpdatedData, wire::NoData,
        words::KeyStatus, words::KeyKind, words::Environment, words::Dialect, words::EventType,
        words::ReasonCode, words::VerifyCode, words::Reading, words::GrantedPermission,
        words::AskedPermission, words::NeededPermission, words::RoleName, words::Moment, words::AddressOrNetwork,
        words::Cursor, words::Order, words::UsageStep, KeyFilterFields, words::VerifyCounts, words::ReadAccess, words::TokenAccess, words::SubjectAccess,
        words::TokensAccess, words::TokenRole, words::TokenRoles, words::WebhookEvent,
        words::WebhookStatus, words::DeliveryOutcome, wire::reminder::Expiring,
        words::Direction, words::KeySort, words::TotalIs,
        words::Metadata, words::Alive
    )),
    tags(
        (name = "keys", description = "Made, shown, changed"),
        (name = "verify", description = "What a gateway asks on every request"),
        (name = "self", description = "What a key can do with its own text: nothing else"),
        (name = "events", description = "What happened, and what will"),
        (name = "webhooks", description = "Events, posted to receivers elsewhere (Standard Webhooks)"),
        (name = "evidence", description = "The log proves itself, in the formats of C2SP"),
        (name = "tokens", description = "The service's own tokens: who has which, and their end"),
        (name = "subjects", description = "Persons: all that there is about one, and its end"),
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
        let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let key = key.description(Some("A secret API key, which looks at itself or ends itself"));
        components.add_security_scheme("key", SecurityScheme::Http(key.build()));
        document.security = Some(vec![SecurityRequirement::new("bearer", [""; 0])]);

        document.servers = Some(vec![
            Server::builder().url("/").description(Some("Where this document came from")).build(),
            Server::builder()
                .url("http://127.0.0.1:7070")
                .description(Some("As `keyledger serve` starts it"))
                .build(),
        ]);

        for (path, item) in &mut document.paths.paths {
            for (operation, changes) in [
                (&mut item.get, false),
                (
                    &mut item.post,
                    !["/v1/keys/verify", "/log/"].iter().any(|read| path.starts_with(read)),
                ),
                (&mut item.patch, true),
                (&mut item.delete, true),
            ] {
                let Some(operation) = operation else { continue };
                for (name, meaning) in [("id", "The key's id"), ("webhook", "The webhook's id")] {
                    if path.contains(&format!("{{{name}}}")) {
                        let id = text().format(Some(SchemaFormat::Custom("uuid".to_owned())));
                        parameter(operation, name, ParameterIn::Path, meaning, id);
                    }
                }
                if changes {
                    change_parameters(operation, path);
                }
                if path.starts_with(authorize::PATH) {
                    let meaning = "The client's key, if it sent it so";
                    parameter(operation, "X-API-Key", ParameterIn::Header, meaning, text());
                    let gateway = SecurityRequirement::new("gateway", [""; 0]);
                    operation.security = Some(vec![gateway]);
                }
            }
        }
    }
}

fn change_parameters(operation: &mut Operation, path: &str) {
    let flag = || ObjectBuilder::new().schema_type(Type::Boolean).default(Some(false.into()));
    let of_a_webhook = path.starts_with("/v1/webhooks/");
    if path != "/v1/expirations" && !of_a_webhook {
        let meaning = "Decide and answer, but record nothing";
        parameter(operation, "dry_run", ParameterIn::Query, meaning, flag());
    }
    if path == "/v1/keys/import" {
        return;
    }
    let one_event = !matches!(path, "/v1/expirations" | "/v1/keys/bulk" | "/v1/webhooks");
    let is_journaled = path.starts_with("/v1/tokens") || path.starts_with("/v1/subjects");
    if one_event && !of_a_webhook && !is_journaled {
        let meaning = "The answer holds the event's receipt";
        parameter(operation, "receipt", ParameterIn::Query, meaning, flag());
    }
    if path != "/v1/tokens/{jti}" {
        let meaning =
            "The same key and request within 24 hours give the same outcome, recorded once";
        let key = text().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[ -~]+$"));
        parameter(operation, "Idempotency-Key", ParameterIn::Header, meaning, key);
    }
    if path.contains("{id}") || path == "/v1/self/revoke" {
        let meaning = "The revision the key must be at, in quotes; another is 412";
        parameter(operation, "If-Match", ParameterIn::Header, meaning, text());
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn parameter(
    operation: &mut Operation,
    name: &str,
    place: ParameterIn,
    meaning: &str,
    schema: ObjectBuilder,
) {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(meaning))
        .schema(Some(schema));
    operation.parameters.get_or_insert_default().push(parameter.build());
}

/// The API as an OpenAPI 3.1 document, or that of a dialect.
#[must_use]
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a document is strings, numbers and lists: always JSON"
)]
pub fn document(dialect: Dialect) -> Value {
    let described = dialects::document(dialect).unwrap_or_else(Api::openapi);
    let mut document = serde_json::to_value(described).expect("strings, numbers and lists");
    shape::unwrap_lines(&mut document);
    if let Some(schemas) =
        document.pointer_mut("/components/schemas").and_then(Value::as_object_mut)
    {
        shape::flatten(schemas);
        shape::events(schemas);
    }
    if dialect == Dialect::Native {
        answers::complete(&mut document);
        examples::add(&mut document);
    }
    shape::prune(&mut document);
    document
}

/// The routes of the document, and of those of the dialects.
pub(crate) fn router() -> Routes {
    let native = (Dialect::Native, "/openapi.json", PROBLEM);
    let documents = std::iter::once(native).chain(dialects::documents());
    documents.fold(Routes::default(), |routes, (dialect, template, error_form)| {
        // Made when it is first asked for.
        let text: Arc<OnceLock<Bytes>> = Arc::default();
        let page = move || async move {
            let text = text.get_or_init(|| Bytes::from(document(dialect).to_string() + "\n"));
            let content_type = HeaderValue::from_static("application/json");
            wire::typed(StatusCode::OK, content_type, Body::from(text.clone()))
        };
        routes.merge(Routes::new(error_form).add(template, get(page)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::operations::OPERATIONS;
    use super::*;
    use crate::error::Code;

    fn operations(document: &Value) -> Vec<(String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        let all = paths.iter().map(|(path, item)| (path, item.as_object().unwrap()));
        all.flat_map(|(path, item)| {
            item.iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
    }

    /// Every document names each of its operations once, and describes it.
    #[test]
    fn operations_have_ids_of_their_own() {
        for dialect in Dialect::ALL {
            let document = document(*dialect);
            assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
            let mut ids = BTreeSet::new();
            for (name, operation) in operations(&document) {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id), "{dialect}: {id} stands twice");
                let plain = id.bytes().all(|b| b.is_ascii_alphanumeric());
                assert!(plain && id.starts_with(|c: char| c.is_ascii_lowercase()), "{id}");
                assert!(operation["summary"].is_string(), "{name}");
                let parameters = operation["parameters"].as_array();
                let names = parameters.into_iter().flatten().map(|p| p["name"].as_str().unwrap());
                let names: Vec<_> = names.collect();
                assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{name}");
            }
        }
    }

    /// The list of codes is of these operations, and no code is without one that answers it.
    #[test]
    fn every_operation_says_its_codes() {
        let document = document(Dialect::Native);
        let described: BTreeSet<&str> = operations(&document)
            .into_iter()
            .map(|(_, operation)| operation["operationId"].as_str().unwrap())
            .collect();
        let listed: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(described, listed);
        let silent = Code::ALL
            .iter()
            .filter(|code| !OPERATIONS.iter().any(|operation| operation.answers(**code)))
            .map(|code| code.as_str());
        // The first is of paths, not of operations. The others are lawful answers of `decide` to
        // what no request asks for.
        let unasked = ["method_not_allowed", "not_while_enabled", "not_due"];
        assert_eq!(silent.collect::<BTreeSet<_>>(), unasked.into_iter().collect::<BTreeSet<_>>());
    }

    /// Where there is a body or an answer that can be shown, it is.
    #[test]
    fn operations_have_examples() {
        let document = document(Dialect::Native);
        for (name, operation) in operations(&document) {
            if let Some(body) = operation.pointer("/requestBody/content/application~1json") {
                assert!(body["example"].is_object(), "{name}: no example of its body");
            }
            let responses = operation["responses"].as_object().unwrap();
            let good = responses.iter().rfind(|(status, _)| status.starts_with('2'));
            let content = good.and_then(|(_, response)| response["content"].as_object());
            for (media_type, shown) in content.into_iter().flatten().take(1) {
                let binary = media_type.ends_with("octet-stream") || media_type.ends_with("tar");
                assert!(binary || shown.get("example").is_some(), "{name}: none of its answer");
            }
        }
    }

    /// Each branch fixes the type of its event.
    #[test]
    fn events_are_told_apart_by_their_type() {
        let document = document(Dialect::Native);
        let schemas = &document["components"]["schemas"];
        let mapping = schemas["Event"]["discriminator"]["mapping"].as_object().unwrap();
        let kinds: Vec<_> = keys::EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(mapping.len(), kinds.len());
        for kind in kinds {
            let target = mapping[kind].as_str().unwrap().trim_start_matches('#');
            let branch = document.pointer(target).unwrap();
            assert_eq!(branch["properties"]["type"]["const"], kind);
            assert!(branch["required"].as_array().unwrap().contains(&"type".into()));
        }
    }

    /// Every `$ref` leads somewhere.
    #[test]
    fn no_reference_is_dangling() {
        fn walk(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    if let Some(target) = map.get("$ref").and_then(|target| target.as_str()) {
                        found.push(target.trim_start_matches('#').to_owned());
                    }
                    map.values().for_each(|value| walk(value, found));
                }
                Value::Array(list) => list.iter().for_each(|v| walk(v, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        for dialect in Dialect::ALL {
            let document = document(*dialect);
            let mut found = Vec::new();
            walk(&document, &mut found);
            assert!(found.len() >= 2, "{dialect}");
            for target in found {
                assert!(document.pointer(&target).is_some(), "{target}");
            }
        }
    }
}
