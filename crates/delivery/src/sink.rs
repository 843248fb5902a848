//! Sinks of audit events: where all that is recorded goes, as the operator says.

mod file;
mod https;
mod spec;
mod syslog;

use std::io;
use std::path::Path;
use std::sync::Arc;

use eventlog::files;
use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use self::file::FileSink;
use self::https::HttpsSink;
use self::spec::SinkTarget;
pub use self::spec::{InvalidSink, SinkFormat, SinkSpec};
use self::syslog::SyslogSink;
use crate::attempt::{Entry, Position};
use crate::attempt_file::{self, AttemptFile};
use crate::outcome::Outcome;
use crate::poster::Poster;
use crate::progress::Progress;
use crate::worker::{Channel, Message};

/// A sink.
pub struct Sink {
    /// Where it is, and in which format.
    pub spec: SinkSpec,
    /// How far it is.
    pub progress: Arc<Progress>,
}

impl Sink {
    /// Finds how far a sink is in `folder`, which is made if there is none. A new one is at `first`.
    ///
    /// # Errors
    ///
    /// Its file there cannot be read.
    pub fn open(spec: SinkSpec, folder: &Path, first: Position) -> io::Result<Sink> {
        files::make_folder(folder)?;
        files::tighten(folder)?;
        // The name of a file that shows nothing of the sink's URL.
        let name: String = Sha256::digest(spec.to_string())
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = attempt_file::path(folder, name);
        let file = if path.try_exists()? {
            AttemptFile::open(path)?
        } else {
            AttemptFile::create(path, Entry::at(first))?
        };
        let lines = file.lines().clone();
        let progress = Arc::new(Progress::new(spec.name(), &lines, Some(file)));
        Ok(Sink { spec, progress })
    }

    /// What sends to it. `authorization` is what an `https` sink is sent as `Authorization`.
    #[must_use]
    pub fn channel(
        &self,
        poster: &Arc<Poster>,
        tls: &Arc<ClientConfig>,
        authorization: Option<Arc<Zeroizing<String>>>,
    ) -> SinkChannel {
        match &self.spec.target {
            SinkTarget::File(path) => SinkChannel::File(FileSink::new(path.clone())),
            SinkTarget::Syslog { host, port } => {
                SinkChannel::Syslog(SyslogSink::new(host.clone(), *port, Arc::clone(tls)))
            }
            SinkTarget::Https(target) => SinkChannel::Https(HttpsSink::new(
                target.clone(),
                self.spec.format,
                Arc::clone(poster),
                authorization,
            )),
        }
    }
}

/// What sends to a sink.
pub enum SinkChannel {
    /// Appends to a file.
    File(FileSink),
    /// Writes to a syslog server.
    Syslog(SyslogSink),
    /// Posts to a URL.
    Https(HttpsSink),
}

impl Channel for SinkChannel {
    fn most(&self) -> usize {
        usize::MAX
    }

    async fn send(&mut self, messages: &[Message]) -> Outcome {
        match self {
            SinkChannel::File(sink) => sink.append(messages).await,
            SinkChannel::Syslog(sink) => sink.write(messages).await,
            SinkChannel::Https(sink) => sink.post(messages).await,
        }
    }
}
