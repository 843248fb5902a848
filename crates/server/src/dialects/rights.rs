//! What a caller of the native API may do with the keys of dialects.

use keys::Dialect;
use ledger::{Role, Roles};

use crate::auth::Plan;
use crate::error::{ApiError, Code};

/// What the rules of dialects depend on, of a caller.
#[derive(Clone, Copy)]
pub(crate) struct Rights {
    pub(crate) roles: Roles,
    pub(crate) plan: Plan,
}

impl Rights {
    pub(super) fn needs_plan(self, plan: Plan, dialect: Dialect) -> Result<(), ApiError> {
        if self.plan >= plan { Ok(()) } else { Err(refused(dialect, "a higher plan")) }
    }

    /// A user is not enough: the key would see more of the account than whoever has it.
    pub(super) fn needs_owner(self, dialect: Dialect) -> Result<(), ApiError> {
        if self.roles.any(&[Role::Owner, Role::Admin]) {
            Ok(())
        } else {
            Err(refused(dialect, "the role owner or admin"))
        }
    }

    /// An owner is not enough.
    pub(super) fn needs_admin(self, dialect: Dialect) -> Result<(), ApiError> {
        if self.roles.any(&[Role::Admin]) {
            Ok(())
        } else {
            Err(refused(dialect, "the role admin"))
        }
    }
}

fn refused(dialect: Dialect, needed: &str) -> ApiError {
    let detail = format!("keys of {dialect} need {needed} for this, as in {dialect}'s own API");
    ApiError::new(Code::Forbidden, detail)
}
