//! Files with the rules of accounts.

use std::path::PathBuf;

use tempfile::TempDir;

use super::service::Service;

/// Rules of one account, and of all others.
pub(crate) const RULES: &str = r#"
[acme]
max_ttl = "1h"
max_active_keys = 4
secret_prefix = "acme"
permissions = ["orders.*", "read", "users.read"]

[acme.roles]
reader = ["orders.read"]
clerk = ["orders.read", "orders.write"]

["*"]
require_expiry = true
permissions = ["orders.*", "read"]
"#;
/// A file with rules in a folder of its own.
pub(crate) struct RulesFile {
    pub(crate) folder: TempDir,
}

impl RulesFile {
    pub(crate) fn new(text: &str) -> RulesFile {
        let file = RulesFile { folder: tempfile::tempdir().unwrap() };
        file.write(text);
        file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("accounts.toml")
    }

    /// Puts another file in its place.
    pub(crate) fn write(&self, text: &str) {
        let aside = self.folder.path().join("aside");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(aside, self.path()).unwrap();
    }

    pub(crate) fn serve(&self) -> Service {
        Service::with(&["--accounts", self.path().to_str().unwrap()])
    }
}
