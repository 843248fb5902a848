//! The options about time-stamps.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use delivery::{AddressRules, InvalidTarget, Poster, PosterOptions, Target, tls_config};
use server::{Authority, Stamps};
use timestamp::Roots;

use super::webhooks::USER_AGENT;
use crate::exit::misuse;
use crate::option_values::duration;

/// How long a whole exchange with an authority may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The range of `--tsa-every`.
const EVERY: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);

/// Time-stamps.
#[derive(Args, Debug)]
#[command(next_help_heading = "Time-stamps")]
pub(crate) struct Tsa {
    /// A time-stamping authority (RFC 3161), http or https, that stamps a checkpoint a day
    #[arg(long = "tsa", env = "KEYLEDGER_TSA", value_name = "URL")]
    url: Option<String>,
    /// How often it stamps one, whether the log grew or not
    #[arg(
        long = "tsa-every",
        env = "KEYLEDGER_TSA_EVERY",
        value_name = "TIME",
        default_value = "1d",
        value_parser = duration
    )]
    every: Duration,
    /// A PEM file with the authority's root certificates: time-stamps that do not lead to one of them are
    /// not taken
    #[arg(long = "tsa-ca", env = "KEYLEDGER_TSA_CA", value_name = "FILE", requires = "url")]
    roots: Option<PathBuf>,
}

impl Tsa {
    /// Checks the range of what no type bounds.
    pub(crate) fn check(&self) -> Result<()> {
        self.target()?;
        if EVERY.contains(&self.every) {
            return Ok(());
        }
        Err(misuse("--tsa-every: must be from 1s to 30d"))
    }

    /// Where the authority is. An error does not repeat the URL, which may have a password in it.
    fn target(&self) -> Result<Option<Target>> {
        let target = self.url.as_deref().map(str::parse).transpose();
        target.map_err(|error: InvalidTarget| misuse(format!("--tsa: {error}")))
    }

    /// The authority, if there is one.
    ///
    /// # Errors
    ///
    /// The file of root certificates cannot be used.
    pub(crate) fn authority(&self) -> Result<Option<Authority>> {
        let Some(target) = self.target()? else { return Ok(None) };
        let roots = self.roots.as_deref().map(|path| {
            let text = std::fs::read(path)
                .map_err(|error| misuse(format!("--tsa-ca: `{}`: {error}", path.display())))?;
            Roots::from_pem(&text)
                .map_err(|error| misuse(format!("--tsa-ca: `{}`: {error}", path.display())))
        });
        let poster = Poster::new(PosterOptions {
            // The operator names it: any address will do, and what is signed needs no TLS.
            rules: AddressRules::anywhere(),
            tls: tls_config(&[]).map_err(|error| anyhow!("TLS: {error}"))?,
            timeout: TIMEOUT,
            user_agent: USER_AGENT,
        });
        Ok(Some(Authority::new(target, poster, roots.transpose()?)))
    }

    /// The time-stamps in `folder`, and new ones from `authority`.
    ///
    /// # Errors
    ///
    /// A file there cannot be used.
    pub(crate) fn open(&self, authority: Option<Authority>, folder: PathBuf) -> Result<Stamps> {
        let opened = match authority {
            Some(authority) => Stamps::from_authority(folder, authority, self.every),
            None => Stamps::open(folder),
        };
        opened.context("the time-stamps of the log cannot be read")
    }
}
