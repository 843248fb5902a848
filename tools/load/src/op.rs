//! The operations that are measured.

use clap::ValueEnum;

/// What to load the server with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Op {
    /// `POST /v1/keys`, a new key each
    Create,
    /// `POST /v1/keys?receipt=true`: a new key each, with its proof in the answer
    Receipt,
    /// `POST /v1/keys/verify`, spread over all keys there are
    Verify,
    /// `GET /v1/keys`, pages of 50, spread over the first hundred
    List,
    /// Of twenty requests 18 verify, one creates and one lists
    Mixed,
    /// `POST /v1/keys` like the create of `callcov`, ten keys for a user; only within `bench`
    Users,
    /// A sandbox key of covosign each
    Covosign,
    /// A key of callcov each, ten for a user; only within `bench`
    Callcov,
    /// A key of cloudsigma each
    Cloudsigma,
    /// A key of capgo each
    Capgo,
    /// A key of composable each; needs the role admin
    Composable,
    /// composable's public key: found, after the first request
    Public,
}

impl Op {
    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Op::Create => "create",
            Op::Receipt => "create, receipt",
            Op::Verify => "verify",
            Op::List => "list",
            Op::Mixed => "mixed",
            Op::Users => "create, users",
            Op::Covosign => "covosign",
            Op::Callcov => "callcov",
            Op::Cloudsigma => "cloudsigma",
            Op::Capgo => "capgo",
            Op::Composable => "composable",
            Op::Public => "composable pk",
        }
    }

    /// The native create that the operation is compared with: one by as many users.
    pub(crate) fn baseline(self) -> Option<Op> {
        match self {
            Op::Create | Op::Users | Op::Verify | Op::List | Op::Mixed => None,
            Op::Callcov => Some(Op::Users),
            Op::Receipt
            | Op::Covosign
            | Op::Cloudsigma
            | Op::Capgo
            | Op::Composable
            | Op::Public => Some(Op::Create),
        }
    }
}
