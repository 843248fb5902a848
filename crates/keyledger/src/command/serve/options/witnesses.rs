//! The options about witnesses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;
use delivery::{AddressRules, Poster, PosterOptions, tls_config};
use server::{WitnessOptions, WitnessSpec};

use super::webhooks::USER_AGENT;
use crate::data_dir::{cosigned, layout};
use crate::exit::misuse;
use crate::option_values::duration;

/// How long a whole exchange with a witness may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most witnesses: a note has at most 100 signatures.
const MOST: usize = 64;

/// Witnesses.
#[derive(Args, Debug)]
#[command(next_help_heading = "Witnesses")]
pub(crate) struct WitnessList {
    // Written out, because rustdoc takes a URL without brackets for a mistake.
    #[arg(
        help = "A witness that cosigns what this log signs, as in https://w.example+NAME+ID+KEY: its \
                URL and its verifier key; may be given more than once",
        long = "witness",
        env = "KEYLEDGER_WITNESS",
        value_name = "URL+KEY",
        value_delimiter = ' '
    )]
    all: Vec<WitnessSpec>,
    /// How many of them must cosign a checkpoint before it is shown as cosigned; by default more
    /// than half
    #[arg(long = "witness-quorum", env = "KEYLEDGER_WITNESS_QUORUM", value_name = "COUNT")]
    quorum: Option<usize>,
    /// For how long no quorum may have cosigned anything before /readyz warns
    #[arg(
        long = "witness-max-lag",
        env = "KEYLEDGER_WITNESS_MAX_LAG",
        value_name = "TIME",
        default_value = "5m",
        value_parser = duration
    )]
    max_lag: Duration,
    /// A PEM file of certificate authorities that are believed of witnesses besides those of the web;
    /// may be given more than once
    #[arg(
        long = "witness-ca",
        env = "KEYLEDGER_WITNESS_CA",
        value_name = "FILE",
        value_delimiter = ','
    )]
    witness_authorities: Vec<PathBuf>,
}

impl WitnessList {
    /// Checks what no type bounds.
    pub(super) fn check(&self) -> Result<()> {
        for (place, witness) in self.all.iter().enumerate() {
            let (name, key) = (witness.key().name(), witness.key().public_key());
            let before = self.all.iter().take(place).map(WitnessSpec::key);
            if { before }.any(|other| other.name() == name || other.public_key() == key) {
                return Err(misuse(format!("--witness: `{name}` is named twice, or its key is")));
            }
        }
        let count = self.all.len();
        if count > MOST {
            return Err(misuse(format!("--witness: there may be at most {MOST}")));
        }
        match self.quorum {
            Some(_) if count == 0 => Err(misuse("--witness-quorum needs --witness")),
            Some(quorum) if !(1..=count).contains(&quorum) => Err(misuse(format!(
                "--witness-quorum: must be from 1 to {count}, the number of witnesses"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Reads the files that the options name, and what was cosigned before in the directory `data`.
    ///
    /// # Errors
    ///
    /// One cannot be read.
    pub(crate) fn read(&self, data: &Path) -> Result<WitnessOptions> {
        let tls = tls_config(&self.witness_authorities)
            .map_err(|error| anyhow!("--witness-ca: {error}"))?;
        // The operator names them: any address will do.
        let anywhere = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok());
        let rules = AddressRules::new(anywhere.collect());
        let poster =
            Poster::new(PosterOptions { rules, tls, timeout: TIMEOUT, user_agent: USER_AGENT });
        Ok(WitnessOptions {
            all: self.all.clone(),
            poster,
            quorum: self.quorum.unwrap_or(self.all.len() / 2 + 1),
            max_lag: self.max_lag,
            file: layout::cosigned(data),
            stored: cosigned::read(data)?,
        })
    }
}
