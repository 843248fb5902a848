//! Bundles that earlier versions made.

use std::path::Path;

use crate::audit::{both, with};

/// What auditors have from before stays good, and says no more than it did.
#[test]
fn bundles_of_the_first_version_are_read() {
    let old = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/version-1"));
    let key = std::fs::read_to_string(old.join("key")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, says) in [
        ("whole", "good: every record"),
        ("account", "good, but partial"),
        ("span", "good, but partial"),
    ] {
        let packed = std::fs::File::open(old.join(format!("{name}.tar.gz"))).unwrap();
        let bundle = folder.path().join(name);
        let mut unpacked = std::fs::File::create(&bundle).unwrap();
        std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut unpacked).unwrap();
        for output in both(&bundle, key.trim(), 0) {
            assert!(output.contains(says), "{output}");
        }
        // Its last word is its last record.
        for (code, output) in with(&bundle, key.trim(), &["--max-age", "1s"]) {
            assert_eq!(code, 13, "{output}");
        }
    }
}
