//! Every file of the corpus, given to its target. What a fuzzer once found stays found.

use std::fs;
use std::path::{Path, PathBuf};

/// What is in a folder, in order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let path = |entry: std::io::Result<fs::DirEntry>| entry.map(|entry| entry.path());
    let found = fs::read_dir(folder).and_then(|entries| entries.map(path).collect());
    let mut found: Vec<PathBuf> =
        found.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    found.sort();
    found
}

#[test]
fn every_target_takes_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in fuzz::TARGETS {
        let files = entries(&corpus.join(name));
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            // A panic's message does not know the input.
            println!("{}", file.display());
            target(&fs::read(file).unwrap());
        }
    }
}

#[test]
fn every_target_has_its_folder_and_its_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| -> Vec<String> {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        entries(&root.join(folder)).into_iter().map(stem).collect()
    };
    let targets: Vec<String> = fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("fuzz_targets"), targets);
}
