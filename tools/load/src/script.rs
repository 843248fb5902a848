//! What a connection sends: request bytes that were made beforehand, with holes to fill in.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use memchr::memmem;

use crate::client::{Response, Target};
use crate::dialect_requests::DialectRequests;
use crate::op::Op;
use crate::template::{Template, key_name};

/// The kind of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Creates a key.
    Create,
    /// Verifies one.
    Verify,
    /// Lists a page of them.
    List,
    /// Finds one, or makes it.
    Find,
}

impl Kind {
    /// Whether the response is a success for such a request.
    pub(crate) fn satisfied_by(self, response: &Response<'_>) -> bool {
        match self {
            // One dialect responds with 200 to a create.
            Kind::Create => matches!(response.status(), 200 | 201),
            Kind::Verify => {
                response.status() == 200
                    && memmem::find(response.raw(), b"\"valid\":true").is_some()
            }
            Kind::List | Kind::Find => response.status() == 200,
        }
    }
}

/// The secrets of the keys to verify, end to end: they all have the same length.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    bytes: Vec<u8>,
    width: usize,
}

impl Secrets {
    /// The secrets of created keys.
    pub(crate) fn new(secrets: &[Vec<u8>]) -> Result<Secrets> {
        let width = secrets.first().context("no key was created")?.len();
        if secrets.iter().any(|secret| secret.len() != width) {
            bail!("the secrets differ in length");
        }
        Ok(Secrets { bytes: secrets.concat(), width })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().checked_div(self.width).unwrap_or(0)
    }

    #[expect(clippy::expect_used, reason = "callers pass an index below the length")]
    fn get(&self, index: usize) -> &[u8] {
        let start = index * self.width;
        self.bytes.get(start..start + self.width).expect("an index below the length")
    }
}

/// The endless requests of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    op: Op,
    create: Template,
    verify: Template,
    /// The requests of the operation, if it is not one of the native API.
    dialect: Option<DialectRequests>,
    pages: Arc<Vec<Vec<u8>>>,
    secrets: Arc<Secrets>,
    /// Which connection this is: part of a key's name, and the start of its random walk.
    connection: usize,
    turn: usize,
    random: u64,
}

impl Script {
    /// The requests for `target`. `secrets` are verified and `pages` listed.
    pub(crate) fn new(
        target: &Target,
        op: Op,
        secrets: Arc<Secrets>,
        pages: Arc<Vec<Vec<u8>>>,
    ) -> Result<Script> {
        let needs_secrets = matches!(op, Op::Verify | Op::Mixed);
        let needs_pages = matches!(op, Op::List | Op::Mixed);
        if (needs_secrets && secrets.len() == 0) || (needs_pages && pages.is_empty()) {
            bail!("`{}` needs keys that are there already: give --keys", op.name());
        }
        let number = key_name(0, 0);
        let body = format!(
            r#"{{"name":"{number}","environment":"live","permissions":["orders.read","orders.write"],"project":"checkout"}}"#
        );
        let path = if op == Op::Receipt { "/v1/keys?receipt=true" } else { "/v1/keys" };
        let create = Template::new(target.post(path, &body), &number)?;
        let mark = "?".repeat(secrets.width.max(1));
        let body = format!(r#"{{"key":"{mark}","permission":"orders.read"}}"#);
        let verify = Template::new(target.post("/v1/keys/verify", &body), &mark)?;
        let dialect = DialectRequests::new(target, op)?;
        Ok(Script {
            op,
            create,
            verify,
            dialect,
            pages,
            secrets,
            connection: 0,
            turn: 0,
            random: 1,
        })
    }

    /// The same script for another connection.
    pub(crate) fn for_connection(&self, connection: usize) -> Script {
        let mut script = self.clone();
        script.connection = connection;
        script.random = (connection as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        script
    }

    /// The next request.
    pub(crate) fn next(&mut self) -> (Kind, &[u8]) {
        self.turn += 1;
        let kind = match self.op {
            Op::Public => Kind::Find,
            Op::Create
            | Op::Receipt
            | Op::Users
            | Op::Covosign
            | Op::Callcov
            | Op::Cloudsigma
            | Op::Capgo
            | Op::Composable => Kind::Create,
            Op::Verify => Kind::Verify,
            Op::List => Kind::List,
            Op::Mixed => match (self.turn + self.connection) % 20 {
                0 => Kind::Create,
                10 => Kind::List,
                _ => Kind::Verify,
            },
        };
        if let Some(requests) = &mut self.dialect {
            return (kind, requests.next(self.connection, self.turn));
        }
        let bytes = match kind {
            Kind::Create | Kind::Find => {
                self.create.filled(key_name(self.connection, self.turn).as_bytes())
            }
            Kind::Verify => {
                let at = below(&mut self.random, self.secrets.len());
                self.verify.filled(self.secrets.get(at))
            }
            Kind::List => {
                let at = below(&mut self.random, self.pages.len());
                self.pages.get(at).map(Vec::as_slice).unwrap_or_default()
            }
        };
        (kind, bytes)
    }
}

/// A number below `bound` (xorshift64; the low bits of a large word are even enough here).
fn below(random: &mut u64, bound: usize) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    usize::try_from(*random >> 16).unwrap_or(0).checked_rem(bound).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn script(op: Op, count: u8) -> Script {
        let target = Target::new("http://127.0.0.1:1", "token").unwrap();
        let secrets: Vec<Vec<u8>> = (0..count).map(|n| format!("k{n:03}").into_bytes()).collect();
        let secrets = Arc::new(Secrets::new(&secrets).unwrap());
        let pages = Arc::new(vec![target.get("/v1/keys?limit=50")]);
        Script::new(&target, op, secrets, pages).unwrap().for_connection(7)
    }

    #[test]
    fn a_verify_carries_one_secret_and_the_right_length() {
        let mut script = script(Op::Verify, 100);
        let mut seen = BTreeSet::new();
        for _ in 0..2_000 {
            let (kind, bytes) = script.next();
            assert_eq!(kind, Kind::Verify);
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            assert!(head.contains("Authorization: Bearer token"));
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            seen.insert(body["key"].as_str().unwrap().to_owned());
        }
        assert_eq!(seen.len(), 100, "every key is verified");
    }

    #[test]
    fn every_created_key_has_a_name_of_its_own() {
        let mut script = script(Op::Create, 1);
        let bodies: BTreeSet<Vec<u8>> = (0..100).map(|_| script.next().1.to_vec()).collect();
        assert_eq!(bodies.len(), 100);
    }

    #[test]
    fn mixed_is_eighteen_one_one() {
        let mut script = script(Op::Mixed, 10);
        let kinds: Vec<Kind> = (0..20).map(|_| script.next().0).collect();
        let count = |kind| kinds.iter().filter(|one| **one == kind).count();
        assert_eq!((count(Kind::Verify), count(Kind::Create), count(Kind::List)), (18, 1, 1));
    }

    #[test]
    fn a_verify_without_keys_is_an_error() {
        let target = Target::new("http://127.0.0.1:1", "").unwrap();
        assert!(Script::new(&target, Op::Verify, Arc::default(), Arc::default()).is_err());
        assert!(Script::new(&target, Op::Create, Arc::default(), Arc::default()).is_ok());
    }
}
