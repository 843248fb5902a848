//! The service under attack, and the callers.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::client::Target;
use crate::options::Siege;
use crate::process::Server;
use crate::token;

/// A service under attack.
pub(super) struct Field {
    pub(super) server: Server,
    /// The quiet tenant.
    pub(super) quiet: Target,
    /// The tenant that attacks.
    pub(super) greedy: Target,
    /// An auditor of all accounts, whose token the attackers have too.
    pub(super) auditor: Target,
    /// How long the quiet tenant is measured, before and during each attack.
    pub(super) duration: Duration,
}

impl Field {
    /// Starts a service with its files in `folder`.
    pub(super) async fn open(options: &Siege, folder: &Path) -> Result<Field> {
        let data = folder.join("data");
        let mut serve = Command::new(&options.server);
        serve.arg("serve").arg("--data").arg(&data).args(["--listen", "127.0.0.1:0"]);
        serve.args(&options.serve);
        let server = Server::start(&mut serve, "", &folder.join("server.log")).await?;
        let caller = |account: &str, role: &str| {
            let arguments =
                ["--ttl", "24h", "--account", account, "--subject", role, "--role", role];
            let token = token::mint(&options.server, &data, &arguments)?;
            anyhow::Ok(Target { token, ..server.target.clone() })
        };
        Ok(Field {
            quiet: caller("quiet", "owner")?,
            greedy: caller("greedy", "owner")?,
            auditor: caller("*", "auditor")?,
            duration: options.duration,
            server,
        })
    }
}
