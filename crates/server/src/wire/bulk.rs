//! A change of many keys: what is asked, and what is answered.

use keys::{Invalid, Timestamp};
use ledger::{Bulk, Change, MOST_IN_BULK, NotChanged};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod filter;

use self::filter::BulkFilter;
use super::request::Reasoned;
use super::text::Id;
use super::whole;
use super::words::{ReasonCode, choices};
use crate::error::{ApiError, Code};
use crate::request::extract::limit_to;

/// A change of the status of many keys.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkChange {
    /// What happens to each.
    #[schema(value_type = BulkAction)]
    action: String,
    /// Which keys: filters of the list, at least one, or `ids` alone.
    filter: BulkFilter,
    /// Why, in words.
    #[schema(max_length = 500)]
    pub(crate) reason: Option<String>,
    /// Why, as a code; only of `revoke`.
    #[schema(value_type = Option<ReasonCode>)]
    reason_code: Option<String>,
    /// Since when the keys may have been in wrong hands; only of `revoke`.
    #[schema(format = DateTime)]
    compromised_since: Option<String>,
    /// At most so many are changed; 1000 by default.
    #[schema(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "whole::optional")]
    limit: Option<u64>,
}

impl BulkChange {
    /// What is asked, once each field is checked.
    pub(crate) fn bulk(self, now: Timestamp) -> Result<Bulk, ApiError> {
        let why = Reasoned::of_revocation(self.reason_code, self.compromised_since);
        let change = match self.action.as_str() {
            "revoke" => Change::Revoke(why.revocation(now)?),
            action => {
                why.only_reason()?;
                match action {
                    "disable" => Change::Disable,
                    "enable" => Change::Enable,
                    "expire" => Change::Expire,
                    _ => return Err(ApiError::field("action", Invalid::UnknownWord(ACTIONS))),
                }
            }
        };
        let limit = limit_to(self.limit, MOST_IN_BULK, 1000)?;
        let of = self.filter.selection().map_err(|error| error.within("filter"))?;
        let of = of.ok_or_else(|| ApiError::field("filter", "must name something, or have ids"))?;
        Ok(Bulk { change, of, limit })
    }
}

/// What can happen to many keys at once.
const ACTIONS: &[&str] = &["revoke", "disable", "enable", "expire"];

choices!(BulkAction, "What happens to each key.", ACTIONS.to_vec(););

/// What a change of many keys came to.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkResult)]
pub(crate) struct BulkChanged {
    /// The ids of the keys that were changed; of a dry run, those that would be.
    #[schema(value_type = Vec<String>)]
    changed: Vec<Id>,
    /// Those that were not changed, at most 1,000.
    refused: Vec<NotChangedKey>,
    /// How many keys match. If `more` is true and there are more than 10,000 keys to look at: at
    /// least so many.
    matching: u64,
    /// Whether there may be more to change, which the same request goes on with.
    more: bool,
}

/// A key that was not changed.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkRefusal)]
struct NotChangedKey {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// The code of the problem that it alone would be refused with.
    code: &'static str,
}

impl BulkChanged {
    pub(crate) fn new(done: &ledger::BulkChanged) -> BulkChanged {
        let refused = done.refused.iter().map(|(id, why)| {
            let code = match why {
                NotChanged::Refused(refusal) => ApiError::from(*refusal).code,
                NotChanged::NotPermitted => Code::Forbidden,
            };
            NotChangedKey { id: Id(*id), code: code.as_str() }
        });
        BulkChanged {
            changed: done.changed.iter().copied().map(Id).collect(),
            refused: refused.collect(),
            matching: done.matching,
            more: done.more,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::request::extract::json as read_json;

    /// What is wrong in a change with this filter; empty if it is in order.
    fn detail(filter: &Value) -> String {
        let bytes = json!({"action": "revoke", "filter": filter}).to_string();
        let read = read_json::<BulkChange>(bytes.as_bytes());
        let read = read.and_then(|change| change.bulk(Timestamp::MAX));
        read.err().map(|error| error.detail.into_owned()).unwrap_or_default()
    }

    const ID: &str = "01a21305-dad4-71fc-9866-5aac934b6a65";

    #[test]
    fn what_is_wrong_with_a_filter_is_said_with_its_place() {
        let table = [
            (json!({"owner": "ann"}), ""),
            (json!({"ids": [ID, ID]}), ""),
            (json!({"owner": null, "ids": [ID]}), ""),
            (json!({}), "filter: must name something, or have ids"),
            (json!({"metadata": {}, "tag": []}), "filter: must name something, or have ids"),
            (json!({"q": ""}), "filter.q: must not be empty"),
            (json!({"owner": "ann", "prefix": ""}), "filter.prefix: must not be empty"),
            (json!({"owner": null}), "filter: must name something, or have ids"),
            (json!({"ids": []}), "filter.ids: must be between 1 and 1000 entries"),
            (json!({"ids": vec![ID; 1001]}), "filter.ids: must be between 1 and 1000 entries"),
            (json!({"ids": [ID, "x"]}), "filter.ids[1]: must be a UUID"),
            (json!({"ids": [ID, 7]}), "filter.ids[1]: must be a string"),
            (json!({"ids": ID}), "filter.ids: must be a list"),
            (json!({"ids": [ID], "owner": "ann"}), "filter.ids: must come without other filters"),
            (
                json!({"status": "gone"}),
                "filter.status: must be one of: enabled disabled expired revoked",
            ),
            (json!({"color": "red"}), "filter.color: unknown field"),
            (json!([]), "filter: must be an object"),
            (json!("ann"), "filter: must be an object"),
        ];
        for (filter, expected) in table {
            assert_eq!(detail(&filter), expected, "{filter}");
        }
        let twice = format!(r#"{{"action":"revoke","filter":{{"ids":["{ID}"],"ids":["{ID}"]}}}}"#);
        let error = read_json::<BulkChange>(twice.as_bytes()).err().unwrap();
        assert_eq!(error.detail, "filter.ids: must be sent once");
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            prop::sample::select(vec![ID, "ann", "enabled", "", "x y"]).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(3, 40, 5, |inner| {
            let name = prop::sample::select(vec!["ids", "owner", "status", "metadata", "q", "x"]);
            prop_oneof![
                3 => prop::collection::btree_map(name.prop_map(str::to_owned), inner.clone(), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
                1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_filter_is_read_or_refused_by_name(filter in documents()) {
            let detail = detail(&filter);
            prop_assert!(detail.is_empty() || detail.starts_with("filter"), "{}", detail);
            // Nothing is ever taken for every key.
            prop_assert!(!detail.is_empty() || filter.as_object().is_some_and(|it| !it.is_empty()));
        }
    }
}
