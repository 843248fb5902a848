//! Making a key.

use std::sync::Arc;

use keys::{
    Account, Dialect, Digest, Event, Format, KeyId, KeyName, KeyState, Kind, NewKey, Policy,
    Prefix, Refusal, Secret,
};

use crate::caller::{Caller, Grant, MANAGE};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::key_view::KeyView;
use crate::record::Entry;
use crate::write::batch::{Batch, DecidedKey, Idempotent};
use crate::write::job::WriteCommand;
use crate::write::random::Random;
use crate::write::reply::Created;
use crate::write::request::{Expiry, NewKeyRequest, RequestContext, RequestOptions, WantedKey};

/// The prefix of a key of which nothing may be shown.
const NOTHING_SHOWN: &str = "imported";

/// Makes a key.
pub(crate) struct Create(pub(crate) WantedKey);

impl WriteCommand for Create {
    type Reply = Idempotent<DecidedKey>;

    fn account(&self) -> Option<&Account> {
        Some(&self.0.key.account)
    }

    fn decide(
        &self,
        context: &RequestContext,
        batch: &mut Batch<'_>,
    ) -> Result<Idempotent<DecidedKey>, Error> {
        batch.once(context, |batch| batch.create(context, &self.0))
    }
}

impl Ledger {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn create(
        &self,
        caller: &Caller,
        request: NewKeyRequest,
        options: RequestOptions,
    ) -> Result<Created, Error> {
        let grant = caller.require(MANAGE)?;
        let account = tenant(grant, &request)?;
        let only_own = grant.owner().is_some();
        let mut request = request;
        if let Some(reuse) = &mut request.policy.reuse {
            reuse.own |= only_own;
        }
        let make = || self.make(caller, caller.dialect, &account, &request);
        let created = self.submit_new_key(caller, &options, make, Create).await;
        let Some(import) = &request.import else { return created };
        self.count_imported(created.iter().filter(|new| new.entry.is_some() && !new.replayed));
        created.map_err(|error| self.same_secret(grant, &import.digest, error))
    }

    /// Has a new key decided by `command`, and makes another one as long as its prefix is taken, or
    /// what it was copied from was edited meanwhile.
    pub(crate) async fn submit_new_key<C>(
        &self,
        caller: &Caller,
        options: &RequestOptions,
        make: impl Fn() -> Result<(WantedKey, Option<Secret>), Error>,
        command: impl Fn(WantedKey) -> C,
    ) -> Result<Created, Error>
    where
        C: WriteCommand<Reply = Idempotent<DecidedKey>>,
    {
        let mut refused = Error::Refused(Refusal::PrefixTaken);
        // Two prefixes are rarely alike; eight times in a row is not bad luck any more.
        for _ in 0..8 {
            let (wanted, secret) = make()?;
            let id = wanted.key.id;
            if let Some(secret) = &secret {
                self.remember_secret(caller, options, id, secret)?;
            }
            let reply = self.submit(RequestContext::new(caller, options), command(wanted)).await;
            if !matches!(&reply, Ok(Idempotent::Decided(new)) if new.decided.recorded) {
                self.state().secrets.lock().remove(id);
            }
            match reply {
                // The rules of the account may have another prefix by then.
                Err(
                    error @ (Error::Refused(Refusal::PrefixTaken | Refusal::OtherPrefix)
                    | Error::Edited),
                ) => {
                    refused = error;
                }
                Err(error) => return Err(error),
                Ok(Idempotent::Decided(new)) => return Ok(created(new, secret)),
                Ok(Idempotent::Earlier(outcome)) => return self.created_at(outcome.first).await,
            }
        }
        Err(refused)
    }

    /// Remembers the secret of a key whose request may be repeated. Before it is decided: whoever
    /// finds the outcome finds the secret, even if the first request's client is gone by then.
    fn remember_secret(
        &self,
        caller: &Caller,
        options: &RequestOptions,
        id: KeyId,
        secret: &Secret,
    ) -> Result<(), Error> {
        if options.idempotency.is_none() {
            return Ok(());
        }
        let now = self.now();
        let room = self.state().secrets.lock().insert(now, id, secret, caller.holder());
        if room { Ok(()) } else { Err(Error::OutcomesFull) }
    }

    /// Makes the key that `request` wants, and its secret. Only the writer can say whether it may
    /// be.
    pub(crate) fn make(
        &self,
        caller: &Caller,
        dialect: Dialect,
        account: &Account,
        request: &NewKeyRequest,
    ) -> Result<(WantedKey, Option<Secret>), Error> {
        let now = self.now();
        let (kind, environment) = (request.kind, request.environment);
        let format = match self.state().account_rules().of(account) {
            Some(rules) => rules.format(dialect, kind, environment),
            None => dialect.format(kind, environment),
        };
        let NewText { of_id, secret, prefix, digest } = NewText::of(format, request)?;
        // What it is made of names the caller, and an id is for everybody to see.
        let repeat = request.import.as_ref().and_then(|import| import.repeat);
        let subject = &caller.identity.subject;
        let blinded = repeat.map(|repeat| self.state().keyring.blind(subject, &repeat));
        let of_id = blinded.transpose().map_err(Error::fault)?.unwrap_or(of_id);
        let public = secret.as_ref().filter(|_| request.kind == Kind::Public);
        let name = match &request.name {
            Some(name) => name.clone(),
            None => KeyName::new(format!("API key {}", prefix.as_str())).map_err(Error::fault)?,
        };
        let mut key = NewKey {
            id: KeyId::new(now, of_id),
            number: 0,
            account: account.clone(),
            owner: request.owner.clone().unwrap_or_else(|| caller.identity.subject.clone()),
            name,
            description: request.description.clone(),
            kind: request.kind,
            environment: request.environment,
            role: request.role.clone(),
            permissions: Arc::default(),
            project: request.project.clone(),
            allowed_ips: request.allowed_ips.clone(),
            expires_at: match request.expires {
                Some(Expiry::At(at)) => Some(at),
                // Counted from the moment it is recorded, see `WantedKey`.
                Some(Expiry::After(_)) | None => None,
            },
            rate_limit: request.rate_limit,
            quota: request.quota,
            metadata: request.metadata.clone(),
            tags: request.tags.clone(),
            prefix,
            digest,
            replaces: None,
            dialect,
            public_value: public.map(|text| text.reveal().into()),
            imported: request.import.as_ref().map(|import| Box::new(import.imported.clone())),
        };
        let mut pool = self.state().pool.lock();
        pool.share(&mut key);
        key.permissions = pool.permissions(&request.permissions);
        let policy = Policy { account_keys: self.state().most_keys, ..request.policy.clone() };
        let wanted = WantedKey {
            key,
            ttl_s: request.ttl_s(),
            policy,
            permissions_named: !request.permissions.is_empty(),
            model: None,
        };
        Ok((wanted, secret))
    }

    /// The reply to a request that was answered before, with the record at `seq`.
    async fn created_at(&self, seq: eventlog::Seq) -> Result<Created, Error> {
        let entry = self.entry_at(seq).await?;
        let Event::Created(key) = &entry.record.event else {
            // The idempotency key's scope holds the route: a create finds only creates.
            return Err(Error::IdempotencyMismatch);
        };
        let secret = self.state().secrets.lock().find(entry.record.links.own.key, self.now());
        Ok(Created { key: view(key, &entry), secret, entry: Some(entry), replayed: true })
    }
}

/// The account that a new key is for.
///
/// # Errors
///
/// [`Error::AccountRequired`]; [`Error::Forbidden`] for another account, and for another owner where
/// the caller sees only its own keys.
pub(crate) fn tenant(grant: Grant<'_>, request: &NewKeyRequest) -> Result<Account, Error> {
    let account = grant.within(request.account.as_ref()).ok_or(Error::Forbidden)?.account();
    let account = account.ok_or(Error::AccountRequired)?.clone();
    match (grant.owner(), &request.owner) {
        (Some(own), Some(owner)) if own != owner => Err(Error::Forbidden),
        _ => Ok(account),
    }
}

/// What is random about a new key, or comes with it from elsewhere.
struct NewText {
    of_id: [u8; 10],
    /// `None` if it was made elsewhere.
    secret: Option<Secret>,
    prefix: Prefix,
    digest: Digest,
}

impl NewText {
    fn of(format: Format, request: &NewKeyRequest) -> Result<NewText, Error> {
        let mut random = Random::default();
        let mut of_id = [0; 10];
        random.fill(&mut of_id);
        let text = if let Some(import) = &request.import {
            let prefix = import.prefix.clone().map_or_else(|| Prefix::new(NOTHING_SHOWN), Ok);
            let prefix = prefix.map_err(Error::fault)?;
            NewText { of_id, secret: None, prefix, digest: import.digest }
        } else {
            let secret = Secret::generate(format, |buffer| random.fill(buffer));
            let (prefix, digest) = (secret.prefix(format), secret.digest());
            NewText { of_id, secret: Some(secret), prefix, digest }
        };
        random.failed.map_or(Ok(text), |error| Err(Error::fault(error)))
    }
}

/// The reply to a create or a rotation that was decided now.
fn created(new: DecidedKey, secret: Option<Secret>) -> Created {
    let DecidedKey { key, decided } = new;
    let recorded = decided.recorded;
    let (account, owner) = (key.account.clone(), Some(key.owner.clone()));
    let entry = Entry { seq: decided.seq, record: decided.record, account, owner };
    Created {
        key: view(&key, &entry),
        secret: secret.filter(|_| recorded),
        entry: recorded.then_some(entry),
        replayed: false,
    }
}

/// The key right after its first record.
fn view(key: &Arc<NewKey>, entry: &Entry) -> KeyView {
    let at = entry.record.at;
    let state = KeyState::created(key, at);
    KeyView {
        key: Arc::clone(key),
        state,
        status: state.status_at(at),
        created_at: at,
        created_by: entry.record.actor.subject.clone(),
        last_used_at: None,
    }
}
