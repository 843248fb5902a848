//! The options about audit sinks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use delivery::{AddressRules, Position, Poster, PosterOptions, Sink, SinkSpec, tls_config};
use zeroize::Zeroizing;

use super::webhooks::USER_AGENT;
use crate::data_dir::layout;
use crate::data_dir::secret_file::{self, Exposed};

/// How long a whole exchange with a URL may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Audit sinks.
#[derive(Args, Debug)]
#[command(next_help_heading = "Audit sinks")]
pub(crate) struct Sinks {
    // Written out, because rustdoc takes a URL without brackets for a mistake.
    #[arg(
        help = "Where all events are sent, from the first on: file:PATH, syslog+tls://HOST:PORT or \
                https://…, with ?format=ndjson, ocsf or cef at the end; may be given more than once",
        long = "audit-sink",
        env = "KEYLEDGER_AUDIT_SINK",
        value_name = "URL",
        value_delimiter = ' '
    )]
    specs: Vec<SinkSpec>,
    /// A PEM file of certificate authorities that are believed of sinks besides those of the web; may be
    /// given more than once
    #[arg(
        long = "audit-sink-ca",
        env = "KEYLEDGER_AUDIT_SINK_CA",
        value_name = "FILE",
        value_delimiter = ','
    )]
    sink_authorities: Vec<PathBuf>,
    /// A file with what https sinks are sent as Authorization, as in `Bearer x` or `Splunk x`
    #[arg(
        long = "audit-sink-authorization-file",
        env = "KEYLEDGER_AUDIT_SINK_AUTHORIZATION_FILE",
        value_name = "FILE"
    )]
    authorization: Option<PathBuf>,
}

/// Sinks whose options were read, and of which nothing was written yet.
pub(crate) struct CheckedSinks {
    specs: Vec<SinkSpec>,
    poster: Arc<Poster>,
    tls: Arc<rustls::ClientConfig>,
    authorization: Option<Arc<Zeroizing<String>>>,
}

impl Sinks {
    /// Reads the files that the options name.
    ///
    /// # Errors
    ///
    /// One cannot be used, or a sink is named twice.
    pub(crate) fn read(&self, exposed: Exposed) -> Result<CheckedSinks> {
        for (at, spec) in self.specs.iter().enumerate() {
            if self.specs.iter().take(at).any(|other| other == spec) {
                bail!("--audit-sink: the same one is named twice");
            }
        }
        let tls = tls_config(&self.sink_authorities)
            .map_err(|error| anyhow!("--audit-sink-ca: {error}"))?;
        let options = PosterOptions {
            // The operator names them: any address will do.
            rules: AddressRules::anywhere(),
            tls: Arc::clone(&tls),
            timeout: TIMEOUT,
            user_agent: USER_AGENT,
        };
        let authorization = self.authorization.as_deref();
        let authorization =
            authorization.map(|path| authorization_in(path, exposed)).transpose()?;
        Ok(CheckedSinks {
            specs: self.specs.clone(),
            poster: Arc::new(Poster::new(options)),
            tls,
            authorization: authorization.map(Arc::new),
        })
    }
}

fn authorization_in(path: &Path, exposed: Exposed) -> Result<Zeroizing<String>> {
    let option = "--audit-sink-authorization-file";
    let text = secret_file::read(path, exposed).context(option)?;
    let text = text.ok_or_else(|| anyhow!("{option}: there is no file `{}`", path.display()))?;
    let text = Zeroizing::new(text.trim().to_owned());
    let lawful = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !lawful {
        bail!("{option}: `{}` must have one line of printable characters", path.display());
    }
    Ok(text)
}

impl CheckedSinks {
    /// Finds how far each is in the data directory `data`; a new one is at `first`.
    ///
    /// # Errors
    ///
    /// A file there cannot be read.
    pub(crate) fn open(self, data: &Path, first: &Position) -> Result<server::Sinks> {
        let folder = layout::sinks(data);
        let open = |spec: SinkSpec| {
            let name = spec.name();
            Sink::open(spec, &folder, first.clone()).with_context(|| {
                format!("how far the {name} is cannot be read in `{}`", folder.display())
            })
        };
        let CheckedSinks { specs, poster, tls, authorization } = self;
        let all = specs.into_iter().map(open).collect::<Result<Vec<_>>>()?;
        Ok(server::Sinks { all, poster, tls, authorization })
    }
}
