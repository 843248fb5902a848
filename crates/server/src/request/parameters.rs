//! The query of a route that has no parameters.

use serde::Deserialize;

/// No parameters: any is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}
