//! The disk fails: from some moment on every write and sync is EIO. Not one acknowledgement after
//! that, and after a start on a good disk everything acknowledged is there.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::Outcome;
use crate::check::check;
use crate::clients::{Api, Book, Clients, written};
use crate::dice::Dice;
use crate::service::{Programs, Service, token};

/// Counts the calls that make bytes durable; from the `FAIL_AFTER`th on all of them fail, and the
/// file `FAILED` is made.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
static long left = -1;
static int fails(void) {
    if (left < 0) { const char *n = getenv("FAIL_AFTER"); left = n ? atol(n) : 1L << 60; }
    if (__sync_fetch_and_sub(&left, 1) > 0) return 0;
    left = 0;
    const char *path = getenv("FAILED");
    if (path) { int f = open(path, O_CREAT | O_WRONLY, 0600); if (f >= 0) close(f); }
    errno = EIO;
    return 1;
}
#define REAL(name) __typeof__(name) *real = dlsym(RTLD_NEXT, #name)
ssize_t pwrite64(int f, const void *b, size_t n, off64_t o) { REAL(pwrite64); return fails() ? -1 : real(f, b, n, o); }
int fsync(int f) { REAL(fsync); return fails() ? -1 : real(f); }
int fdatasync(int f) { REAL(fdatasync); return fails() ? -1 : real(f); }
int sync_file_range(int f, off64_t o, off64_t n, unsigned k) { REAL(sync_file_range); return fails() ? -1 : real(f, o, n, k); }
"#;

pub(crate) fn run(rounds: u32, programs: &Programs, dice: &mut Dice) -> Result<Outcome> {
    let folder = programs.folder()?;
    let (source, shim) = (folder.path().join("shim.c"), folder.path().join("shim.so"));
    std::fs::write(&source, SHIM)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(&source).arg("-ldl");
    match compiler.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => bail!("cc: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(_) => return Ok(Outcome::Skipped("it needs a C compiler, `cc`".to_owned())),
    }
    let mut acknowledged = 0;
    for round in 1..=rounds {
        let data = folder.path().join(format!("data-{round}"));
        let calls = 200 + dice.roll(2_000);
        acknowledged += fail(programs, &shim, &data, calls)
            .with_context(|| format!("round {round}, failing after {calls} calls"))?;
    }
    Ok(Outcome::Held(format!("{rounds} failing disks, {acknowledged} acknowledged, 0 lost")))
}

fn fail(programs: &Programs, shim: &Path, data: &Path, calls: u64) -> Result<usize> {
    // A first start on a good disk: what fails later is the log, not the making of a folder.
    Service::start(&programs.good, data)?.kill()?;
    let failed = data.with_extension("failed");
    let environment = [
        ("LD_PRELOAD", shim.display().to_string()),
        ("FAIL_AFTER", calls.to_string()),
        ("FAILED", failed.display().to_string()),
    ];
    let service = Service::start_with(&programs.good, data, &environment)?;
    let token = token(&programs.good, data)?;
    let book = Book::default();
    let clients = Clients::start(8, &service.url, &token, &book);
    // Each client ends at its first refusal.
    while clients.run_for(std::time::Duration::from_millis(20)) {}
    ensure!(failed.exists(), "the disk never failed");
    let api = Api::new(&service.url, &token);
    let before = written(&book);
    let (status, problem) = api.post("/v1/keys", r#"{"name":"late"}"#)?;
    ensure!(status == 503, "a change after the fault was answered {status}: {problem}");
    ensure!(api.get("/v1/keys?limit=1").is_ok(), "reads stopped with the writes");
    service.kill()?;
    clients.join();
    let service = Service::start(&programs.good, data)?;
    let checked = check(&Api::new(&service.url, &token), &book);
    service.kill()?;
    checked.map(|()| before)
}
