//! From a path to the file that defines what it names. Re-exports (`pub use`) are followed.

use super::modules::{Crate, Meaning, Reference};

/// How many `use` a name may lead through.
const DEPTH: usize = 32;

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Module(usize),
    /// An item that this file defines, or something below it.
    Item(usize),
}

impl Crate {
    /// The files that define what `reference` names; none for what another crate defines.
    pub(super) fn definers(&self, reference: &Reference) -> Vec<usize> {
        let mut targets = self.path(reference.module, &reference.path, 0);
        if reference.is_macro && reference.path.len() == 1 {
            let mut around = self.parent(reference.module);
            while let (true, Some(module)) = (targets.is_empty(), around) {
                targets = self.path(module, &reference.path, 0);
                around = self.parent(module);
            }
        }
        let item = |target: &Target| match target {
            Target::Item(file) => Some(*file),
            Target::Module(_) => None,
        };
        targets.iter().filter_map(item).collect()
    }

    /// Whether `upper` is a module around `lower`.
    pub(super) fn is_above(&self, upper: usize, lower: usize) -> bool {
        let mut around = self.parent(lower);
        while let Some(module) = around {
            if module == upper {
                return true;
            }
            around = self.parent(module);
        }
        false
    }

    fn parent(&self, module: usize) -> Option<usize> {
        self.modules.get(module).and_then(|module| module.parent)
    }

    fn path(&self, module: usize, path: &[String], depth: usize) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        if depth > DEPTH {
            return Vec::new();
        }
        let targets = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(module)],
            "super" => self.parent(module).map(Target::Module).into_iter().collect(),
            name => self.name(module, name, depth),
        };
        self.walk(targets, rest, depth)
    }

    /// Like [`Crate::path`] for one that begins with a module of `module` itself.
    fn below(&self, module: usize, path: &[String], depth: usize) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let meanings = self.modules.get(module).and_then(|here| here.names.get(first));
        let below = |meaning: &Meaning| match meaning {
            Meaning::Module(below) => Some(Target::Module(*below)),
            Meaning::Item | Meaning::Import(_) => None,
        };
        let targets = meanings.into_iter().flatten().filter_map(below).collect();
        if rest.is_empty() { targets } else { self.walk(targets, rest, depth) }
    }

    /// Follows `names` from `targets` on.
    fn walk(&self, mut targets: Vec<Target>, names: &[String], depth: usize) -> Vec<Target> {
        for name in names {
            if targets.iter().any(|target| matches!(target, Target::Module(_))) {
                targets.retain(|target| matches!(target, Target::Module(_)));
            }
            targets = targets.iter().flat_map(|target| self.within(*target, name, depth)).collect();
        }
        targets
    }

    /// What `name` is within `target`.
    fn within(&self, target: Target, name: &str, depth: usize) -> Vec<Target> {
        let Target::Module(module) = target else { return vec![target] };
        if name == "super" {
            return self.parent(module).map(Target::Module).into_iter().collect();
        }
        let found = self.name(module, name, depth);
        if !found.is_empty() {
            return found;
        }
        // A name that the module imports from another crate has no file here. A name that the module
        // does not have at all is made by a macro in its file.
        match self.modules.get(module) {
            Some(module) if !module.names.contains_key(name) => vec![Target::Item(module.file)],
            Some(_) | None => Vec::new(),
        }
    }

    /// What `name` means in a module.
    fn name(&self, module: usize, name: &str, depth: usize) -> Vec<Target> {
        let Some(here) = self.modules.get(module) else { return Vec::new() };
        if depth > DEPTH {
            return Vec::new();
        }
        if let Some(meanings) = here.names.get(name) {
            let target = |meaning: &Meaning| match meaning {
                Meaning::Module(below) => vec![Target::Module(*below)],
                Meaning::Item => vec![Target::Item(here.file)],
                // In `use x::x` the first name cannot be what the `use` gives: it is a module here,
                // or another crate.
                Meaning::Import(path) if path.first().is_some_and(|first| first == name) => {
                    self.below(module, path, depth)
                }
                Meaning::Import(path) => self.path(module, path, depth + 1),
            };
            return meanings.iter().flat_map(target).collect();
        }
        let from_glob = |glob: &Vec<String>| {
            let into = |target: Target| match target {
                Target::Module(other) if other != module => self.name(other, name, depth + 1),
                Target::Module(_) | Target::Item(_) => Vec::new(),
            };
            self.path(module, glob, depth + 1).into_iter().flat_map(into).collect::<Vec<_>>()
        };
        here.globs.iter().flat_map(from_glob).collect()
    }
}
