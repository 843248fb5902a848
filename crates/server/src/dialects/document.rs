//! Each dialect's OpenAPI document: what its file says of the routes, and what holds for all of
//! them.

use keys::Dialect;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{OpenApi as Document, RefOr, Response, Server};

use super::{callcov, capgo, cloudsigma, composable, covosign};

/// The document of the routes as they are under the dialect's mount.
pub(super) fn of(dialect: Dialect) -> Document {
    let (mut document, about) = match dialect {
        Dialect::Native => (Document::default(), ""),
        Dialect::Covosign => (
            covosign::document(),
            "API keys for the sandbox and for production; a key makes keys of no higher kind.",
        ),
        Dialect::Callcov => (
            callcov::document(),
            "API keys of one user: at most ten that are active, ended early instead of deleted.",
        ),
        Dialect::Cloudsigma => (
            cloudsigma::document(),
            "API keys with a daily limit, named by their prefix; managed by tokens of a paid plan.",
        ),
        Dialect::Capgo => (
            capgo::document(),
            "API keys of an organisation with one of four modes; a key of mode all manages them.",
        ),
        Dialect::Composable => (
            composable::document(),
            "API keys with roles: secret ones, and public ones that a secret key asks for.",
        ),
    };
    dialect.as_str().clone_into(&mut document.info.title);
    document.info.description = Some(about.to_owned());
    document.servers = Some(vec![Server::new(format!("/dialects/{dialect}"))]);
    proofs(&mut document, dialect);
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(Response { description, .. }) = response
                    && description.is_empty()
                {
                    let good = status.starts_with('2');
                    (if good { "Done" } else { "Not done" }).clone_into(description);
                }
            }
        }
    }
    document
}

/// How a caller proves who it is; any one of them will do.
fn proofs(document: &mut Document, dialect: Dialect) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let mut schemes = Vec::new();
    let header = |name| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
    match dialect {
        Dialect::Native => {}
        Dialect::Callcov | Dialect::Cloudsigma => {
            schemes.push(("token", SecurityScheme::Http(bearer.bearer_format("JWT").build())));
        }
        Dialect::Composable => schemes.push(("bearer", SecurityScheme::Http(bearer.build()))),
        Dialect::Covosign => {
            schemes.push(("bearer", SecurityScheme::Http(bearer.build())));
            schemes.push(("key", header("X-API-Key")));
        }
        Dialect::Capgo => schemes.push(("key", header("authorization"))),
    }
    let any = schemes.iter().map(|(name, _)| SecurityRequirement::new(*name, [""; 0]));
    document.security = Some(any.collect());
    let components = document.components.get_or_insert_default();
    for (name, scheme) in schemes {
        components.add_security_scheme(name, scheme);
    }
}
