//! The import table: which crate may stand on which.
//!
//! Only direct, normal dependencies count. A test may use what it likes.

use std::path::Path;

use anyhow::Result;
use cargo_metadata::{Dependency, DependencyKind, Metadata};

use super::{Finding, read};

/// One line of the import table.
struct Row {
    /// The crate.
    name: &'static str,
    /// The crates of this workspace it must not import though they stand below it.
    never: &'static [&'static str],
    /// The outside crates it must not import.
    outside: &'static [Group],
    /// Features of outside crates that would bring in by the back door what `outside` keeps out.
    features: &'static [(&'static str, &'static [&'static str])],
}

/// Outside crates that are refused for the same reason.
struct Group {
    /// The crates by name.
    crates: &'static [&'static str],
    /// Why not, and where such code belongs.
    because: &'static str,
}

const ASYNC: Group = Group {
    crates: &["async-trait", "futures", "futures-util", "tokio", "tokio-stream", "tokio-util"],
    because: "this crate is plain functions; async code belongs in `ledger` and above",
};
const IO: Group = Group {
    crates: &["libc", "memmap2", "mio", "nix", "rustix", "socket2", "tempfile", "walkdir"],
    because: "this crate does no IO; take bytes as arguments and give bytes back",
};
const RANDOM: Group = Group {
    crates: &["fastrand", "getrandom", "rand", "rand_core"],
    because: "randomness comes from the edge; take it as an argument",
};
const CLOCK: Group = Group {
    crates: &["coarsetime", "quanta", "time"],
    because: "time comes from a `ledger::Clock`; take it as an argument",
};
const CHRONO: Group = Group {
    crates: &["chrono", "time"],
    because: "records are opaque here; time is the business of `ledger`",
};
const SLED: Group =
    Group { crates: &["sled"], because: "only `eventlog` knows the engine; go through its `Log`" };
const BINCODE: Group =
    Group { crates: &["bincode"], because: "only `ledger`'s `codec` knows the stored encoding" };
const HTTP: Group = Group {
    crates: &[
        "axum",
        "axum-extra",
        "http",
        "http-body",
        "http-body-util",
        "hyper",
        "hyper-util",
        "reqwest",
        "tower",
        "tower-http",
        "ureq",
        "utoipa",
    ],
    because: "only `server` knows HTTP; move that code there",
};
const SERVING: Group = Group {
    crates: &["axum", "axum-extra", "tower", "tower-http", "utoipa"],
    because: "this crate posts and answers nobody; that is the business of `server`",
};
const JSON: Group = Group {
    crates: &["serde_json"],
    because: "only `server` and `bundle` know JSON; move that code there",
};

/// The table, lowest first: a crate imports only from the lines above its own.
const TABLE: &[Row] = &[
    Row {
        name: "keys",
        never: &[],
        outside: &[ASYNC, IO, CLOCK, RANDOM, SLED, BINCODE, HTTP, JSON],
        features: &[
            ("chrono", &["clock", "default", "now"]),
            ("uuid", &["fast-rng", "rng", "rng-getrandom", "rng-rand", "v1", "v4", "v6", "v7"]),
        ],
    },
    Row {
        name: "tlog",
        never: &["keys"],
        outside: &[ASYNC, IO, SLED, BINCODE, HTTP, JSON],
        features: &[],
    },
    Row {
        name: "timestamp",
        never: &["keys", "tlog"],
        outside: &[ASYNC, IO, CLOCK, RANDOM, SLED, BINCODE, HTTP, JSON],
        features: &[("chrono", &["clock", "default", "now"])],
    },
    Row {
        name: "eventlog",
        never: &["keys"],
        outside: &[CHRONO, BINCODE, HTTP, JSON],
        features: &[],
    },
    Row {
        name: "signedlog",
        never: &["keys"],
        outside: &[CHRONO, RANDOM, SLED, BINCODE, HTTP, JSON],
        features: &[],
    },
    Row { name: "ledger", never: &[], outside: &[SLED, HTTP, JSON], features: &[] },
    Row {
        name: "bundle",
        never: &["eventlog"],
        outside: &[ASYNC, SLED, BINCODE, HTTP],
        features: &[],
    },
    Row {
        name: "delivery",
        never: &["keys", "tlog", "timestamp", "signedlog", "ledger", "bundle"],
        outside: &[CHRONO, SLED, BINCODE, SERVING],
        features: &[],
    },
    Row {
        name: "witness",
        never: &["keys", "signedlog", "ledger", "bundle", "delivery"],
        outside: &[CHRONO, SLED, BINCODE, JSON, RANDOM],
        features: &[],
    },
    Row { name: "server", never: &["witness"], outside: &[SLED, BINCODE], features: &[] },
    Row { name: "keyledger", never: &[], outside: &[], features: &[] },
];

/// Holds every crate under `crates/` against the table.
pub(super) fn check(metadata: &Metadata) -> Result<Vec<Finding>> {
    let root = &metadata.workspace_root;
    let members: Vec<&str> =
        metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let manifest = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
        if !manifest.starts_with("crates") {
            continue;
        }
        let text = read(package.manifest_path.as_std_path())?;
        for (name, what) in broken(&package.name, &package.dependencies, &members) {
            findings.push(Finding {
                path: Path::new(manifest).to_path_buf(),
                line: line_of(&text, &name),
                what,
            });
        }
    }
    Ok(findings)
}

/// What `name` imports and must not: the dependency and the sentence about it.
fn broken(name: &str, dependencies: &[Dependency], members: &[&str]) -> Vec<(String, String)> {
    let Some(place) = TABLE.iter().position(|row| row.name == name) else {
        let what = format!(
            "crate `{name}` is not in the import table; give it a row in tools/xtask/src/tidy/imports.rs"
        );
        return vec![("name".to_owned(), what)];
    };
    let (below, rest) = TABLE.split_at(place);
    let Some(row) = rest.first() else { return Vec::new() };
    let normal = dependencies.iter().filter(|one| one.kind == DependencyKind::Normal);
    let mut found = Vec::new();
    for one in normal {
        let dependency = one.name.as_str();
        let low = below.iter().any(|row| row.name == dependency);
        if row.never.contains(&dependency) || (members.contains(&dependency) && !low) {
            let why = "it must not know that crate; move the code to one that may know both";
            found.push((one.name.clone(), format!("`{name}` imports `{dependency}`: {why}")));
        }
        for group in row.outside.iter().filter(|group| group.crates.contains(&dependency)) {
            let why = group.because;
            found.push((one.name.clone(), format!("`{name}` imports `{dependency}`: {why}")));
        }
        for feature in unwanted(row, one) {
            let what = format!(
                "`{name}` turns on `{dependency}/{feature}`: it reads the clock or draws randomness; turn it off"
            );
            found.push((one.name.clone(), what));
        }
    }
    found
}

/// The features of `dependency` that `row` must not have.
fn unwanted<'a>(row: &Row, dependency: &'a Dependency) -> Vec<&'a str> {
    let listed = row.features.iter().filter(|(name, _)| *name == dependency.name);
    let default = dependency.uses_default_features.then_some("default");
    let on: Vec<&str> = dependency.features.iter().map(String::as_str).chain(default).collect();
    listed.flat_map(|(_, no)| on.iter().copied().filter(|one| no.contains(one))).collect()
}

/// The line of a manifest that names `dependency`, or the first.
fn line_of(manifest: &str, dependency: &str) -> usize {
    let names = |line: &str| {
        line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
    };
    manifest.lines().position(names).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dependency as `cargo metadata` writes it.
    fn dependency(name: &str, kind: Option<&str>, features: &[&str], default: bool) -> Dependency {
        let kind = kind.map_or("null".to_owned(), |kind| format!("\"{kind}\""));
        let text = format!(
            r#"{{"name":"{name}","source":null,"req":"*","kind":{kind},"rename":null,
                "optional":false,"uses_default_features":{default},"features":{features:?},
                "target":null,"registry":null}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn sentences(name: &str, dependencies: &[Dependency]) -> Vec<String> {
        let members =
            ["keys", "tlog", "eventlog", "signedlog", "ledger", "server", "keyledger", "xtask"];
        broken(name, dependencies, &members).into_iter().map(|(_, what)| what).collect()
    }

    fn imports(name: &str, dependency_name: &str) -> bool {
        sentences(name, &[dependency(dependency_name, None, &[], false)]).is_empty()
    }

    #[test]
    fn the_table_of_the_design_is_kept() {
        let forbidden = [
            ("keys", "tokio"),
            ("keys", "getrandom"),
            ("keys", "sled"),
            ("keys", "bincode"),
            ("keys", "axum"),
            ("keys", "eventlog"),
            ("tlog", "keys"),
            ("tlog", "tokio"),
            ("tlog", "sled"),
            ("tlog", "axum"),
            ("eventlog", "keys"),
            ("eventlog", "axum"),
            ("eventlog", "chrono"),
            ("signedlog", "keys"),
            ("signedlog", "axum"),
            ("signedlog", "serde_json"),
            ("signedlog", "ledger"),
            ("signedlog", "sled"),
            ("ledger", "axum"),
            ("ledger", "serde_json"),
            ("ledger", "http"),
            ("ledger", "server"),
            ("server", "sled"),
            ("server", "bincode"),
            ("server", "keyledger"),
            ("server", "xtask"),
        ];
        for (from, to) in forbidden {
            assert!(!imports(from, to), "{from} may import {to}");
        }
        let lawful = [
            ("keys", "serde"),
            ("eventlog", "sled"),
            ("ledger", "bincode"),
            ("ledger", "keys"),
            ("ledger", "tlog"),
            ("signedlog", "eventlog"),
            ("signedlog", "tlog"),
            ("ledger", "signedlog"),
            ("server", "axum"),
            ("server", "ledger"),
            ("keyledger", "server"),
        ];
        for (from, to) in lawful {
            assert!(imports(from, to), "{from} may not import {to}");
        }
    }

    #[test]
    fn a_test_may_import_what_it_likes() {
        assert!(sentences("eventlog", &[dependency("axum", Some("dev"), &[], true)]).is_empty());
    }

    #[test]
    fn keys_gets_no_clock_through_a_feature() {
        let plain = dependency("chrono", None, &["std"], false);
        assert!(sentences("keys", &[plain]).is_empty());
        let clock = dependency("chrono", None, &["std", "clock"], false);
        assert_eq!(
            sentences("keys", &[clock]),
            ["`keys` turns on `chrono/clock`: it reads the clock or draws randomness; turn it off"]
        );
        assert_eq!(sentences("keys", &[dependency("chrono", None, &[], true)]).len(), 1);
        assert_eq!(sentences("keys", &[dependency("uuid", None, &["v7"], false)]).len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_row() {
        let found = sentences("common", &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("not in the import table"), "{found:?}");
    }

    #[test]
    fn a_finding_names_the_line_of_the_manifest() {
        let manifest = "[dependencies]\nserde.workspace = true\nserde_json = \"1\"\n";
        assert_eq!(line_of(manifest, "serde_json"), 3);
        assert_eq!(line_of(manifest, "serde"), 2);
        assert_eq!(line_of(manifest, "absent"), 1);
    }
}
