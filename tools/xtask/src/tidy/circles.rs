//! Circles of files: within a crate, no file may import from a file that imports from it, directly
//! or through others.
//!
//! An import counts to the file that defines the name, so a module that only re-exports
//! (`pub use`) neither hides a circle nor makes one. A module and its descendants may import from
//! each other. Siblings may not, and not through their parent either.

mod modules;
mod resolve;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cargo_metadata::{Metadata, Package, TargetKind};

use self::modules::{Crate, ReadFile};
use super::Finding;

/// The circles of every crate, one for each group of files that import from each other.
pub(super) fn check(metadata: &Metadata) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        for graph in graphs(metadata, package)? {
            findings.extend(graph.findings());
        }
    }
    Ok(findings)
}

/// Prints every circle of one crate: for each import that is on one, the shortest.
pub(super) fn list(metadata: &Metadata, name: &str) -> Result<()> {
    let Some(package) = metadata.packages.iter().find(|package| package.name == name) else {
        bail!("there is no crate `{name}`");
    };
    for graph in graphs(metadata, package)? {
        let circles = graph.circles();
        let mut count: BTreeMap<Edge, usize> = BTreeMap::new();
        for circle in &circles {
            println!("{}\n", graph.describe(circle));
            for edge in circle {
                *count.entry(*edge).or_default() += 1;
            }
        }
        let mut often: Vec<(Edge, usize)> =
            count.into_iter().filter(|(_, count)| *count > 1).collect();
        often.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (edge, count) in often {
            println!("on {count} circles: {}", graph.import(edge));
        }
        let groups = groups(&circles);
        let files: usize = groups.iter().map(|group| group.files.len()).sum();
        println!(
            "{name}: {} circles in {} groups of {files} files together",
            circles.len(),
            groups.len()
        );
    }
    Ok(())
}

/// The files of a package and their imports: of its library, and of each program.
fn graphs(metadata: &Metadata, package: &Package) -> Result<Vec<Graph>> {
    let root = metadata.workspace_root.as_std_path();
    let read = |path: &Path| std::fs::read_to_string(root.join(path)).ok();
    let code = package.targets.iter().filter(|target| {
        target.kind.iter().any(|kind| matches!(kind, TargetKind::Lib | TargetKind::Bin))
    });
    let graph = |target: &cargo_metadata::Target| {
        let path = target.src_path.as_std_path();
        Graph::read(path.strip_prefix(root).unwrap_or(path), &read)
    };
    code.map(graph).collect()
}

/// From the file that imports to the one that defines, by their places.
type Edge = (usize, usize);

/// The first import from one file to another.
struct Import {
    line: usize,
    name: String,
}

/// The files of a crate and who imports from whom.
struct Graph {
    files: Crate,
    imports: BTreeMap<Edge, Import>,
}

/// Files that import from each other.
struct Group {
    files: BTreeSet<usize>,
    /// The shortest circle among them.
    circle: Vec<Edge>,
}

/// Puts circles that share a file into one group. The shortest come first.
fn groups(circles: &[Vec<Edge>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for circle in circles {
        let mut files: BTreeSet<usize> = circle.iter().map(|(file, _)| *file).collect();
        let mut shortest = circle.clone();
        let (touched, rest): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| !group.files.is_disjoint(&files));
        groups = rest;
        for group in touched {
            files.extend(group.files);
            if group.circle.len() <= shortest.len() {
                shortest = group.circle;
            }
        }
        groups.push(Group { files, circle: shortest });
    }
    groups
}

impl Graph {
    fn read(root: &Path, read: ReadFile<'_>) -> Result<Graph> {
        let crate_ = Crate::read(root, read)?;
        let mut imports = BTreeMap::new();
        for reference in &crate_.references {
            let Some(from) = crate_.modules.get(reference.module).map(|module| module.file) else {
                continue;
            };
            for to in crate_.definers(reference) {
                let import = Import { line: reference.line, name: reference.path.join("::") };
                if to != from {
                    imports.entry((from, to)).or_insert(import);
                }
            }
        }
        Ok(Graph { files: crate_, imports })
    }

    /// For every import between files of which neither is above the other, the shortest circle that
    /// it is on, if any; each circle once, the shortest first.
    fn circles(&self) -> Vec<Vec<Edge>> {
        let mut circles = BTreeSet::new();
        for &(from, to) in self.imports.keys() {
            if self.in_one_line(from, to) {
                continue;
            }
            if let Some(mut circle) = self.way(to, from) {
                circle.push((from, to));
                let least = circle.iter().enumerate().min_by_key(|(_, edge)| **edge);
                let least = least.map_or(0, |(place, _)| place);
                circle.rotate_left(least);
                circles.insert((circle.len(), circle));
            }
        }
        circles.into_iter().map(|(_, circle)| circle).collect()
    }

    /// Whether one of the two files is a module around the other.
    fn in_one_line(&self, one: usize, other: usize) -> bool {
        let module = |file: usize| self.files.files.get(file).map_or(0, |file| file.module);
        let (one, other) = (module(one), module(other));
        self.files.is_above(one, other) || self.files.is_above(other, one)
    }

    /// The shortest way along imports.
    fn way(&self, from: usize, to: usize) -> Option<Vec<Edge>> {
        let mut before: BTreeMap<usize, usize> = BTreeMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(file) = queue.pop_front() {
            if file == to {
                let mut way = Vec::new();
                let mut at = to;
                while at != from {
                    let previous = *before.get(&at)?;
                    way.push((previous, at));
                    at = previous;
                }
                way.reverse();
                return Some(way);
            }
            for &(_, next) in self.imports.range((file, 0)..=(file, usize::MAX)).map(|one| one.0) {
                if next != from && !before.contains_key(&next) {
                    before.insert(next, file);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn findings(&self) -> Vec<Finding> {
        let finding = |group: Group| {
            let edge = group.circle.first().copied().unwrap_or_default();
            let line = self.imports.get(&edge).map_or(1, |import| import.line);
            let others = match group.files.len() - group.circle.len() {
                0 => String::new(),
                more => format!(" (and {more} more files)"),
            };
            let what = format!(
                "a circle of files{others}: move what they share into a file below them, or the \
                 code that joins them into one above; `cargo xtask tidy --circles CRATE` lists all\
                 \n{}",
                self.describe(&group.circle)
            );
            Finding { path: self.path(edge.0), line, what }
        };
        groups(&self.circles()).into_iter().map(finding).collect()
    }

    fn path(&self, file: usize) -> PathBuf {
        self.files.files.get(file).map_or_else(PathBuf::new, |file| file.path.clone())
    }

    fn describe(&self, circle: &[Edge]) -> String {
        let line = |edge: &Edge| format!("    {}", self.import(*edge));
        circle.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// `a.rs:3 imports b::C from b.rs`.
    fn import(&self, edge: Edge) -> String {
        let (line, name) =
            self.imports.get(&edge).map_or((1, ""), |import| (import.line, &import.name));
        let (from, to) = (self.path(edge.0), self.path(edge.1));
        format!("{}:{line} imports {name} from {}", from.display(), to.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a small crate, by the names of the files on each.
    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let read = |path: &Path| {
            let text = files.iter().find(|(name, _)| Path::new(name) == path);
            text.map(|(_, text)| (*text).to_owned())
        };
        let graph = Graph::read(Path::new("lib.rs"), &read).unwrap();
        let names = |circle: &Vec<Edge>| {
            let name = |edge: &Edge| graph.path(edge.0).display().to_string();
            circle.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        graph.circles().iter().map(names).collect()
    }

    const ABC: (&str, &str) = ("lib.rs", "mod a;\nmod b;\nmod c;\n");
    const NONE: [&str; 0] = [];

    #[test]
    fn files_that_import_downwards_are_in_order() {
        let a = ("a.rs", "use crate::b::B;\npub struct A(B, crate::c::C);\n");
        let b = ("b.rs", "use super::c;\npub struct B(c::C);\n");
        assert_eq!(circles(&[ABC, a, b, ("c.rs", "pub struct C;\n")]), NONE);
    }

    #[test]
    fn two_files_that_import_each_other_are_a_circle() {
        let a = ("a.rs", "use crate::b::B;\npub struct A(B);\n");
        for b in [
            "use crate::a::A;\npub struct B;\n",
            "use super::a::{self};\npub struct B(a::A);\n",
            "use crate::{a::A as Other};\npub struct B;\n",
            "pub struct B;\nfn f() { super::a::A::new(); }\n",
            "pub struct B;\nfn f() { use crate::a::A; }\n",
            "pub struct B;\nimpl From<crate::a::A> for B {}\n",
            "pub struct B;\nfn f() { assert!(x == crate::a::A::X); }\n",
            "mod inner { use super::super::a::A; }\npub struct B;\n",
        ] {
            let found = circles(&[ABC, a, ("b.rs", b), ("c.rs", "")]);
            assert_eq!(found, ["a.rs b.rs"], "{b}");
        }
    }

    #[test]
    fn a_longer_circle_is_found_whole() {
        let a = ("a.rs", "use crate::b::B;\npub struct A;\n");
        let b = ("b.rs", "use crate::c::C;\npub struct B;\n");
        let c = ("c.rs", "use crate::a::A;\npub struct C;\n");
        assert_eq!(circles(&[ABC, a, b, c]), ["a.rs b.rs c.rs"]);
    }

    #[test]
    fn a_module_that_hands_names_on_neither_makes_a_circle_nor_hides_one() {
        let root = "mod a;\nmod b;\npub use a::{A, one};\npub(crate) use b::*;\n";
        let a = ("a.rs", "use crate::B;\npub struct A;\npub fn one() {}\n");
        let lone = [("lib.rs", root), a, ("b.rs", "pub struct B;\n")];
        assert_eq!(circles(&lone), NONE);
        for b in ["use crate::A;\npub struct B;\n", "pub struct B;\nfn f() { crate::one() }\n"] {
            assert_eq!(circles(&[("lib.rs", root), a, ("b.rs", b)]), ["a.rs b.rs"], "{b}");
        }
    }

    #[test]
    fn a_module_and_those_below_it_may_import_from_each_other() {
        let root = ("lib.rs", "mod a;\npub struct Root;\nfn f() -> a::A {}\n");
        let a = ("a.rs", "mod below;\npub struct A(below::Below);\n");
        let below = ("a/below.rs", "use super::A;\nuse crate::Root;\npub struct Below;\n");
        assert_eq!(circles(&[root, a, below]), NONE);
    }

    #[test]
    fn what_is_side_by_side_may_not_even_through_the_module_above() {
        let root = ("lib.rs", "mod a;\nmod b;\npub struct App(a::A, b::B);\n");
        let a = ("a.rs", "use crate::b::B;\npub struct A;\n");
        let b = ("b.rs", "use crate::App;\npub struct B;\n");
        assert_eq!(circles(&[root, a, b]), ["lib.rs a.rs b.rs"]);
    }

    #[test]
    fn tests_are_not_looked_at() {
        let a = ("a.rs", "use crate::b::B;\npub struct A;\n");
        let b = "#[cfg(test)]\nmod tests { use crate::a::A; }\n#[cfg(all(test, unix))]\nuse \
                 crate::a::A;\n#[cfg(test)]\nmod missing;\npub struct B;\nfn f() { #[cfg(test)] if x { \
                 crate::a::A::new(); } }\n";
        assert_eq!(circles(&[ABC, a, ("b.rs", b), ("c.rs", "")]), NONE);
    }

    #[test]
    fn a_name_that_a_macro_makes_is_of_the_file_where_it_does() {
        let a = ("a.rs", "use crate::b::Made;\npub struct A;\n");
        let b = ("b.rs", "words! { pub struct Made; }\nfn f(a: crate::a::A) {}\n");
        let c = ("c.rs", "");
        assert_eq!(circles(&[ABC, a, b, c]), ["a.rs b.rs"]);
    }

    #[test]
    fn a_macro_of_a_module_above_is_found_from_below() {
        let root = ("lib.rs", "mod a;\n");
        let a = ("a.rs", "macro_rules! made { () => {} }\nmod b;\nmod c;\n");
        let b = ("a/b.rs", "made!();\nuse super::c::C;\n");
        let c = ("a/c.rs", "pub struct C;\nfn f() { super::b::g() }\n");
        assert_eq!(circles(&[root, a, b, c]), ["a/b.rs a/c.rs"]);
    }

    #[test]
    fn another_crate_of_the_same_name_is_another_crate() {
        let a = ("a.rs", "use b::b::B;\nuse std::c;\npub struct A;\n");
        let b = ("b.rs", "use crate::a::A;\n");
        assert_eq!(circles(&[ABC, a, b, ("c.rs", "use crate::a::A;\n")]), NONE);
    }

    #[test]
    fn one_group_is_one_finding_with_an_import_for_each_step() {
        let read = |path: &Path| {
            let text = match path.to_str()? {
                "lib.rs" => "mod a;\nmod b;\nmod c;\n",
                "a.rs" => "use crate::b::B;\nuse crate::c::C;\npub struct A;\n",
                "b.rs" => "//! B.\nuse crate::a::A;\npub struct B;\n",
                "c.rs" => "use crate::a::A;\npub struct C;\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let findings = Graph::read(Path::new("lib.rs"), &read).unwrap().findings();
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.path, Path::new("a.rs"));
        let lines: Vec<&str> = finding.what.lines().collect();
        assert!(lines[0].starts_with("a circle of files (and 1 more files"), "{lines:?}");
        let steps = [
            "    a.rs:1 imports crate::b::B from b.rs",
            "    b.rs:2 imports crate::a::A from a.rs",
        ];
        assert_eq!(lines[1..], steps);
    }
}
