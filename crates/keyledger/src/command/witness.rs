//! `keyledger witness`: cosigns the checkpoints of other people's logs.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use ledger::{Clock as _, SystemClock};
use tlog::note::{Algorithm, VerifierKey};
use tokio::task::JoinSet;
use witness::{Limits, Store, Witness};

use super::serve::log_lines::LastLines;
use super::serve::logging;
use super::serve::options::listen_address::ListenAddress;
use super::serve::options::logging::Logging;
use crate::data_dir::witness_key::WitnessKeyFile;
use crate::exit::{Exit, misuse};
use crate::options::Secrets;
use crate::policy_file;
use crate::print;
use crate::signals::StopSignals;

/// Cosign the checkpoints of logs that only grow, for those who do not trust their operators
#[derive(Args, Debug)]
#[command(after_help = "\
It answers by c2sp.org/tlog-witness, to logs of any make. The first start makes the folder and in it
witness.key; keep a copy of the key elsewhere, and of the rest none: a witness that is put back to an
earlier state forgets what it has signed, and would sign a fork. When it is ready it prints one line
with its verifier key, which is for the logs and for those who trust it:
  keyledger witness ready listen=127.0.0.1:7080 key=w.example/1+6f0ba4b0+BH… logs=1 pid=4711
SIGTERM or ctrl-c stops it.

Examples:
  keyledger witness --name w.example/1 --log ledger.example.com/keys+dd441a68+AepKbGPi…
  keyledger witness --listen 0.0.0.0:7080 --logs policy.txt")]
pub(crate) struct WitnessOptions {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7080")]
    listen: ListenAddress,
    /// The folder with its key and with what it cosigned last
    #[arg(
        long = "data",
        id = "witness_data",
        value_name = "DIR",
        default_value = "./keyledger-witness"
    )]
    data: PathBuf,
    /// A verifier key of a log; may be given more than once, also for one log
    #[arg(long = "log", value_name = "NAME+ID+KEY", value_delimiter = ' ')]
    keys: Vec<VerifierKey>,
    /// A policy (c2sp.org/tlog-policy) whose logs are witnessed; its quorum may be none
    #[arg(long, value_name = "FILE")]
    logs: Option<PathBuf>,
    /// The name of a new witness: a domain you own and a path; without it keyledger.local and a
    /// random id
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    secrets: Secrets,
    #[command(flatten)]
    logging: Logging,
}

pub(crate) fn run(options: &WitnessOptions) -> Result<Exit> {
    let keys = keys(options)?;
    let _last_lines = LastLines(logging::start(&options.logging)?);
    let listeners = options.listen.bind("--listen")?;
    let (name, exposed) = (options.name.as_deref(), options.secrets.exposed());
    let file = WitnessKeyFile::read_or_generate(&options.data, name, exposed)?;
    let store = Store::open(&options.data, &keys, file.cosigner.verifier_key())?;
    file.write_if_new(&options.data)?;
    if keys.is_empty() {
        tracing::warn!("no log is named with --log or --logs: there is nothing to cosign");
    }
    let logs = store.logs();
    let clock = SystemClock::default();
    // By a clock from before 1970 nothing is cosigned that was before.
    let now = move || u64::try_from(clock.now().seconds()).unwrap_or(0);
    let witness = Arc::new(Witness::new(file.cosigner, store, Box::new(now)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the threads of the witness cannot be started")?;
    runtime.block_on(async {
        let mut signals = StopSignals::new().context("signals cannot be heard")?;
        let address = listeners.first().context("no address to listen on")?.local_addr()?;
        let stop = tokio::sync::watch::Sender::new(false);
        let mut serving = JoinSet::new();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let mut stop = stop.subscribe();
            let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
            serving.spawn(witness::serve(
                listener,
                Arc::clone(&witness),
                Limits::default(),
                stopped,
            ));
        }
        let (key, pid) = (witness.verifier_key(), std::process::id());
        let line =
            format!("keyledger witness ready listen={address} key={key} logs={logs} pid={pid}");
        if let Err(error) = print::line(line) {
            tracing::warn!(%error, "nobody reads stdout");
        }
        signals.stopped().await;
        stop.send_replace(true);
        while let Some(served) = serving.join_next().await {
            served.context("a listener ended badly")?;
        }
        Ok(Exit::Fine)
    })
}

/// The keys of the logs that are witnessed, each once.
fn keys(options: &WitnessOptions) -> Result<Vec<VerifierKey>> {
    let mut keys = options.keys.clone();
    if let Some(path) = &options.logs {
        keys.extend_from_slice(policy_file::read(path, "--logs")?.logs());
    }
    let mut once: Vec<VerifierKey> = Vec::new();
    for key in keys {
        if key.algorithm() != Algorithm::Ed25519 {
            return Err(misuse(format!("--log: `{key}` is no key of a log")));
        }
        if !once.contains(&key) {
            once.push(key);
        }
    }
    Ok(once)
}
