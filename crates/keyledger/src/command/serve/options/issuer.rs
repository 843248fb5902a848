//! The options about an issuer of tokens other than the service.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::TypedValueParser;
use server::auth::{MaxRole, Outside};
use zeroize::Zeroizing;

use crate::data_dir::secret_file::{self, Exposed};
use crate::exit::misuse;
use crate::option_values::{duration, one_of};

/// An issuer of tokens other than the service.
#[derive(Args, Debug)]
#[command(next_help_heading = "Tokens from outside")]
pub(crate) struct Issuer {
    /// A file with the secret of HS256 tokens, at least 32 bytes
    #[arg(long = "jwt-secret-file", env = "KEYLEDGER_JWT_SECRET_FILE", value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A JWKS file: the public keys of tokens (Ed25519, RS256, ES256), looked at each second
    #[arg(long = "jwks-file", env = "KEYLEDGER_JWKS_FILE", value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// How long its last good keys count when it is missing or broken; then its tokens are refused
    #[arg(
        long = "jwks-grace",
        env = "KEYLEDGER_JWKS_GRACE",
        value_name = "TIME",
        default_value = "10m",
        value_parser = duration
    )]
    jwks_grace: Duration,
    /// What `iss` must be
    #[arg(long = "jwt-issuer", env = "KEYLEDGER_JWT_ISSUER", value_name = "TEXT")]
    name: Option<String>,
    /// What `aud` must be or hold
    #[arg(long = "jwt-audience", env = "KEYLEDGER_JWT_AUDIENCE", value_name = "TEXT")]
    audience: Option<String>,
    /// The most that these tokens give
    #[arg(
        long = "jwt-max-role",
        env = "KEYLEDGER_JWT_MAX_ROLE",
        value_name = "ROLE",
        default_value = "owner",
        value_parser = max_role()
    )]
    max_role: MaxRole,
    /// Let these tokens name every account at once
    #[arg(long = "jwt-allow-all-accounts", env = "KEYLEDGER_JWT_ALLOW_ALL_ACCOUNTS")]
    all_accounts: bool,
}

impl Issuer {
    pub(super) fn check(&self) -> Result<()> {
        let has_keys = self.secret_file.is_some() || self.jwks_file.is_some();
        if has_keys && (self.name.is_none() || self.audience.is_none()) {
            return Err(misuse("tokens from outside need --jwt-issuer and --jwt-audience too"));
        }
        if !has_keys && (self.name.is_some() || self.audience.is_some()) {
            return Err(misuse(
                "--jwt-issuer and --jwt-audience need --jwt-secret-file or --jwks-file",
            ));
        }
        Ok(())
    }

    /// The issuer, with its secret read from the file; `None` if the options name none.
    pub(crate) fn read(&self, exposed: Exposed) -> Result<Option<Outside>> {
        let (Some(issuer), Some(audience)) = (&self.name, &self.audience) else {
            return Ok(None);
        };
        let secret = self.secret_file.as_deref().map(|file| read_secret(file, exposed));
        Ok(Some(Outside {
            issuer: issuer.clone(),
            audience: audience.clone(),
            secret: secret.transpose()?,
            jwks: self.jwks_file.clone(),
            jwks_grace: self.jwks_grace,
            max_role: self.max_role,
            all_accounts: self.all_accounts,
        }))
    }
}

fn read_secret(file: &Path, exposed: Exposed) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = secret_file::bytes(file, exposed).context("check --jwt-secret-file")?;
    let mut secret = bytes.with_context(|| {
        format!("there is no file `{}`; check --jwt-secret-file", file.display())
    })?;
    // Most editors end a file with a line break, which is no part of the secret.
    let end = secret.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
    secret.truncate(end.map_or(0, |end| end + 1));
    Ok(secret)
}

fn max_role() -> impl TypedValueParser<Value = MaxRole> {
    one_of(["verifier", "auditor", "worker", "user", "owner", "admin"])
        .try_map(|role| role.parse::<MaxRole>())
}
