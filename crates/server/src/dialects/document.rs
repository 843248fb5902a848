//! Each dialect's OpenAPI document: what its file says of the routes, and what holds for all of
//! them.

use std::collections::BTreeMap;

use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{HeaderBuilder, License, ObjectBuilder, Type};
use utoipa::openapi::{OpenApi as Document, RefOr, Response, Server};

use super::face::{Face, Proof};

/// The one group of operations.
const TAG: &str = "keys";

/// The document of the routes as they are under the dialect's mount.
pub(super) fn of(face: &Face) -> Document {
    let (mut document, dialect) = ((face.document)(), face.dialect);
    dialect.as_str().clone_into(&mut document.info.title);
    document.info.description = Some(face.about.to_owned());
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    document.info.license = Some(license);
    document.servers = Some(vec![
        Server::builder()
            .url(format!("/dialects/{dialect}"))
            .description(Some("Where this document came from"))
            .build(),
        Server::builder()
            .url(format!("http://127.0.0.1:7070/dialects/{dialect}"))
            .description(Some("As `keyledger serve` starts it"))
            .build(),
    ]);
    document.tags = Some(vec![TagBuilder::new().name(TAG).description(Some("API keys")).build()]);
    proofs(&mut document, face.proofs);
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.tags = Some(vec![TAG.to_owned()]);
            answers(&mut operation.responses.responses);
        }
    }
    document
}

/// What each answer means and has; a fault of the service has the same form as a refusal.
fn answers(responses: &mut BTreeMap<String, RefOr<Response>>) {
    if let Some(refused) = responses.get("4XX").cloned() {
        responses.insert("5XX".to_owned(), refused);
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        let mut header = |name: &str, about: &str, kind| {
            let header = HeaderBuilder::new().schema(ObjectBuilder::new().schema_type(kind));
            let header = header.description(Some(about)).build();
            response.headers.insert(name.to_owned(), header);
        };
        header("X-Request-Id", "Names this answer", Type::String);
        match status.as_str() {
            "4XX" => {
                header("WWW-Authenticate", "With 401: how to prove who calls", Type::String);
                header("Retry-After", "With 429: after how many seconds", Type::Integer);
                header("Accept-Encoding", "With 415: how a body may be packed", Type::String);
            }
            "5XX" => header("Retry-After", "With 503: after how many seconds", Type::Integer),
            _ => {}
        }
        if status == "201" {
            let about = "`true` if this is the outcome of an earlier request";
            header("Idempotency-Replayed", about, Type::Boolean);
        }
        if response.description.is_empty() {
            let about = match status.as_str() {
                "4XX" => "Not done: what is wrong with the request",
                "5XX" => "Not done: something failed, or too much is waiting",
                _ => "Done",
            };
            about.clone_into(&mut response.description);
        }
    }
}

/// How a caller proves who it is; any one of `proofs` will do.
fn proofs(document: &mut Document, proofs: &[Proof]) {
    let schemes: Vec<_> = proofs.iter().map(|proof| scheme(*proof)).collect();
    let any = schemes.iter().map(|(name, _)| SecurityRequirement::new(*name, [""; 0]));
    document.security = Some(any.collect());
    let components = document.components.get_or_insert_default();
    for (name, scheme) in schemes {
        components.add_security_scheme(name, scheme);
    }
}

fn scheme(proof: Proof) -> (&'static str, SecurityScheme) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    match proof {
        Proof::Token => ("token", SecurityScheme::Http(bearer.bearer_format("JWT").build())),
        Proof::Bearer => ("bearer", SecurityScheme::Http(bearer.build())),
        Proof::Header(name) => {
            ("key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name))))
        }
    }
}
