//! How many files the process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside connections, with room to spare: the logs, sockets, pipes.
const OTHERS: u64 = 256;

/// Raises what may be open to what the system allows, and says so if that is too little for so
/// many connections. The default of 1,024 is there for programs that use `select`.
pub(super) fn allow(connections: usize) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "fewer files may be open than --max-connections needs; raise the limit (LimitNOFILE)"
        );
    }
}
