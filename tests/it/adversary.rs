//! An adversary who has the log's own key: hundreds of forged bundles, each of which both verifiers
//! give the verdict that is written down.
//!
//! What is forged, and the exit code that it deserves, stands in `tests/it/audit/forge_*.py`; what the
//! two say of it is in `tests/it/audit/verdicts.txt`.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;

use expect_test::expect_file;
use serde::Deserialize;

use crate::audit::{VERIFIER, export, live, python};
use crate::support::{Service, keyledger};

const ADVERSARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/adversary.py");
const VERIFY_ALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/audit/verify_all.py");

/// A forged bundle.
#[derive(Deserialize)]
struct Forgery {
    name: String,
    /// How a verifier must end.
    code: i32,
    /// What it is called with.
    arguments: Vec<String>,
}

/// How one ended, and what it printed.
#[derive(Deserialize)]
struct Verdict {
    code: i32,
    output: String,
}

fn parse<'l, T: Deserialize<'l>>(lines: &'l str) -> Vec<T> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ours(forgeries: &[Forgery]) -> Vec<Verdict> {
    let one = |forgery: &Forgery| {
        let arguments: Vec<&str> = forgery.arguments.iter().map(String::as_str).collect();
        let ended = keyledger(&["audit", "verify"]).with(&arguments).run();
        Verdict { code: ended.code.unwrap(), output: ended.out + &ended.err }
    };
    thread::scope(|scope| {
        let halves = forgeries.chunks(forgeries.len().div_ceil(2));
        let halves: Vec<_> =
            halves.map(|half| scope.spawn(move || half.iter().map(one).collect())).collect();
        let verdicts = halves.into_iter().map(|half| half.join().unwrap());
        verdicts.collect::<Vec<Vec<Verdict>>>().into_iter().flatten().collect()
    })
}

/// The other verifier, which checks all of them in one process.
fn theirs(lines: &str, folder: &Path) -> Vec<Verdict> {
    let list = folder.join("list");
    std::fs::write(&list, lines).unwrap();
    let (code, output) = python(VERIFY_ALL, &[VERIFIER, list.to_str().unwrap()]);
    assert_eq!(code, 0, "{output}");
    parse(&output)
}

/// The sentence of a verdict, without what is another one each time: keys, hashes, times, places.
fn sentence(verdict: &Verdict) -> String {
    if verdict.code == 0 {
        return "good".to_owned();
    }
    let mut masked = String::new();
    let line = verdict.output.lines().rfind(|line| line.contains(": ")).unwrap_or_default();
    let first = verdict.output.lines().next().unwrap_or_default();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=.:_-".contains(c);
    let line = if verdict.code == 2 { line } else { first };
    for piece in line.split_inclusive(|c| !is_part(c)) {
        let word = piece.trim_end_matches(|c| !is_part(c));
        let varies = word.len() >= 20 || word.chars().filter(char::is_ascii_digit).count() > 3;
        masked += if varies { "…" } else { word };
        masked += &piece[word.len()..];
    }
    masked
}

#[test]
fn both_verifiers_give_every_forgery_its_verdict() {
    let service = Service::start();
    live(&service);
    let whole = export(&service, "whole.tar", &[]);
    let out = service.folder().join("forged");
    std::fs::create_dir(&out).unwrap();
    let log_key = service.data().join("log.key");
    let paths = [Path::new(VERIFIER), &whole, &whole, &log_key, &out];
    let (code, lines) = python(ADVERSARY, &paths.map(|path| path.to_str().unwrap()));
    assert_eq!(code, 0, "{lines}");
    let forgeries: Vec<Forgery> = parse(&lines);
    let refused = forgeries.iter().filter(|forgery| forgery.code != 0).count();
    assert!(refused >= 250, "{refused} of {}", forgeries.len());

    let (ours, theirs) = thread::scope(|scope| {
        let theirs = scope.spawn(|| theirs(&lines, service.folder()));
        (ours(&forgeries), theirs.join().unwrap())
    });
    assert_eq!(theirs.len(), forgeries.len());
    let (mut wrong, mut table) = (String::new(), String::new());
    for ((Forgery { name, code, .. }, one), other) in forgeries.iter().zip(&ours).zip(&theirs) {
        if (one.code, other.code) != (*code, *code) {
            let verdicts =
                [one, other].map(|verdict| format!("{} {}", verdict.code, verdict.output));
            writeln!(wrong, "{name}: {code}\n  {}\n  {}", verdicts[0], verdicts[1]).unwrap();
        }
        writeln!(table, "{code} {name}\n  {}\n  {}", sentence(one), sentence(other)).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
    expect_file!["audit/verdicts.txt"].assert_eq(&table);
}
