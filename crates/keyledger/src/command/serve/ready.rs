//! The line that says that the service is ready.

use std::io::{IsTerminal as _, stdout};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use crate::print;

/// Says that the service is ready: one line for machines, and on a terminal what to do next.
pub(super) fn print(data: &Path, listen: SocketAddr, log_size: u64) -> Result<()> {
    let pid = std::process::id();
    let shown = print::plain(&data.display().to_string());
    print::line(format!(
        "keyledger ready listen={listen} data={shown} log_size={log_size} pid={pid}"
    ))?;
    if stdout().is_terminal() {
        // As it was called: after `cargo run` it is in no search path.
        let program = std::env::args().next().unwrap_or_else(|| "keyledger".to_owned());
        print::line(format!(
            "\nhttp://{listen}/docs describes the API. In another terminal:\n\n  \
             TOKEN=$({program} token --data '{shown}' --account acme --subject me --role owner \
             | tail -n 1)\n  \
             curl -H \"Authorization: Bearer $TOKEN\" http://{listen}/v1/keys \\\n    \
             -H 'Content-Type: application/json' -d '{{\"name\":\"my first key\"}}'\n"
        ))?;
    }
    Ok(())
}
