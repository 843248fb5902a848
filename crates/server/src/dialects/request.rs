//! What dialects read of a request, and the key that they start from.

use axum::extract::{FromRequestParts as _, RawPathParams};
use axum::http::request::Parts;
use keys::{AllowedIps, Environment, Kind, Metadata};
use ledger::{NewKeyRequest, Rules};

use crate::app::App;

/// The one parameter of the path. What is no text names nothing, as the empty text does.
pub(super) async fn path_text(parts: &mut Parts, app: &App) -> String {
    let path = RawPathParams::from_request_parts(parts, app).await;
    let text = path.ok().and_then(|path| path.iter().next().map(|(_, value)| value.to_owned()));
    text.unwrap_or_default()
}

/// A live secret key without any attribute.
pub(super) fn plain() -> NewKeyRequest {
    NewKeyRequest {
        account: None,
        owner: None,
        name: None,
        description: None,
        kind: Kind::Secret,
        environment: Environment::Live,
        role: None,
        permissions: Box::default(),
        project: None,
        allowed_ips: AllowedIps::default(),
        expires: None,
        daily_limit: None,
        metadata: Metadata::default(),
        rules: Rules::default(),
    }
}
