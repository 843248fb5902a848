//! Commands that wait for the writer, each with a reply of its own type.

use keys::Account;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::projection::state::State;
use crate::write::batch::Batch;
use crate::write::queue::Queued;
use crate::write::request::RequestContext;
use crate::write::wake_chain::{self, Others, SharedReply, Waiting};

/// Something that only the writer can decide.
pub(crate) trait WriteCommand: Send + 'static {
    /// What it answers.
    type Reply: Send;

    /// The account whose turn it is decided in; `None` for what concerns no single account.
    fn account(&self) -> Option<&Account>;

    /// How many records it may come to.
    fn weight(&self) -> usize {
        1
    }

    /// Decides it on top of what `batch` has decided so far, and adds its records to the batch.
    ///
    /// Called again with another batch when another process wrote in between.
    ///
    /// # Errors
    ///
    /// The reply; the batch has no record of it.
    fn decide(&self, context: &RequestContext, batch: &mut Batch<'_>)
    -> Result<Self::Reply, Error>;

    /// Does what must lie between two batches, once what this one decided is applied, and completes
    /// the reply. Most commands do nothing then.
    ///
    /// # Errors
    ///
    /// The reply instead.
    fn between(&mut self, _: &State, _: &mut Self::Reply) -> Result<(), Error> {
        Ok(())
    }
}

/// A command in the queue, whatever its type.
pub(crate) trait Job: Waiting {
    fn account(&self) -> Option<&Account>;

    fn weight(&self) -> usize;

    /// Decides the command and holds its reply back until the batch is on stable storage.
    fn decide(&mut self, batch: &mut Batch<'_>);

    /// Does what must lie between two batches, unless the command was refused.
    fn between(&mut self, state: &State);

    /// Replaces the reply: what was decided is not, or not surely, recorded.
    fn refuse(&mut self, error: Error);
}

impl Queued for Box<dyn Job> {
    fn account(&self) -> Option<&Account> {
        Job::account(&**self)
    }

    fn weight(&self) -> usize {
        Job::weight(&**self)
    }
}

/// A command, the request it came by, and the one who waits for its reply.
struct Pending<C: WriteCommand> {
    context: RequestContext,
    command: C,
    reply: Option<Result<C::Reply, Error>>,
    to: oneshot::Sender<SharedReply<C::Reply>>,
}

/// A job for the writer, and where its reply comes.
pub(crate) fn job<C: WriteCommand>(
    context: RequestContext,
    command: C,
) -> (Box<dyn Job>, oneshot::Receiver<SharedReply<C::Reply>>) {
    let (to, receiver) = oneshot::channel();
    (Box::new(Pending { context, command, reply: None, to }), receiver)
}

impl<C: WriteCommand> Job for Pending<C> {
    fn account(&self) -> Option<&Account> {
        self.command.account()
    }

    fn weight(&self) -> usize {
        self.command.weight()
    }

    fn decide(&mut self, batch: &mut Batch<'_>) {
        self.reply = Some(self.command.decide(&self.context, batch));
    }

    fn between(&mut self, state: &State) {
        if let Some(Ok(reply)) = &mut self.reply
            && let Err(error) = self.command.between(state, reply)
        {
            self.refuse(error);
        }
    }

    fn refuse(&mut self, error: Error) {
        self.reply = Some(Err(error));
    }
}

impl<C: WriteCommand> Waiting for Pending<C> {
    fn wake(self: Box<Self>, others: Others) {
        let Pending { reply, to, .. } = *self;
        // A job that nobody decided is dropped with its sender: the writer is gone.
        if let Some(reply) = reply {
            wake_chain::send(to, reply, others);
        }
    }
}
