//! `keyledger audit export`: makes a bundle, from a server or from a stopped data directory.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bundle::Scope;
use clap::Args;
use eventlog::{Log as _, files};
use keys::{Account, Timestamp};
use ledger::Ledger;
use ledger::SystemClock;
use serde_json::json;
use server::{Aside, Bundle, Stamps};

use super::checkpoint_file;
use crate::client::{Call, Client};
use crate::data_dir::stopped::{LogPrefix, StoppedDir, auditor};
use crate::data_dir::{cosigned, layout};
use crate::exit::{Exit, misuse};
use crate::options::{Data, Json, Remote, Secrets};
use crate::print::{self, Progress};

/// Make a bundle: the log, or a part of it, with everything that is needed to check it
#[derive(Args, Debug)]
#[command(after_help = "\
From a server it needs the token of an auditor of all accounts. With --account, --from or --to the
bundle holds only that part, each record with the proof that it is in the log.

Examples:
  keyledger audit export --out today.tar
  keyledger audit export --out today.tar --earlier kept-checkpoint
  keyledger audit export --out acme.tar --account acme --from 2026-01-01T00:00:00Z
  keyledger audit export --out backup.tar --data ./backup")]
pub(crate) struct Export {
    /// The file to make
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A stopped data directory, instead of a server
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Its guard file, if it is not in the data directory
    #[arg(long, value_name = "FILE", requires = "data")]
    guard: Option<PathBuf>,
    #[command(flatten)]
    secrets: Secrets,
    /// Only events of this account's keys
    #[arg(long)]
    account: Option<Account>,
    /// Only events recorded at this moment or later
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only events recorded before this moment
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// A checkpoint that you kept: the bundle will prove that the log extends it
    #[arg(long, value_name = "FILE")]
    earlier: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    json: Json,
}

pub(crate) fn run(options: &Export) -> Result<Exit> {
    let earlier = options.earlier.as_deref().map(checkpoint_file::read).transpose()?;
    let made = write_aside(&options.out, |file| match &options.data {
        Some(data) => options.export_directory(data.clone(), earlier, file),
        None => options.download(earlier, file),
    })?;
    let out = options.out.display();
    if options.json.json {
        print::json(&json!({ "out": options.out, "bytes": made }))?;
    } else {
        print::line(format!("{out}: {made} bytes"))?;
        print::line(format!("check it: keyledger audit verify {out} --key <verifier key>"))?;
    }
    Ok(Exit::Fine)
}

/// Makes the file, whole or not at all, and returns its length. It says who holds which key, so only
/// its owner may read it.
fn write_aside(path: &Path, make: impl FnOnce(&File) -> Result<()>) -> Result<u64> {
    let mut name = path.file_name().context("--out names no file")?.to_owned();
    name.push(".part");
    let aside = path.with_file_name(name);
    let unwritable = || format!("`{}` cannot be written", aside.display());
    let file = files::create_new(&aside).map_err(|error| {
        if error.kind() != io::ErrorKind::AlreadyExists {
            return anyhow::Error::new(error).context(unwritable());
        }
        misuse(format!(
            "`{}` is there already: another export makes it, or one was killed; when none runs, \
             remove it",
            aside.display()
        ))
    })?;
    let done = make(&file).and_then(|()| {
        file.sync_all().with_context(unwritable)?;
        files::rename(&aside, path).with_context(unwritable)?;
        Ok(file.metadata().with_context(unwritable)?.len())
    });
    if done.is_err() {
        // A part of a bundle is of no use.
        drop(std::fs::remove_file(&aside));
    }
    done
}

impl Export {
    fn scope(&self) -> Scope {
        Scope { account: self.account.clone(), from: self.from, to: self.to }
    }

    fn export_directory(&self, data: PathBuf, earlier: Option<String>, file: &File) -> Result<()> {
        let stamps = Stamps::open(layout::times(&data))?;
        let cosigned = cosigned::read(&data)?;
        let data = Data { data, secrets: self.secrets };
        let directory = StoppedDir::new(data, self.guard.clone());
        let log = Arc::new(directory.open()?);
        let length = *log.length().borrow();
        let ledger_options = ledger::Options {
            clock: Arc::new(SystemClock::default()),
            keyring: directory.keyring()?,
            signing: Some(Arc::new(directory.signing()?)),
            ..ledger::Options::default()
        };
        let mut progress = Progress::new("records applied:");
        // Read-only: nothing is added to the log.
        let prefix = Arc::new(LogPrefix::new(Arc::clone(&log), length));
        let ledger = Ledger::open(prefix, ledger_options, &mut |seq| progress.at(seq.0))?;
        drop(progress);
        let aside = Aside { stamps: &stamps, cosigned: cosigned.as_deref() };
        let bundle = Bundle::new(&ledger, &auditor()?, self.scope(), earlier, aside)?;
        let mut progress = Progress::new("records exported:");
        let mut out = BufWriter::with_capacity(1 << 20, file);
        bundle.make(&mut out, &mut |count| progress.at(count))?;
        Ok(out.flush()?)
    }

    fn download(&self, earlier: Option<String>, mut file: &File) -> Result<()> {
        let client = Client::new(&self.remote)?;
        let call = Call::get("/v1/audit/bundle")
            .query("account", self.account.as_ref())
            .query("from", self.from)
            .query("to", self.to)
            .query("earlier", earlier.map(|earlier| URL_SAFE_NO_PAD.encode(earlier)));
        let mut body = client.stream(call)?;
        let mut progress = Progress::new("bytes received:");
        let mut received = 0;
        loop {
            let buffer = io::BufRead::fill_buf(&mut body);
            let buffer = buffer.context("the server broke off; try again")?;
            if buffer.is_empty() {
                return Ok(());
            }
            file.write_all(buffer)?;
            let count = buffer.len();
            received += count as u64;
            progress.at(received);
            io::BufRead::consume(&mut body, count);
        }
    }
}
