//! Equal values of many keys, stored once: a million keys have few accounts, roles and permissions.
//! What is found here was checked when it came in, and is not checked again.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::{Equivalent, HashSet};
use keys::{Account, Invalid, KeyRole, NewKey, NodeName, Permission, Project, Subject};

/// The most values of one kind that are shared; more are not.
const MOST: usize = 100_000;

/// The values seen so far.
#[derive(Default)]
pub(crate) struct Pool {
    accounts: HashSet<Account>,
    subjects: HashSet<Subject>,
    roles: HashSet<KeyRole>,
    projects: HashSet<Project>,
    nodes: HashSet<NodeName>,
    permissions: HashSet<Arc<[Permission]>>,
}

impl Pool {
    /// Lets `key` share what other keys have too, but for its permissions.
    pub(crate) fn share(&mut self, key: &mut NewKey) {
        one(&mut self.subjects, &mut key.owner);
        if let Some(role) = &mut key.role {
            one(&mut self.roles, role);
        }
        if let Some(project) = &mut key.project {
            one(&mut self.projects, project);
        }
    }

    /// Drops a subject, who was erased.
    pub(crate) fn erase(&mut self, subject: &Subject) {
        self.subjects.remove(subject);
    }

    /// The shared account of that name.
    pub(crate) fn account(&mut self, text: &str) -> Result<Account, Invalid> {
        read(&mut self.accounts, text, Account::stored)
    }

    /// The shared subject of that name.
    pub(crate) fn subject(&mut self, text: &str) -> Result<Subject, Invalid> {
        read(&mut self.subjects, text, Subject::stored)
    }

    /// The shared role of that name.
    pub(crate) fn role(&mut self, text: &str) -> Result<KeyRole, Invalid> {
        read(&mut self.roles, text, KeyRole::stored)
    }

    /// The shared project of that name.
    pub(crate) fn project(&mut self, text: &str) -> Result<Project, Invalid> {
        read(&mut self.projects, text, Project::stored)
    }

    /// The shared node of that name.
    pub(crate) fn node(&mut self, text: &str) -> Result<NodeName, Invalid> {
        read(&mut self.nodes, text, NodeName::stored)
    }

    /// The shared list of these permissions.
    pub(crate) fn permissions(&mut self, permissions: &[Permission]) -> Arc<[Permission]> {
        if let Some(shared) = self.permissions.get(permissions) {
            return Arc::clone(shared);
        }
        let mut made = permissions.into();
        one(&mut self.permissions, &mut made);
        made
    }

    /// The shared list of the permissions with these texts.
    pub(crate) fn permissions_of(&mut self, texts: &[&str]) -> Result<Arc<[Permission]>, Invalid> {
        if let Some(shared) = self.permissions.get(&Texts(texts)) {
            return Ok(Arc::clone(shared));
        }
        let made: Vec<_> =
            texts.iter().map(|text| Permission::new(text)).collect::<Result<_, _>>()?;
        Ok(self.permissions(&made))
    }
}

/// The texts of a list of permissions, which is found by them.
#[derive(Hash)]
struct Texts<'a>(&'a [&'a str]);

impl Equivalent<Arc<[Permission]>> for Texts<'_> {
    fn equivalent(&self, list: &Arc<[Permission]>) -> bool {
        list.iter().map(Permission::as_str).eq(self.0.iter().copied())
    }
}

fn read<T>(
    values: &mut HashSet<T>,
    text: &str,
    stored: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<T, Invalid>
where
    T: Borrow<str> + Clone + Eq + Hash,
{
    if let Some(shared) = values.get(text) {
        return Ok(shared.clone());
    }
    let mut made = stored(text)?;
    one(values, &mut made);
    Ok(made)
}

fn one<T: Clone + Eq + Hash>(values: &mut HashSet<T>, value: &mut T) {
    match values.get(value) {
        Some(shared) => *value = shared.clone(),
        None if values.len() < MOST => {
            values.insert(value.clone());
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_permissions_is_found_by_its_texts() {
        let mut pool = Pool::default();
        for texts in [&["orders.read", "orders.*"][..], &["*"], &[]] {
            let made = pool.permissions_of(texts).unwrap();
            assert!(made.iter().map(Permission::as_str).eq(texts.iter().copied()));
            assert!(Arc::ptr_eq(&made, &pool.permissions_of(texts).unwrap()));
            assert!(Arc::ptr_eq(&made, &pool.permissions(&made)));
        }
        assert!(pool.permissions_of(&["a b"]).is_err());
    }
}
