//! What the native API may do with a key that a dialect made.
//!
//! A dialect has rules about who may make which key. The native rotation makes a key of the same
//! dialect, and enabling gives one back: neither is a way round those rules. What takes a key's
//! power away is always allowed.

use keys::{Dialect, Environment, Kind, NewKey};
use ledger::{Changes, Role, Roles};

use super::{capgo, composable, cumulative};
use crate::app::App;
use crate::auth::Plan;
use crate::error::{ApiError, Code};

/// What the dialects' rules ask of a caller.
#[derive(Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) roles: Roles,
    pub(crate) plan: Plan,
}

impl Holder {
    fn needs_plan(self, plan: Plan, dialect: Dialect) -> Result<(), ApiError> {
        if self.plan >= plan { Ok(()) } else { Err(refused(dialect, "a higher plan")) }
    }

    /// In composable, an owner counts as developer, who makes no keys.
    fn needs_admin(self, dialect: Dialect) -> Result<(), ApiError> {
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

/// Refuses to enable a key whose dialect would not do it for this caller.
pub(crate) fn may_enable(who: Holder, key: &NewKey) -> Result<(), ApiError> {
    match key.dialect {
        Dialect::Composable => who.needs_admin(key.dialect),
        // They have no such thing, and whoever may make a key may have it back.
        Dialect::Native
        | Dialect::Covosign
        | Dialect::Callcov
        | Dialect::Cloudsigma
        | Dialect::Capgo => Ok(()),
    }
}

/// Refuses a rotation into a key that the dialect would not make for this caller, and gives the new
/// one what follows from its role.
pub(crate) fn bind_rotation(
    app: &App,
    who: Holder,
    key: &NewKey,
    changes: &mut Changes,
) -> Result<(), ApiError> {
    let dialect = key.dialect;
    match dialect {
        // How many active keys callcov's users may have is decided in the ledger.
        Dialect::Native | Dialect::Callcov => Ok(()),
        Dialect::Covosign if key.environment == Environment::Sandbox => Ok(()),
        Dialect::Covosign => who.needs_plan(Plan::Enterprise, dialect),
        Dialect::Cloudsigma => {
            who.needs_plan(Plan::Pro, dialect)?;
            let most = app.config().cloudsigma_daily_limit;
            if changes.daily_limit.is_some_and(|limit| limit > most) {
                return Err(ApiError::field("daily_limit", format_args!("must be at most {most}")));
            }
            Ok(())
        }
        Dialect::Capgo => role(changes, &capgo::MODES, capgo::MODES.len()),
        Dialect::Composable => {
            who.needs_admin(dialect)?;
            let most = if key.kind == Kind::Public {
                composable::EXECUTOR + 1
            } else {
                composable::ROLES.len()
            };
            role(changes, &composable::ROLES, most)
        }
    }
}

/// The role is one of the first `most` words, and the permissions follow from it.
fn role(changes: &mut Changes, words: &[&str], most: usize) -> Result<(), ApiError> {
    if changes.permissions.is_some() {
        return Err(ApiError::field(
            "permissions",
            "follow from the role for a key of this dialect",
        ));
    }
    let Some(role) = &changes.role else { return Ok(()) };
    let allowed = words.get(..most).unwrap_or_default();
    let place = allowed.iter().position(|word| *word == role.as_str()).ok_or_else(|| {
        ApiError::field("role", format_args!("must be one of: {}", allowed.join(" ")))
    })?;
    changes.permissions = Some(cumulative(words, place)?);
    Ok(())
}
