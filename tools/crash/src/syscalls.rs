//! Every system call fails once, and once the process is killed in it: while the service starts,
//! serves and stops. Afterwards everything acknowledged is there. And what only looks at a directory
//! changes nothing in it, whatever it cannot read.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::book::Book;
use crate::check::check;
use crate::clients::Clients;
use crate::damage::{copy, files};
use crate::disk;
use crate::round::{Outcome, Run, grouped};
use crate::service::Service;

/// Calls on a file or a folder of the data directory, and how each fails.
const ON_FILES: [(&str, &[&str]); 15] = [
    ("pread64", &["error=EIO", "retval=0", "signal=KILL"]),
    ("pwrite64", &["error=EIO", "error=ENOSPC", "signal=KILL"]),
    ("openat", &["error=EIO", "error=EMFILE", "signal=KILL"]),
    ("read", &["error=EIO", "signal=KILL"]),
    ("write", &["error=EIO", "error=ENOSPC", "signal=KILL"]),
    ("fsync", &["error=EIO", "error=ENOSPC", "signal=KILL"]),
    ("fdatasync", &["error=EIO", "error=ENOSPC", "signal=KILL"]),
    ("sync_file_range", &["error=EIO", "signal=KILL"]),
    ("ftruncate", &["error=EIO", "signal=KILL"]),
    ("rename", &["error=EIO", "error=ENOSPC", "signal=KILL"]),
    ("unlink", &["error=EIO", "signal=KILL"]),
    ("mkdir", &["error=EIO", "error=ENOSPC", "signal=KILL"]),
    ("statx", &["error=EIO", "signal=KILL"]),
    ("getdents64", &["error=EIO", "signal=KILL"]),
    ("flock", &["error=EIO", "signal=KILL"]),
];

/// Calls that name no file.
const ON_THE_SYSTEM: [(&str, &[&str]); 2] =
    [("clone3", &["error=EAGAIN", "signal=KILL"]), ("mmap", &["error=ENOMEM", "signal=KILL"])];

/// What looks at a stopped directory.
const LOOKING: [&[&str]; 3] = [&["fsck"], &["replay"], &["audit", "export", "--out"]];

/// How long clients run, while a service is traced.
const WHILE: Duration = Duration::from_millis(150);

/// A call to fail: which one of its kind in a thread, and how.
struct Fault {
    call: &'static str,
    how: &'static str,
    when: usize,
    /// Whether only calls on the data directory count.
    on_files: bool,
}

/// How many services came to what.
#[derive(Default)]
struct Ends {
    served: usize,
    refused: usize,
    killed: usize,
}

pub(crate) fn run(run: &mut Run<'_>) -> Result<Outcome> {
    if let Err(why) = disk::run("strace", &["-f", "-o", "/dev/null", "true"]) {
        return Ok(Outcome::Skipped(format!("it needs strace: {why:#}")));
    }
    let folder = run.programs.folder()?;
    let program = run.programs.good.as_path();
    let (base, book) = base(program, folder.path().join("base"))?;
    let data = folder.path().join("data");
    let looks = look(program, &base, run.rounds)?;
    let mut faults = Vec::new();
    for (calls, on_files) in [(&ON_FILES[..], true), (&ON_THE_SYSTEM[..], false)] {
        copy(&base, &data)?;
        let counts = count(program, &data, calls, on_files)?;
        std::fs::remove_dir_all(&data)?;
        for (call, hows) in calls {
            let most = counts.get(*call).copied().unwrap_or(0);
            for how in *hows {
                faults.extend((1..=most).map(|when| Fault { call, how, when, on_files }));
            }
        }
    }
    let all = faults.len();
    // The short form has some of them, and always those that emptied a log once.
    let rounds = usize::try_from(run.rounds)?;
    let (always, rest): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|fault| fault.call == "pread64" && fault.how == "error=EIO");
    let every = rest.len().div_ceil(rounds.saturating_sub(always.len()).max(1)).max(1);
    let first = run.dice.place(every);
    let chosen: Vec<_> =
        always.into_iter().chain(rest.into_iter().skip(first).step_by(every)).collect();
    run.rounds = u32::try_from(chosen.len())?;
    let mut ends = Ends::default();
    let mut acknowledged = 0;
    for (round, fault) in (1..).zip(&chosen) {
        copy(&base, &data)?;
        let book = book.copy();
        let what = format!("{}:{}:when={}", fault.call, fault.how, fault.when);
        life(program, &data, fault, &book, &mut ends).with_context(|| what.clone())?;
        acknowledged += book.len();
        std::fs::remove_dir_all(&data)?;
        run.finish_round(round, acknowledged);
    }
    Ok(Outcome::Held(format!(
        "{} of {} failing calls: {} services served, {} refused to, {} were killed; {} acknowledged, 0 lost; \
         {looks} failing looks changed nothing",
        chosen.len(),
        all,
        ends.served,
        ends.refused,
        ends.killed,
        grouped(acknowledged),
    )))
}

/// A directory with a history, as a kill leaves it.
fn base(program: &Path, data: PathBuf) -> Result<(PathBuf, Book)> {
    let book = Book::default();
    for _ in 0..2 {
        let service = Service::start(program, &data)?;
        let clients = Clients::start(2, || service.api(), &book);
        clients.run_for(Duration::from_millis(100));
        service.kill()?;
        clients.join()?;
    }
    // Eight megabytes to copy each time; it is made again.
    std::fs::remove_file(data.join("ballast"))?;
    let _ = std::fs::remove_file(data.join("access").join("ballast"));
    Ok((data, book))
}

/// `strace` in front of a program, for calls on the files of a directory or all.
fn strace(data: &Path, calls: &str, on_files: bool) -> Result<Command> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "signal=none"]);
    command.arg("-e").arg(format!("trace={calls}"));
    if on_files {
        for path in paths(data)? {
            command.arg("-P").arg(path);
        }
    }
    command.arg("-o").arg(data.with_extension("strace"));
    Ok(command)
}

/// Every file and folder of a data directory, and what the service makes in it.
fn paths(data: &Path) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = files(data)?.into_keys().collect();
    for folder in [data.to_owned(), data.join("access")] {
        for name in [
            "",
            "guard",
            ".guard.aside",
            "ballast",
            ".ballast.aside",
            "usage",
            "usage/journal-0000000000",
        ] {
            paths.push(if name.is_empty() { folder.clone() } else { folder.join(name) });
        }
        paths.push(folder.join("log"));
        paths.push(folder.join("log").join("blobs"));
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// How often a thread of a service makes each of these calls at most, from its start to its stop.
fn count(
    program: &Path,
    data: &Path,
    calls: &[(&'static str, &[&str])],
    on_files: bool,
) -> Result<BTreeMap<String, usize>> {
    let names: Vec<_> = calls.iter().map(|(name, _)| *name).collect();
    let mut command = strace(data, &names.join(","), on_files)?;
    command.arg(program);
    let mut service = Service::spawn(command, data)?;
    service.ready(program, data)?;
    let clients = Clients::start(2, || service.api(), &Book::default());
    ensure!(clients.run_for(WHILE), "no change is acknowledged");
    clients.join()?;
    service.stop()?;
    let trace = std::fs::read(data.with_extension("strace"))?;
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    let trace = String::from_utf8_lossy(&trace);
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = rest.trim_start().split_once('(') {
            *counts.entry((thread, call)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, call), count) in counts {
        let one: &mut usize = most.entry(call.to_owned()).or_default();
        *one = count.max(*one);
    }
    Ok(most)
}

/// A service starts, serves and stops with that fault; then it starts without.
fn life(program: &Path, data: &Path, fault: &Fault, book: &Book, ends: &mut Ends) -> Result<()> {
    let mut command = strace(data, fault.call, fault.on_files)?;
    let Fault { call, how, when, .. } = fault;
    command.arg("-e").arg(format!("inject={call}:{how}:when={when}")).arg(program);
    let mut service = Service::spawn(command, data)?;
    match service.ready(program, data) {
        Ok(()) => {
            let clients = Clients::start(2, || service.api(), book);
            clients.run_for(WHILE);
            clients.join()?;
            service.stop()?;
            ends.served += 1;
        }
        // What a program does without memory is to end.
        Err(error) if error.to_string().starts_with("it ended by a signal") => {
            ensure!(*how == "signal=KILL" || *call == "mmap", "{error}");
            ends.killed += 1;
        }
        Err(error) => {
            ensure!(!error.to_string().starts_with("it is not ready"), "{error}");
            ends.refused += 1;
        }
    }
    let service = Service::start(program, data).context("the next start")?;
    check(&service.api(), book)?;
    service.kill()
}

/// Looks at a directory with each read failing once. How many looks.
fn look(program: &Path, base: &Path, rounds: u32) -> Result<usize> {
    let before = files(base)?;
    let out = base.with_extension("tar");
    let mut looks = 0;
    for words in LOOKING {
        for (call, how) in
            [("pread64", "error=EIO"), ("openat", "error=EIO"), ("read", "error=EIO")]
        {
            for when in 1..=usize::try_from(rounds / 5)?.clamp(5, 60) {
                let mut command = strace(base, call, true)?;
                command.arg("-e").arg(format!("inject={call}:{how}:when={when}"));
                command.arg(program).args(words);
                if words.contains(&"--out") {
                    command.arg(&out);
                }
                let ended = command.arg("--data").arg(base).stdin(Stdio::null()).output()?;
                let hit = std::fs::read_to_string(base.with_extension("strace"))?;
                ensure!(files(base)? == before, "{words:?} with {call} {when} changed something");
                if !hit.contains("(INJECTED)") {
                    break;
                }
                looks += 1;
                if ended.status.code().is_none() {
                    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
                    bail!("{words:?} with {call} {when} ended by a signal: {stderr}");
                }
            }
        }
    }
    Ok(looks)
}
