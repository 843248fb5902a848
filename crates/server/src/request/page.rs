//! Which page of a list, and queries of two parts: serde cannot put one into the other and still refuse
//! what it does not know.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::error::ApiError;
use crate::request::extract::{limit, parameters};
use crate::wire;

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParameters {
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<wire::words::Cursor>)]
    cursor: Option<String>,
}

impl PageParameters {
    /// How many items are wanted.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        limit(self.limit)
    }

    /// Where the page before said that this one begins.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

/// The parameter that names one account, for tokens of all.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfAccount {
    /// The tenant, for tokens of all accounts: all together if missing.
    #[param(min_length = 1, max_length = 100)]
    pub(crate) account: Option<String>,
}

/// Parameters whose names are listed.
pub(crate) trait Named: DeserializeOwned {
    const NAMES: &[&str];
}

impl Named for PageParameters {
    const NAMES: &[&str] = &["limit", "cursor"];
}

impl Named for OfAccount {
    const NAMES: &[&str] = &["account"];
}

/// A query: the parameters that `A` names, and all others.
pub(crate) struct Both<A, B>(pub(crate) A, pub(crate) B);

impl<A: Named, B: DeserializeOwned> Both<A, B> {
    fn read(query: &str) -> Result<Both<A, B>, ApiError> {
        let all = form_urlencoded::parse(query.as_bytes());
        let (first, second): (Vec<_>, Vec<_>) =
            all.partition(|(name, _)| A::NAMES.contains(&&**name));
        Ok(Both(parameters(first.into_iter())?, parameters(second.into_iter())?))
    }
}

impl<A: Named, B: DeserializeOwned, S: Sync> FromRequestParts<S> for Both<A, B> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Both::read(parts.uri.query().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Own {
        within_s: Option<u64>,
    }

    #[test]
    fn each_part_is_as_strict_as_a_whole_query() {
        let table = [
            ("", "accepted"),
            ("limit=3&within_s=5&cursor=a%20b", "accepted"),
            ("limit=3&limit=4", "limit: must be sent once"),
            ("within_s=3&limit=4&within_s=3", "within_s: must be sent once"),
            ("limit=many", "limit: must be a whole number"),
            ("within_s=soon", "within_s: must be a whole number"),
            ("limits=3", "limits: unknown field"),
            ("cursor.a=3", "cursor.a: unknown field"),
        ];
        for (query, expected) in table {
            let read = Both::<PageParameters, Own>::read(query);
            let refusal =
                read.err().map_or("accepted".to_owned(), |error| error.detail.into_owned());
            assert_eq!(refusal, expected, "{query}");
        }
        let Both(page, own) = Both::<PageParameters, Own>::read("within_s=5&limit=3&cursor=a%20b")
            .unwrap_or_else(|error| panic!("{}", error.detail));
        assert_eq!((page.limit, page.cursor(), own.within_s), (Some(3), Some("a b"), Some(5)));
    }
}
