//! The public evidence of a running log: its keys, its checkpoint, its tiles.

use std::io;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bundle::{Beat, Invalid, Refused, Statement, Witnessed, not_rolled_back, signed_statement};
use keys::Timestamp;
use ledger::{KeyChain, Keyring};
use serde_json::Value;
use tlog::note::VerifierKey;
use tlog::policy::Policy;
use tlog::{Hash, Tile, TileIndex, TilePath};

use crate::client::{self, Call, Client};
use crate::policy_file;

/// A log behind a server.
pub(super) struct Served<'c> {
    pub(super) client: &'c Client,
    pub(super) chain: KeyChain,
    /// The trusted key: the one of the command line, else the newest that the server names.
    pub(super) trusted: VerifierKey,
}

/// The outcome of a check: passed, or why not. The outer error is for a check that could not be made.
pub(super) type Checked<T> = Result<Result<T, Refused>>;

impl<'c> Served<'c> {
    /// Fetches the keys. Without a `key` to trust, the newest one of the server is trusted.
    pub(super) fn new(client: &'c Client, key: Option<&VerifierKey>) -> Checked<Served<'c>> {
        let chain = match KeyChain::parse(&client.text(Call::get("/log/keys"))?) {
            Ok(chain) => chain,
            Err(error) => return Ok(Err(Invalid::from(error).into())),
        };
        let trusted = key.unwrap_or(chain.newest()).clone();
        if chain.from(&trusted).is_none() {
            return Ok(Err(Invalid::Stranger.into()));
        }
        Ok(Ok(Served { client, chain, trusted }))
    }

    /// The trusted key and those that came after it.
    pub(super) fn trusted_keys(&self) -> Result<&[VerifierKey]> {
        self.chain.from(&self.trusted).context("the trusted key is none of the log's")
    }

    /// The last checkpoint.
    pub(super) fn checkpoint(&self) -> Checked<Statement> {
        let text = self.client.text(Call::get("/log/checkpoint"))?;
        let signed = signed_statement(&text, &self.chain, self.trusted_keys()?);
        Ok(signed.map_err(Refused::from))
    }

    /// The newest checkpoint that witnesses cosigned, as it is served; empty if there is none.
    pub(super) fn cosigned(&self) -> Result<String> {
        let served = self.client.text(Call::get("/log/checkpoint/cosigned"));
        served.or_else(|error| match error.downcast_ref::<client::Refused>() {
            Some(refused) if refused.status == 404 => Ok(String::new()),
            Some(_) | None => Err(error),
        })
    }

    /// Trusts the log that the policy names, if it names one.
    ///
    /// # Errors
    ///
    /// It is another log.
    pub(super) fn trust_named_by(&mut self, policy: &Policy) -> Result<(), Refused> {
        if let Some(key) = policy_file::log_key(policy, Some(&self.chain)) {
            self.chain.from(&key).ok_or(Invalid::Stranger)?;
            self.trusted = key;
        }
        Ok(())
    }

    /// What a quorum of the policy's witnesses cosigned in `note`, which must be of the log of
    /// `checkpoint`.
    pub(super) fn witnessed(
        &self,
        policy: &Policy,
        note: &str,
        checkpoint: &Statement,
    ) -> Checked<Witnessed> {
        let opened = Witnessed::open(note, policy, &self.chain, self.trusted_keys()?);
        let (witnessed, cosigned) = match opened {
            Err(refused) => return Ok(Err(refused.into())),
            Ok(opened) => opened,
        };
        let unwitnessed = checkpoint.size.saturating_sub(witnessed.size);
        let extends = self.extends(&cosigned, checkpoint)?;
        Ok(extends.map(|()| Witnessed { unwitnessed, ..witnessed }))
    }

    /// What the log says it has now, and when.
    pub(super) fn heartbeat(&self) -> Checked<Beat> {
        let text = self.client.text(Call::get("/log/heartbeat"))?;
        Ok(Beat::open(&text, &self.chain, self.trusted_keys()?).map_err(Refused::from))
    }

    /// The heartbeat and the checkpoint that the log has now: of one log, which extends that of `earlier`,
    /// has lost nothing that is on record, and said so at `not_before` or later.
    pub(super) fn progress(
        &self,
        earlier: Option<&Statement>,
        not_before: Timestamp,
        now: Timestamp,
    ) -> Checked<(Beat, Statement)> {
        let heartbeat = match self.heartbeat()? {
            Ok(heartbeat) => heartbeat,
            Err(refused) => return Ok(Err(refused)),
        };
        // After the heartbeat, so that this is not of a larger tree.
        let checkpoint = match self.checkpoint()? {
            Ok(checkpoint) => checkpoint,
            Err(refused) => return Ok(Err(refused)),
        };
        for earlier in earlier.into_iter().chain([&heartbeat.statement]) {
            if let Err(refused) = self.extends(earlier, &checkpoint)? {
                return Ok(Err(refused));
            }
        }
        let checked = not_rolled_back(&self.chain, &self.trusted, checkpoint.size)
            .and_then(|()| heartbeat.is_fresh(not_before, now));
        Ok(checked.map(|()| (heartbeat, checkpoint)))
    }

    /// Checks that the log of `later` extends that of `earlier`. That it is another one may be on record.
    pub(super) fn extends(&self, earlier: &Statement, later: &Statement) -> Checked<()> {
        let is_longer = later.size >= earlier.size;
        let proof =
            if is_longer { self.consistency(earlier.size, later.size)? } else { Vec::new() };
        let checked = bundle::extends(earlier, later, &proof);
        Ok(checked.map_err(|refused| bundle::explained(&self.chain, earlier, refused)))
    }

    /// The proof that the log of `new` records extends that of `old`. With a token the server makes
    /// it, else it is computed from the tiles, which are public.
    fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        if old == 0 || old == new {
            return Ok(Vec::new());
        }
        if !self.client.has_token() {
            let tiles = |index| self.tile(index);
            let made = tlog::consistency_proof(&tiles, old, new);
            return made.context("the proof cannot be made of the log's tiles");
        }
        let call = Call::get("/v1/proofs/consistency");
        let answer = self.client.call(call.query("old", Some(old)).query("new", Some(new)))?;
        let hashes = answer.get("hashes").and_then(Value::as_array);
        let hashes = hashes.context("the answer is no proof")?.iter();
        let read = |hash: &Value| hash.as_str()?.parse().ok();
        hashes.map(read).collect::<Option<_>>().context("the answer is no proof")
    }

    /// A tile of hashes.
    fn tile(&self, index: TileIndex) -> io::Result<Option<Tile>> {
        let bytes = self.client.bytes(Call::get(format!("/log/{}", index.path())));
        let bytes = bytes.map_err(|error| io::Error::other(format!("{error:#}")))?;
        Tile::new(index, bytes).map(Some).map_err(io::Error::other)
    }

    /// The keys of the persons that a bundle of entries speaks of.
    pub(super) fn persons(&self, index: TileIndex) -> Result<Arc<Keyring>> {
        let path = TilePath::Entries(index).to_string().replacen("tile/", "persons/", 1);
        let text = self.client.bytes(Call::get(format!("/log/{path}")))?;
        let text = String::from_utf8(text).context("the answer is no list of persons")?;
        Ok(bundle::parse_persons(&text)?)
    }

    /// A bundle of entries.
    pub(super) fn entries(&self, index: TileIndex) -> Result<Vec<u8>> {
        self.client.bytes(Call::get(format!("/log/{}", TilePath::Entries(index))))
    }
}
