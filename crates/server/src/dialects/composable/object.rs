//! composable's key, as its answers show it.

use keys::{Kind, Status, Timestamp};
use ledger::KeyView;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::dialects::answer::ended_at;
use crate::error::{ApiError, InvalidKind, Type};
use crate::wire::words::choices;

/// How long an expired key is still shown.
const SHOWN_S: u64 = 24 * 3600;

choices!(KeyType, "Secret or public.", ["sk", "pk"];);

/// A key.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKey {
    account: String,
    /// Missing if the key is good for every project.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    name: String,
    /// Whether it is secret.
    #[schema(value_type = KeyType)]
    r#type: &'static str,
    #[schema(value_type = super::RoleWord)]
    role: String,
    /// Missing if the key does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    enabled: bool,
    created_at: String,
    updated_at: String,
    id: String,
    #[serde(rename = "maskedValue")]
    masked_value: String,
    /// The whole key, only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

impl ApiKey {
    pub(super) fn new(view: &KeyView, value: Option<String>) -> ApiKey {
        let KeyView { key, state, .. } = view;
        ApiKey {
            account: key.account.to_string(),
            project: key.project.as_ref().map(ToString::to_string),
            name: key.name.to_string(),
            r#type: match key.kind {
                Kind::Secret => "sk",
                Kind::Public => "pk",
            },
            role: key.role.as_ref().map(ToString::to_string).unwrap_or_default(),
            expires_at: ended_at(view).or(state.expires_at).map(Timestamp::to_millis_text),
            enabled: view.status == Status::Enabled,
            created_at: view.created_at.to_millis_text(),
            updated_at: state.updated_at.to_millis_text(),
            id: key.id.to_string(),
            masked_value: format!("{}****", key.prefix.as_str()),
            value,
        }
    }
}

/// Whether a key is still shown: an expired one for a day, a revoked one not at all.
pub(super) fn is_shown(view: &KeyView, now: Timestamp) -> bool {
    match view.status {
        Status::Enabled | Status::Disabled => true,
        Status::Expired => ended_at(view).is_some_and(|ended| now < ended.plus_secs(SHOWN_S)),
        Status::Revoked => false,
    }
}

/// The `enabled` of a body whose other fields are as they are already.
pub(super) fn only_enabled(body: &Map<String, Value>, view: &KeyView) -> Result<bool, ApiError> {
    let enabled = body.get("enabled").and_then(Value::as_bool);
    let enabled =
        enabled.ok_or_else(|| ApiError::field("enabled", InvalidKind::Type(Type::Boolean)))?;
    let now = serde_json::to_value(ApiKey::new(view, None)).unwrap_or_default();
    for name in
        ["account", "project", "name", "type", "role", "expires_at", "id", "maskedValue", "value"]
    {
        let (wanted, is) = (body.get(name).unwrap_or(&Value::Null), now.get(name));
        if !wanted.is_null() && Some(wanted) != is {
            return Err(ApiError::field(name, "cannot be changed, only enabled can"));
        }
    }
    Ok(enabled)
}

#[cfg(test)]
mod tests {
    use keys::{KeyState, Secret};

    use super::*;

    /// Contract, composable: expired keys stay for 24 h, then leave.
    #[test]
    fn an_expired_key_is_shown_for_a_day() {
        let due = Timestamp::from_secs(1_000_000);
        let view = view(Some(due));
        let at = |seconds: u64| due.plus_secs(seconds);
        assert!(is_shown(&view, at(0)));
        assert!(is_shown(&view, at(SHOWN_S - 1)));
        assert!(!is_shown(&view, at(SHOWN_S)));
        assert!(!ApiKey::new(&view, None).enabled);
    }

    fn view(due: Option<Timestamp>) -> KeyView {
        let format = keys::Dialect::Composable.format(Kind::Secret, keys::Environment::Live);
        let secret = Secret::generate(format, |bytes| bytes.fill(7));
        let start = Timestamp::from_secs(0);
        let key = keys::NewKey {
            id: keys::KeyId::new(start, [0; 10]),
            number: 1,
            account: "acme".parse().unwrap(),
            owner: "ann".parse().unwrap(),
            name: "key".parse().unwrap(),
            description: None,
            kind: Kind::Secret,
            environment: keys::Environment::Live,
            role: None,
            permissions: [].into(),
            project: None,
            allowed_ips: keys::AllowedIps::default(),
            expires_at: due,
            rate_limit: None,
            quota: None,
            tags: keys::Tags::default(),
            imported: None,
            metadata: keys::Metadata::default(),
            prefix: secret.prefix(format),
            digest: secret.digest(),
            replaces: None,
            dialect: keys::Dialect::Composable,
            public_value: None,
        };
        let state = KeyState::created(&key, start);
        KeyView {
            state,
            status: Status::Expired,
            created_at: start,
            created_by: "ann".parse().unwrap(),
            last_used_at: None,
            key: std::sync::Arc::new(key),
        }
    }
}
