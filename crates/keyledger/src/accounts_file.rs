//! The file with the rules of accounts, `accounts.toml`: a table for each account, and one named `*`
//! for all others.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::Arc;

use keys::{
    Account, AccountRules, Invalid, KeyRole, Permission, Roles, RulesByAccount, SecretPrefix,
    covers,
};
use serde::de::{Deserialize, Deserializer, Error as _};

use crate::option_values::duration;

/// The longest life that can be set: a century and a bit, as of a key's own `ttl_s`.
const MOST_TTL_S: u64 = 4_000_000_000;
/// The most characters of a list of permissions: it stands in every record that is judged by it.
const MOST_CHARACTERS: usize = 2_000;

/// Why a file is not one with the rules of accounts.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Wrong {
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
    why: String,
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.why)
    }
}

/// Reads the rules.
///
/// # Errors
///
/// [`Wrong`] names the first place that is wrong.
pub(crate) fn parse(bytes: &[u8]) -> Result<RulesByAccount, Wrong> {
    let text = str::from_utf8(bytes).map_err(|error| Wrong {
        place: Some(place(bytes, error.valid_up_to())),
        why: "it is not UTF-8".to_owned(),
    })?;
    let tables: BTreeMap<Parsed<Name>, Table> = toml::from_str(text).map_err(|error| Wrong {
        place: error.span().map(|span| place(bytes, span.start)),
        why: error.message().replace('\n', " "),
    })?;
    let mut all = RulesByAccount::default();
    for (Parsed(name), Table(rules)) in tables {
        match name {
            Name::Others => all.others = Some(rules),
            Name::One(account) => drop(all.named.insert(account, rules)),
        }
    }
    Ok(all)
}

/// The line and the column of a place, from 1.
fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = bytes.get(..at).unwrap_or(bytes);
    let lines = || before.split(|byte| *byte == b'\n');
    let last = lines().next_back().unwrap_or_default();
    (lines().count(), String::from_utf8_lossy(last).chars().count() + 1)
}

/// What a table is named after.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    One(Account),
    /// `*`
    Others,
}

impl FromStr for Name {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Name, Invalid> {
        if text == "*" { Ok(Name::Others) } else { Account::new(text).map(Name::One) }
    }
}

/// The rules of one table, which go together.
#[derive(serde::Deserialize)]
#[serde(try_from = "Fields")]
struct Table(AccountRules);

/// One table as it is written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with the rules of an account")]
struct Fields {
    max_ttl: Option<Parsed<Ttl>>,
    #[serde(default)]
    require_expiry: bool,
    max_active_keys: Option<u64>,
    secret_prefix: Option<Parsed<SecretPrefix>>,
    permissions: Option<Vec<Parsed<Allowed>>>,
    roles: Option<BTreeMap<Parsed<KeyRole>, Vec<Parsed<Permission>>>>,
}

impl TryFrom<Fields> for Table {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Table, String> {
        let Fields { max_ttl, require_expiry, max_active_keys, secret_prefix, permissions, roles } =
            fields;
        let permissions = permissions.map(|all| all.into_iter().map(|Parsed(Allowed(one))| one));
        let permissions = permissions.map(|all| list("permissions", all.collect())).transpose()?;
        let give = |(Parsed(role), all): (Parsed<KeyRole>, Vec<Parsed<Permission>>)| {
            let given = all.into_iter().map(|Parsed(one)| one).collect();
            let given = list(&format!("the role `{role}`"), given)?;
            let allowed = permissions.as_deref();
            let beyond = given.iter().find(|one| allowed.is_some_and(|all| !covers(all, one)));
            match beyond {
                Some(one) => Err(format!(
                    "the role `{role}` gives `{one}`, which the permissions of the account do not \
                     cover"
                )),
                None => Ok((role, given)),
            }
        };
        let roles = roles.map(|all| all.into_iter().map(give).collect::<Result<Roles, String>>());
        Ok(Table(AccountRules {
            max_ttl_s: max_ttl.map(|Parsed(Ttl(seconds))| seconds),
            require_expiry,
            max_active_keys,
            secret_prefix: secret_prefix.map(|Parsed(word)| word),
            permissions: permissions.clone(),
            roles: roles.transpose()?.map(Arc::new),
        }))
    }
}

/// A list of permissions that fits a record.
fn list(what: &str, all: Vec<Permission>) -> Result<Arc<[Permission]>, String> {
    if all.len() > Permission::MAX_PER_KEY {
        return Err(format!("{what}: at most {} permissions", Permission::MAX_PER_KEY));
    }
    let characters: usize = all.iter().map(|one| one.as_str().len()).sum();
    if characters > MOST_CHARACTERS {
        return Err(format!("{what}: at most {MOST_CHARACTERS} characters together"));
    }
    Ok(all.into())
}

/// How many seconds a key may live.
struct Ttl(u64);

impl FromStr for Ttl {
    type Err = String;

    fn from_str(text: &str) -> Result<Ttl, String> {
        match duration(text)?.as_secs() {
            seconds @ 1..=MOST_TTL_S => Ok(Ttl(seconds)),
            _ => Err(format!("must be from 1s to {MOST_TTL_S}s")),
        }
    }
}

/// A permission that a key may have: also one that only keys of dialects have, in one word.
struct Allowed(Permission);

impl FromStr for Allowed {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Allowed, Invalid> {
        Permission::new(text).map(Allowed)
    }
}

/// A text that was checked where it stands, so that an error names its place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Parsed<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parsed<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = |why| D::Error::custom(format_args!("`{text}`: {why}"));
        text.parse().map(Parsed).map_err(wrong)
    }
}

#[cfg(test)]
#[path = "accounts_file_tests.rs"]
mod tests;
