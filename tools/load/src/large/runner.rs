//! Both sides, and who calls them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::client::Target;
use crate::options::Large;
use crate::process::Server;
use crate::setup::wait;
use crate::token;

use super::data;

/// Who calls.
pub(super) struct Tokens {
    /// Of all accounts.
    pub(super) admin: String,
    /// The owner of the account that has a tenth of all keys.
    pub(super) large: String,
    /// The owner of an account in which keys are created.
    pub(super) maker: String,
}

/// A bench under way.
pub(super) struct Runner<'a> {
    pub(super) options: &'a Large,
    pub(super) folder: &'a Path,
    pub(super) service: Option<Server>,
    pub(super) floor: Server,
    pub(super) tokens: Tokens,
    /// As many keys were imported, with the numbers below.
    pub(super) keys: u64,
}

impl<'a> Runner<'a> {
    /// Starts both sides.
    pub(super) fn start(options: &'a Large, folder: &'a Path) -> Result<Runner<'a>> {
        let mut floor = Command::new(std::env::current_exe()?);
        floor.args(["floor", "--listen", "127.0.0.1:0"]);
        let service = start(options, folder)?;
        let mint = |account: &str, subject: &str, role: &str| {
            let caller = ["--account", account, "--subject", subject, "--role", role];
            let arguments = [&["--ttl", "24h"], caller.as_slice()].concat();
            token::mint(&options.server, &folder.join("data"), &arguments)
        };
        let tokens = Tokens {
            admin: mint("*", "mover", "admin,auditor")?,
            large: mint(data::LARGE, "ann", "owner")?,
            maker: mint("maker", "ann", "owner")?,
        };
        let floor = wait(Server::start(&mut floor, &tokens.admin, &folder.join("floor.log")))?;
        Ok(Runner { options, folder, service: Some(service), floor, tokens, keys: 0 })
    }

    pub(super) fn service(&self) -> Result<&Server> {
        self.service.as_ref().context("the service is not running")
    }

    /// The service, for whoever has `token`.
    pub(super) fn target(&self, token: &str) -> Result<Target> {
        Ok(Target { token: token.to_owned(), ..self.service()?.target.clone() })
    }
}

/// Starts the service on the data in `folder`.
pub(super) fn start(options: &Large, folder: &Path) -> Result<Server> {
    let mut command = Command::new(&options.server);
    command.arg("serve").arg("--data").arg(folder.join("data"));
    // One caller imports everything.
    command.args(["--listen", "127.0.0.1:0", "--max-changes-per-second", "0"]);
    command.args(["--max-reads-per-second", "0"]).args(&options.serve);
    wait(Server::start(&mut command, "", &folder.join("server.log")))
}
