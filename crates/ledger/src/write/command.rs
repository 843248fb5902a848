//! Changing keys: a method of the ledger for each command, from the asker's side of the queue.

use std::sync::Arc;

use eventlog::Seq;
use keys::{
    Account, Dialect, Digest, Event, Format, KeyId, KeyName, KeyState, Kind, NewKey, Refusal,
    Rotation, Secret,
};

use crate::caller::{Caller, EXPIRE, MANAGE, Scope};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::key_view::KeyView;
use crate::projection::outcomes::Outcome;
use crate::projection::table::Key;
use crate::record::Entry;
use crate::record::Idempotency;
use crate::write::batch::Decided;
use crate::write::random::Random;
use crate::write::reply::{Changed, Created, Expirations};
use crate::write::request::RequestContext;
use crate::write::request::{Change, Changes, Expiry, NewKeyRequest, RequestOptions, Rules};
use crate::writer::{Reply, Work};

impl Ledger {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn create(
        &self,
        caller: &Caller,
        draft: NewKeyRequest,
        ask: RequestOptions,
    ) -> Result<Created, Error> {
        caller.require(MANAGE)?;
        let account = match (&caller.identity.scope, &draft.account) {
            (Scope::Account(own), None) => own.clone(),
            (Scope::Account(own), Some(asked)) if own == asked => own.clone(),
            (Scope::Account(_), Some(_)) => return Err(Error::Forbidden),
            (Scope::All, Some(asked)) => asked.clone(),
            (Scope::All, None) => return Err(Error::AccountRequired),
        };
        let make = || self.make(caller, caller.dialect, &account, &draft);
        self.put(caller, &ask, make, |key| Work::Create(key, draft.rules())).await
    }

    /// Puts a new key in the place of `id`, which stays valid for the rotation's overlap.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn rotate(
        &self,
        caller: &Caller,
        id: KeyId,
        changes: Changes,
        rotation: Rotation,
        ask: RequestOptions,
    ) -> Result<Created, Error> {
        caller.require(MANAGE)?;
        let old = self.find(caller, id, &ask)?;
        let model = &old.made;
        let draft = NewKeyRequest {
            account: Some(model.account.clone()),
            owner: Some(model.owner.clone()),
            name: changes.name.or_else(|| Some(model.name.clone())),
            description: changes.description.or_else(|| model.description.clone()),
            kind: model.kind,
            environment: model.environment,
            role: changes.role.or_else(|| model.role.clone()),
            permissions: changes.permissions.unwrap_or_else(|| model.permissions.to_vec().into()),
            project: changes.project.or_else(|| model.project.clone()),
            allowed_ips: changes.allowed_ips.unwrap_or_else(|| model.allowed_ips.clone()),
            expires: changes.expires.or_else(|| model.expires_at.map(Expiry::At)),
            daily_limit: changes.daily_limit.or(model.daily_limit),
            metadata: changes.metadata.unwrap_or_else(|| model.metadata.clone()),
            rules: Rules {
                most_active: changes.most_active.or_else(|| model.dialect.most_active()),
                unique_prefix: model.dialect.unique_prefix(),
                ..Rules::default()
            },
        };
        let make = || self.make(caller, model.dialect, &model.account, &draft);
        let work = |key| Work::Rotate(Arc::clone(&old), key, rotation, draft.rules());
        self.put(caller, &ask, make, work).await
    }

    /// Has a new key decided as `work`, and makes another one as long as its prefix is taken.
    pub(crate) async fn put(
        &self,
        caller: &Caller,
        ask: &RequestOptions,
        make: impl Fn() -> Result<(NewKey, Secret), Error>,
        work: impl Fn(Box<NewKey>) -> Work,
    ) -> Result<Created, Error> {
        // Two prefixes are rarely alike; eight times in a row is not bad luck any more.
        for _ in 0..8 {
            let (key, secret) = make()?;
            let id = key.id;
            self.keep_secret(caller, ask, id, &secret)?;
            let work = work(Box::new(key));
            let answer = self.submit(RequestContext::new(caller, ask), work, ask).await;
            if !matches!(&answer, Ok(Reply::Done(_, decided)) if decided.index.is_some()) {
                self.state().secrets.lock().remove(id);
            }
            match answer {
                Err(Error::Refused(Refusal::PrefixTaken)) => {}
                answer => return self.created(answer?, secret).await,
            }
        }
        Err(Error::Refused(Refusal::PrefixTaken))
    }

    /// Changes a key's status.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn change(
        &self,
        caller: &Caller,
        id: KeyId,
        change: Change,
        ask: RequestOptions,
    ) -> Result<Changed, Error> {
        caller.require(MANAGE)?;
        let key = self.find(caller, id, &ask)?;
        let work = Work::Change(Arc::clone(&key), change);
        match self.submit(RequestContext::new(caller, &ask), work, &ask).await? {
            Reply::Done(start, decided) => {
                let Decided { index, record, standing } = *decided;
                let seq = Seq(start.0 + index.unwrap_or(0) as u64);
                let at = record.at;
                Ok(Changed {
                    key: KeyView::new(&key, standing, at),
                    entry: Entry { seq, record, account: key.made.account.clone() },
                    recorded: index.is_some(),
                    replayed: false,
                })
            }
            Reply::Replay(outcome) => {
                let entry = self.entry_at(outcome.first).await?;
                let standing = self.standing_after(&key, outcome.first).await?;
                let at = entry.record.at;
                Ok(Changed {
                    key: KeyView::new(&key, standing, at),
                    entry,
                    recorded: true,
                    replayed: true,
                })
            }
            Reply::Expired(_) | Reply::CaughtUp => Err(Error::Broken),
        }
    }

    /// Records what is due, at most `limit` keys, soonest first.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing was recorded, but after [`Error::Broken`], when nobody knows.
    pub async fn expire_due(
        &self,
        caller: &Caller,
        limit: usize,
        idempotency: Option<Idempotency>,
    ) -> Result<Expirations, Error> {
        caller.require(EXPIRE)?;
        let ask = RequestOptions { idempotency, ..RequestOptions::default() };
        let answer =
            self.submit(RequestContext::new(caller, &ask), Work::ExpireDue(limit), &ask).await?;
        let (expired, replayed) = match answer {
            Reply::Expired(expired) => (expired, false),
            Reply::Replay(Outcome { first, count, .. }) => {
                let records = self.read_chunk(first, count as usize).await?;
                (records.into_iter().map(|read| read.record.link.key).collect(), true)
            }
            Reply::Done(..) | Reply::CaughtUp => return Err(Error::Broken),
        };
        let next_due = self.state().table.next_due();
        let more = next_due.is_some_and(|due| due <= self.now());
        Ok(Expirations { expired, more, next_due, replayed })
    }

    /// The key, if the caller may know of it.
    pub(crate) fn find(
        &self,
        caller: &Caller,
        id: KeyId,
        ask: &RequestOptions,
    ) -> Result<Arc<Key>, Error> {
        self.state()
            .table
            .get(id)
            .filter(|key| caller.sees(&key.made.account))
            .filter(|key| ask.only.is_none_or(|dialect| dialect == key.made.dialect))
            .ok_or(Error::Refused(Refusal::UnknownKey))
    }

    /// Keeps the secret of a key that may be asked for again. Before it is decided: whoever finds
    /// the outcome finds the secret, even if the one who asked first is gone by then.
    fn keep_secret(
        &self,
        caller: &Caller,
        ask: &RequestOptions,
        id: KeyId,
        secret: &Secret,
    ) -> Result<(), Error> {
        if ask.idempotency.is_none() {
            return Ok(());
        }
        let now = self.now();
        let kept = self.state().secrets.lock().keep(now, id, secret, caller.holder());
        if kept { Ok(()) } else { Err(Error::OutcomesFull) }
    }

    /// Makes the key that `draft` wants, and its secret. Only the writer can say whether it may be.
    pub(crate) fn make(
        &self,
        caller: &Caller,
        dialect: Dialect,
        account: &Account,
        draft: &NewKeyRequest,
    ) -> Result<(NewKey, Secret), Error> {
        let now = self.now();
        let mut random = Random::default();
        let mut of_id = [0; 10];
        random.fill(&mut of_id);
        let format = Format::of(dialect, draft.kind, draft.environment);
        let secret = Secret::generate(format, |buffer| random.fill(buffer));
        if let Some(error) = random.failed {
            return Err(Error::fault(error));
        }
        let prefix = secret.prefix(format);
        let name = match &draft.name {
            Some(name) => name.clone(),
            None => KeyName::new(format!("API key {}", prefix.as_str())).map_err(Error::fault)?,
        };
        let mut key = NewKey {
            id: KeyId::new(now, of_id),
            number: 0,
            account: account.clone(),
            owner: draft.owner.clone().unwrap_or_else(|| caller.identity.subject.clone()),
            name,
            description: draft.description.clone(),
            kind: draft.kind,
            environment: draft.environment,
            role: draft.role.clone(),
            permissions: Arc::default(),
            project: draft.project.clone(),
            allowed_ips: draft.allowed_ips.clone(),
            expires_at: match draft.expires {
                Some(Expiry::At(at)) => Some(at),
                // Counted from the moment it is recorded, see `Rules`.
                Some(Expiry::After(_)) | None => None,
            },
            daily_limit: draft.daily_limit,
            metadata: draft.metadata.clone(),
            prefix,
            digest: Digest::of(secret.reveal()),
            replaces: None,
            dialect,
            public_value: (draft.kind == Kind::Public).then(|| secret.reveal().into()),
        };
        let mut pool = self.state().pool.lock();
        pool.share(&mut key);
        key.permissions = pool.permissions(&draft.permissions);
        Ok((key, secret))
    }

    async fn created(&self, answer: Reply, secret: Secret) -> Result<Created, Error> {
        let (entry, secret, recorded, replayed) = match answer {
            Reply::Done(start, decided) => {
                let Decided { index, record, .. } = *decided;
                let seq = Seq(start.0 + index.unwrap_or(0) as u64);
                let Event::Created(made) = &record.event else { return Err(Error::Broken) };
                let account = made.account.clone();
                let secret = index.is_some().then_some(secret);
                (Entry { seq, record, account }, secret, index.is_some(), false)
            }
            Reply::Replay(outcome) => {
                let entry = self.entry_at(outcome.first).await?;
                let secret = self.state().secrets.lock().find(entry.record.link.key, self.now());
                (entry, secret, true, true)
            }
            Reply::Expired(_) | Reply::CaughtUp => return Err(Error::Broken),
        };
        let Event::Created(made) = &entry.record.event else {
            // The idempotency key's scope holds the route: a create finds only creates.
            return Err(Error::IdempotencyMismatch);
        };
        let standing = KeyState::created(made, entry.record.at);
        let key = KeyView {
            key: Arc::clone(made),
            standing,
            status: standing.status_at(entry.record.at),
            created_at: entry.record.at,
            created_by: entry.record.actor.subject.clone(),
            last_used_at: None,
        };
        Ok(Created { key, secret, entry: recorded.then_some(entry), replayed })
    }
}
