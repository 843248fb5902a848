//! Version 2 of an entry of the access journal: equal readings in one entry, with their number.
//! Frozen: no field moves, no variant changes its place.

use keys::Invalid;
use serde::{Deserialize, Serialize};

use super::access_v1::AccessV1;
use super::error::DecodeError;
use super::interner::Interner;
use super::v1::moment;
use crate::record::access::Access;

#[derive(Serialize, Deserialize)]
pub(super) struct AccessV2<'a> {
    last_at: i64,
    count: u64,
    #[serde(borrow)]
    first: AccessV1<'a>,
}

impl<'a> AccessV2<'a> {
    pub(super) fn new(access: &'a Access) -> AccessV2<'a> {
        let Access { last_at, count, .. } = access;
        AccessV2 { last_at: last_at.micros(), count: *count, first: AccessV1::new(access) }
    }

    pub(super) fn into_access(self, interner: &mut Interner) -> Result<Access, DecodeError> {
        let access = self.first.into_access(interner)?;
        let last_at = moment(self.last_at)?;
        if self.count == 0 || last_at < access.at {
            return Err(
                Invalid::Malformed { expected: "a reading that ended after it began" }.into()
            );
        }
        Ok(Access { last_at, count: self.count, ..access })
    }
}
