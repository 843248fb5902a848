//! Equal values of many keys, kept once: a million keys have few accounts, roles and permissions.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashSet;
use keys::{NewKey, Permission, Project, Role, Subject};

/// The most values of one kind that are kept; more are not shared.
const MOST: usize = 10_000;

/// The values seen so far.
#[derive(Default)]
pub(crate) struct Pool {
    owners: HashSet<Subject>,
    roles: HashSet<Role>,
    projects: HashSet<Project>,
    permissions: HashSet<Arc<[Permission]>>,
}

impl Pool {
    /// Lets `key` share what other keys have too.
    pub(crate) fn share(&mut self, key: &mut NewKey) {
        one(&mut self.owners, &mut key.owner);
        if let Some(role) = &mut key.role {
            one(&mut self.roles, role);
        }
        if let Some(project) = &mut key.project {
            one(&mut self.projects, project);
        }
        one(&mut self.permissions, &mut key.permissions);
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
}

fn one<T: Clone + Eq + Hash>(known: &mut HashSet<T>, value: &mut T) {
    match known.get(value) {
        Some(shared) => *value = shared.clone(),
        None if known.len() < MOST => {
            known.insert(value.clone());
        }
        None => {}
    }
}
