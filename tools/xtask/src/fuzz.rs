//! Builds the fuzz targets and runs each for a bounded time.
//!
//! LLVM's fuzzer needs its instrumentation and nothing else, so a stable compiler will do. The
//! programs, what they find on the way and the inputs that crash them are under `target/fuzz`; the
//! corpus in the repository is read and never written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A target, such as `record`; every target without one
    target: Option<String>,
    /// How long each target runs, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Give the target this one input and stop: a crash again, as it was found
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

/// What has the compiler count how often each edge is taken and which values are compared.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing";

/// The largest input the fuzzer makes, in bytes: no frame and no record is longer.
const LONGEST: u32 = 8_192;

/// Runs the targets, one after the other.
///
/// # Errors
///
/// They cannot be built, or a target found an input that it does not survive.
pub(crate) fn run(options: &Options) -> Result<()> {
    let about = cargo::metadata()?;
    let root = about.workspace_root.as_std_path().join("fuzz");
    let built = about.target_directory.as_std_path().join("fuzz");
    let targets = chosen(&root, options.target.as_deref())?;
    let programs = build(&built, options.target.as_deref())?;
    let mut crashed = Vec::new();
    for target in &targets {
        let places = Places {
            program: programs.join(target),
            seeds: root.join("corpus").join(target),
            found: built.join("corpus").join(target),
            crashes: built.join("crashes").join(target),
        };
        let passed = match &options.input {
            Some(input) => places.replay(input),
            None => places.run(options.seconds)?,
        };
        if let Err(error) = passed {
            println!("{error:#}");
            crashed.push(target.as_str());
            if options.input.is_none() {
                report(target, &places.crashes)?;
            }
        }
    }
    if crashed.is_empty() {
        return Ok(());
    }
    bail!("{} did not survive an input", crashed.join(", "))
}

/// The targets of that name, or all: each has a program in `fuzz_targets`.
fn chosen(root: &Path, name: Option<&str>) -> Result<Vec<String>> {
    let folder = root.join("fuzz_targets");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    targets.sort();
    let Some(name) = name else { return Ok(targets) };
    if !targets.iter().any(|target| target == name) {
        bail!("there is no target `{name}`, but {}", targets.join(", "));
    }
    Ok(vec![name.to_owned()])
}

/// Builds the programs and gives their folder.
fn build(built: &Path, target: Option<&str>) -> Result<PathBuf> {
    let host = host()?;
    let mut cargo_build = Command::new(cargo::program());
    cargo_build.args(["build", "--locked", "-p", "fuzz", "--features", "libfuzzer"]);
    cargo_build.args(["--profile", "fuzz"]);
    match target {
        Some(target) => cargo_build.args(["--bin", target]),
        None => cargo_build.arg("--bins"),
    };
    // With a target named, what runs while building is not instrumented.
    cargo_build.args(["--target", &host]).arg("--target-dir").arg(built);
    cargo_build.env("RUSTFLAGS", INSTRUMENTATION).current_dir(cargo::root()?);
    cargo::run_command(&mut cargo_build)
        .context("the fuzz targets cannot be built; they need a C++ compiler (`g++`)")?;
    Ok(built.join(host).join("fuzz"))
}

/// The triple of this machine.
fn host() -> Result<String> {
    let version = Command::new("rustc").arg("-vV").output().context("rustc -vV")?;
    let text = String::from_utf8_lossy(&version.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

/// Where a target reads and writes.
struct Places {
    program: PathBuf,
    /// The corpus in the repository.
    seeds: PathBuf,
    /// Inputs that reached something new, of this run and those before.
    found: PathBuf,
    /// Inputs that it did not survive.
    crashes: PathBuf,
}

impl Places {
    /// Runs the fuzzer; the inner result is the target's.
    fn run(&self, seconds: u32) -> Result<Result<()>> {
        for folder in [&self.found, &self.crashes] {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let mut fuzzer = Command::new(&self.program);
        fuzzer.arg(format!("-max_total_time={seconds}"));
        fuzzer.arg(format!("-max_len={LONGEST}"));
        fuzzer.args(["-timeout=10", "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1"]);
        // It is joined to the name as it is, so it ends in a slash.
        fuzzer.arg(format!("-artifact_prefix={}/", self.crashes.display()));
        // New inputs go into the first folder.
        fuzzer.arg(&self.found).arg(&self.seeds);
        Ok(cargo::run_command(&mut fuzzer))
    }

    /// Gives the target one input.
    fn replay(&self, input: &Path) -> Result<()> {
        cargo::run_command(Command::new(&self.program).arg(input))
    }
}

/// Says which inputs there are and what to do with them.
fn report(target: &str, crashes: &Path) -> Result<()> {
    for entry in fs::read_dir(crashes).with_context(|| crashes.display().to_string())? {
        let input = entry?.path();
        println!("\n{target} does not survive {}", input.display());
        println!("  again:  cargo xtask fuzz {target} --input {}", input.display());
        println!("  mended: keep it as fuzz/corpus/{target}/<what it is>; the tests replay it");
    }
    Ok(())
}
