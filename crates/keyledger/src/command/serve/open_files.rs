//! The limit of open files: each connection needs one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than what is open beside connections and days: the logs, sockets, pipes.
const RESERVED: u64 = 256;

/// Raises the limit to what the system allows, and logs a warning if that is too low for so many
/// connections and days of counts of use, each a file. The usual default of 1,024 is for programs that use `select`.
pub(super) fn allow(connections: usize, usage_days: u32) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX);
    let wanted = wanted.saturating_add(RESERVED).saturating_add(usage_days.into());
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "fewer files may be open than --max-connections needs; raise the limit (LimitNOFILE)"
        );
    }
}
