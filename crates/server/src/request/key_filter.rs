//! Which keys a request is about: the filters of the list, in a query as in JSON.

use std::fmt;

use keys::{Tag, Tags};
use ledger::KeyFilter;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use utoipa::{IntoParams, ToSchema};

use crate::error::ApiError;
use crate::request::extract::{field, parse};
use crate::wire;
use crate::wire::words;

/// Which keys; what is missing does not matter. In JSON each is a member of an object; in a query
/// `metadata` is written as `metadata.team=payments`, a parameter for each pair.
#[derive(Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = KeyFilter)]
pub(crate) struct KeyFilterFields {
    /// Its status.
    #[param(value_type = Option<words::KeyStatus>)]
    #[schema(value_type = Option<words::KeyStatus>)]
    status: Option<String>,
    /// What it works on.
    #[param(value_type = Option<words::Environment>)]
    #[schema(value_type = Option<words::Environment>)]
    environment: Option<String>,
    /// Whether it must be kept secret.
    #[param(value_type = Option<words::KeyKind>)]
    #[schema(value_type = Option<words::KeyKind>)]
    kind: Option<String>,
    /// The subject it belongs to.
    #[param(min_length = 1, max_length = 255)]
    #[schema(min_length = 1, max_length = 255)]
    owner: Option<String>,
    /// Its project.
    #[param(min_length = 1, max_length = 100)]
    #[schema(min_length = 1, max_length = 100)]
    project: Option<String>,
    /// Its role.
    #[param(value_type = Option<words::RoleName>)]
    #[schema(value_type = Option<words::RoleName>)]
    role: Option<String>,
    /// The beginning of its shown prefix.
    prefix: Option<String>,
    /// Part of its name or description, whatever the case.
    q: Option<String>,
    /// Due before this moment.
    #[param(format = DateTime)]
    #[schema(format = DateTime)]
    expires_before: Option<String>,
    /// It has all of these pairs. In a query each is a parameter: `metadata.team=payments`.
    #[param(value_type = Option<words::Metadata>, style = Form, explode)]
    #[schema(value_type = Option<words::Metadata>)]
    metadata: Option<wire::Pairs>,
    /// It has all of these tags. In a query each is a parameter: `tag=ci&tag=eu`.
    #[param(value_type = Option<Vec<words::Tag>>)]
    #[schema(value_type = Option<words::OneOrMore>)]
    tag: Option<OneOrMore>,
    /// Made before this moment, and not used then or later. Uses are counted within 5 s, and are
    /// not known of the past.
    #[param(format = DateTime)]
    #[schema(format = DateTime)]
    unused_since: Option<String>,
    /// Whether it was never used. Not known of the past.
    never_used: Option<bool>,
    /// The tenant, for tokens of all accounts.
    #[param(min_length = 1, max_length = 100)]
    #[schema(min_length = 1, max_length = 100)]
    account: Option<String>,
}

impl KeyFilterFields {
    /// The filter, once each field is checked.
    pub(crate) fn filter(self) -> Result<KeyFilter, ApiError> {
        Ok(KeyFilter {
            account: parse("account", self.account.as_deref())?,
            status: parse("status", self.status.as_deref())?,
            environment: parse("environment", self.environment.as_deref())?,
            kind: parse("kind", self.kind.as_deref())?,
            owner: parse("owner", self.owner.as_deref())?,
            project: parse("project", self.project.as_deref())?,
            role: parse("role", self.role.as_deref())?,
            dialect: None,
            prefix: self.prefix.map(Into::into),
            q: self.q.map(|text| keys::composed(&text).into()),
            expires_before: parse("expires_before", self.expires_before.as_deref())?,
            metadata: wire::metadata(self.metadata)?.unwrap_or_default(),
            tags: tags(self.tag.unwrap_or_default())?,
            unused_since: parse("unused_since", self.unused_since.as_deref())?,
            never_used: self.never_used,
        })
    }
}

fn tags(OneOrMore(texts): OneOrMore) -> Result<Tags, ApiError> {
    let tags = texts.iter().map(|text| field("tag", text.parse::<Tag>()));
    field("tag", Tags::new(tags.collect::<Result<Vec<_>, _>>()?))
}

/// A text, or a list of them.
#[derive(Default)]
struct OneOrMore(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMore, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMore, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMore(texts))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::extract::{json, nested};

    fn of_query(query: &str) -> Result<KeyFilter, ApiError> {
        let parameters = form_urlencoded::parse(query.as_bytes());
        nested::<KeyFilterFields>(parameters, &["tag"])?.filter()
    }

    fn of_json(text: &str) -> Result<KeyFilter, ApiError> {
        json::<KeyFilterFields>(text.as_bytes())?.filter()
    }

    /// What a list finds, a change of many keys finds too.
    #[test]
    fn a_filter_is_the_same_in_a_query_and_in_json() {
        let table = [
            ("", "{}"),
            ("status=enabled&owner=a+b", r#"{"status":"enabled","owner":"a b"}"#),
            ("metadata.team=a&metadata.x.y=", r#"{"metadata":{"team":"a","x.y":""}}"#),
            ("tag=b&tag=a", r#"{"tag":["a","b"]}"#),
            ("tag=a", r#"{"tag":"a"}"#),
            ("never_used=false", r#"{"never_used":false}"#),
            ("unused_since=2026-01-02T03:04:05Z", r#"{"unused_since":"2026-01-02T03:04:05Z"}"#),
        ];
        for (query, json) in table {
            let (of_query, of_json) = (of_query(query).unwrap(), of_json(json).unwrap());
            assert_eq!(of_query, of_json, "{query}");
            assert_eq!(of_query.is_empty(), query.is_empty(), "{query}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_filter_is_said_of_its_field() {
        let many: String = (0..21).map(|n| format!("tag=t{n}&")).collect();
        let table = [
            ("tag=a%20b", "tag: must consist of letters"),
            ("tag=", "tag: must be between 1 and 64 characters"),
            (&many, "tag: must be at most 20 tags"),
            ("tag.a=b", "tag: must be a string or a list of strings"),
            ("owner=a&owner=b", "owner: must be sent once"),
        ];
        for (query, why) in table {
            let refused = of_query(query).unwrap_err();
            assert!(refused.detail.starts_with(why), "{query}: {}", refused.detail);
        }
        for json in
            [r#"{"tag":1}"#, r#"{"tag":[1]}"#, r#"{"tag":{"a":"b"}}"#, r#"{"metadata":"a"}"#]
        {
            assert!(of_json(json).is_err(), "{json}");
        }
    }
}
