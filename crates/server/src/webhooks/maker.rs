//! Who made a webhook: in its file, sealed under that person's key, so that it is forgotten there too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use delivery::{Idempotency, Webhook};
use keys::{Pseudonym, Subject};
use ledger::KeyringError;

use super::Webhooks;

impl Webhooks {
    /// Who `subject` is, as the file of a webhook says it: base64url.
    pub(crate) fn sealed_maker(&self, subject: &Subject) -> Result<String, KeyringError> {
        self.0.keyring.seal_subject(subject).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Who made a webhook.
    pub(crate) fn maker(&self, webhook: &Webhook) -> Subject {
        let sealed = URL_SAFE_NO_PAD.decode(&webhook.definition.created_by).ok();
        let subject = sealed.and_then(|sealed| self.0.keyring.open_subject(&sealed));
        subject.unwrap_or_else(|| Subject::erased(Pseudonym([0; 16])))
    }

    /// The digests of the request that makes a webhook, so that they tell nothing of its maker once
    /// that is erased.
    pub(crate) fn blinded(
        &self,
        subject: &Subject,
        idempotency: &ledger::Idempotency,
    ) -> Result<Idempotency, KeyringError> {
        let blind = |digest| self.0.keyring.blind(subject, digest);
        Ok(Idempotency { key: blind(&idempotency.key)?, request: blind(&idempotency.request)? })
    }

    /// Has the keyring take in who made webhooks: their keys are given to nobody else, and destroyed
    /// when they are erased.
    pub(super) fn learn_makers(&self) {
        for webhook in self.registry().all() {
            self.maker(&webhook);
        }
    }
}
