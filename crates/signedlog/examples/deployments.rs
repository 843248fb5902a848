//! A signed log of another kind of record: who deployed what, in memory and on disk.
//!
//! `cargo run -p signedlog --example deployments`
//!
//! A client of a signed log decides on its own projection (here: what runs where), appends what it
//! decided, applies it, and publishes. Opening the log again makes the same projection from the
//! same records, and refuses a log that somebody changed.
#![expect(clippy::print_stdout, reason = "an example talks on stdout")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use eventlog::Log;
use eventlog::memory::MemoryLog;
use eventlog::sled::{Options, SledLog};
use signedlog::{AppendError, Mismatch, ReplayError, Seq, SignedLog, Signing};

/// What is recorded of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Deployment {
    service: String,
    version: String,
}

/// Why a log of deployments cannot be read.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("record {0} is no deployment")]
    Record(Seq),
    #[error(transparent)]
    Log(#[from] ReplayError),
}

impl Deployment {
    /// The bytes that are stored. They never change once they are: each is a leaf of the tree.
    fn encode(&self) -> Vec<u8> {
        format!("{} {}", self.service, self.version).into_bytes()
    }

    fn decode(record: &eventlog::Record) -> Result<Deployment, OpenError> {
        let text = std::str::from_utf8(&record.bytes).ok();
        let (service, version) =
            text.and_then(|text| text.split_once(' ')).ok_or(OpenError::Record(record.seq))?;
        Ok(Deployment { service: service.to_owned(), version: version.to_owned() })
    }
}

/// The version of each service that runs now: a projection of the log.
type Running = BTreeMap<String, String>;

/// The log, and what is projected from it.
struct Deployments {
    log: SignedLog,
    running: Running,
    applied: Seq,
}

impl Deployments {
    fn open(stored: Arc<dyn Log>, key: &Arc<Signing>) -> Result<Deployments, OpenError> {
        let (mut running, mut applied) = (Running::new(), Seq(0));
        let log = SignedLog::open(
            stored,
            Some(Arc::clone(key)),
            Mismatch::Refuse,
            Deployment::decode,
            |chunk| {
                for (seq, deployment) in chunk.into_records() {
                    running.insert(deployment.service, deployment.version);
                    applied = seq.next();
                }
            },
        )?;
        Ok(Deployments { log, running, applied })
    }

    /// Records a deployment, unless that version runs already. Returns its place.
    fn deploy(&mut self, service: &str, version: &str) -> Result<Option<Seq>, Box<dyn Error>> {
        let deployment = Deployment { service: service.to_owned(), version: version.to_owned() };
        loop {
            if self.running.get(service).is_some_and(|running| running == version) {
                return Ok(None);
            }
            match self.log.append(self.applied, &[deployment.encode()]) {
                Ok(seq) => {
                    self.running.insert(deployment.service, deployment.version);
                    self.applied = seq.next();
                    self.log.publish(self.applied);
                    return Ok(Some(seq));
                }
                // Another process deployed something: learn of it, and decide again.
                Err(AppendError::Conflict { length }) => self.catch_up(length)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn catch_up(&mut self, length: Seq) -> Result<(), OpenError> {
        let (running, applied) = (&mut self.running, &mut self.applied);
        self.log.catch_up(length, Deployment::decode, |chunk| {
            for (seq, deployment) in chunk.into_records() {
                running.insert(deployment.service, deployment.version);
                *applied = seq.next();
            }
        })
    }
}

/// What somebody without access to the log does with a receipt.
fn check_offline(receipt: &str, record: &[u8], key: &Signing) -> Result<u64, Box<dyn Error>> {
    let proof: tlog::ProofFile = receipt.parse()?;
    Ok(proof.verify(record, key.chain().newest())?.size())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // 32 random bytes in real life, kept as a file: see `Signing::to_text`.
    let key = Arc::new(Signing::new("example.com/deployments", [7; 32])?);

    // In memory, with two writers of one log.
    let stored = MemoryLog::new();
    let mut one = Deployments::open(Arc::new(stored.clone()), &key)?;
    let mut two = Deployments::open(Arc::new(stored.clone()), &key)?;
    let seq = one.deploy("web", "1.0")?.ok_or("web 1.0 does not run yet")?;
    two.deploy("mail", "3.2")?;
    assert_eq!(two.deploy("web", "1.0")?, None, "it has learned that this version runs");
    println!("{}", two.log.head().checkpoint()?.note);

    // A receipt is a text to keep. The log is not needed to check it.
    let receipt = one.log.head().receipt(seq)?.to_string();
    println!("{receipt}");
    let size = check_offline(&receipt, b"web 1.0", &key)?;
    println!("web 1.0 is record {seq} of a log that had {size}");
    assert!(check_offline(&receipt, b"web 6.6", &key).is_err());

    // On disk. What was recorded is there again, with the same checkpoint.
    let folder = tempfile::tempdir()?;
    let options = Options::new(folder.path());
    let mut first = Deployments::open(Arc::new(SledLog::open(&options)?), &key)?;
    first.deploy("web", "1.0")?;
    first.deploy("web", "1.1")?;
    let before = first.log.head().checkpoint()?.clone();
    first.log.close().await?;
    drop(first);
    let again = Deployments::open(Arc::new(SledLog::open(&options)?), &key)?;
    assert_eq!(again.log.head().checkpoint()?, &before);
    assert_eq!(again.running.get("web").map(String::as_str), Some("1.1"));
    again.log.close().await?;
    Ok(())
}
