//! Verifying a bundle offline, with a trusted key.
//!
//! Records are read and decoded on several threads and judged on one; several threads regenerate the
//! exports, and one for each export compares it. Memory grows with the number of keys, not with that
//! of records.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use keys::Timestamp;
use ledger::{Entry, KeyChain};
use timestamp::Roots;
use tlog::note::VerifierKey;
use tlog::policy::Policy;

use crate::Exports;
use crate::archive::Stored;
use crate::compare::{Buffers, Comparison, Regenerated, regenerate};
use crate::consistency::{Statement, extends, fork};
use crate::freshness::Beat;
use crate::judge::{Judge, Judged};
use crate::lineage::{explained, rotations};
use crate::manifest::{Scope, Version};
use crate::opened::{Opened, statement};
use crate::outside::{Bounds, OutsideTime, Placed};
use crate::read::{Chunks, Read};
use crate::refused::{Invalid, Refused};
use crate::stamped::{self, StampedStatement};
use crate::witnessed::{Witnessed, same_log};

/// What the auditor trusts, from another source than the bundle.
#[derive(Clone, Debug)]
pub struct Trust {
    /// A key that the log signs or signed with.
    pub key: VerifierKey,
    /// A signed checkpoint that the auditor stored earlier.
    pub checkpoint: Option<String>,
    /// The heartbeat must not be older than this moment; in a bundle of the first version, the last
    /// record.
    pub not_before: Option<Timestamp>,
    /// Whose cosignatures must be there, if any.
    pub policy: Option<Policy>,
    /// The present moment, against which `not_before` was taken.
    pub now: Timestamp,
    /// The roots of time-stamping authorities. Without them time-stamps are not checked, and nothing is
    /// concluded from them.
    pub tsa: Option<Roots>,
}

/// The result of a successful verification.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The name of the log.
    pub origin: String,
    /// The number of records in the log.
    pub size: u64,
    /// The signed checkpoint, to be stored and compared with the next bundle.
    pub checkpoint: Statement,
    /// The earlier checkpoint that the log extends.
    pub earlier: Statement,
    /// The size at which the table of keys was compared; of an account's part, the rows of its keys.
    /// `None` for another part.
    pub table: Option<u64>,
    /// Whether nothing of the scope is missing; not known of a part of the first version.
    pub complete: bool,
    /// The number of records in the scope.
    pub records: u64,
    /// The number of keys that they touch.
    pub keys: usize,
    /// The scope; by default the whole log.
    pub scope: Scope,
    /// The time of the last record that was checked.
    pub last_at: Option<Timestamp>,
    /// When the log had no more than this, by its own clock; `None` for a bundle of the first version.
    pub as_of: Option<Timestamp>,
    /// What a quorum of the policy's witnesses cosigned; `None` without a policy.
    pub witnessed: Option<Witnessed>,
    /// The key that signed the checkpoint.
    pub signed_by: VerifierKey,
    /// All keys of the log, and how each named the next.
    pub chain: KeyChain,
    /// How many checkpoints with time-stamps there are.
    pub stamps: u64,
    /// Between which outside times the records lie; `None` if none were to be checked.
    pub placed: Option<Placed>,
}

/// Checks a bundle. `progress` is called with the number of records done.
///
/// # Errors
///
/// [`Refused`]: nothing in the bundle can be trusted.
pub fn verify<S: Stored + ?Sized>(
    stored: &S,
    trust: &Trust,
    exports: &Exports,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, Refused> {
    let opened = Opened::new(stored, &trust.key, exports)?;
    match checked(&opened, trust, exports, progress) {
        Ok(checked) => Ok(verified(opened, checked, trust)),
        Err(refused) => Err(opened.are_as_listed().err().map_or(refused, Refused::from)),
    }
}

/// What the records come to, and who vouches for them.
type Checked = (Judged, Option<Witnessed>);

fn checked<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
    trust: &Trust,
    exports: &Exports,
    progress: &mut dyn FnMut(u64),
) -> Result<Checked, Refused> {
    let Opened { chain, checkpoint, earlier, heartbeat, .. } = opened;
    if let Some(Beat { statement, .. }) = heartbeat.as_ref()
        && statement.root != checkpoint.root
    {
        return Err(fork(statement, checkpoint));
    }
    let trusted = trust.checkpoint.as_deref();
    let trusted = trusted.map(|note| statement("the kept checkpoint", note, chain, chain.keys()));
    let trusted = trusted.transpose()?;
    for larger in trusted.iter().chain([earlier]).filter(|one| one.size > checkpoint.size) {
        // Fails as a rollback.
        extends(larger, checkpoint, &[]).map_err(|refused| explained(chain, larger, refused))?;
    }
    not_shorter(opened)?;
    let stamped = stamped::read(opened)?;
    let bounds = Bounds::new(outside_times(opened, &stamped, trust)?)?;
    let chunks = Chunks::of(opened);
    let once = stamped.iter().map(|stamped| stamped.statement.clone());
    let mut judge = Judge::new(opened, trusted, once, bounds)?;
    stream(opened, &chunks, &mut judge, exports, progress)?;
    let extended = extends(earlier, checkpoint, &opened.consistency);
    // What is wrong with a proof comes before what is on record: that is told where all else is good.
    if let Err(invalid @ Refused::Invalid(_)) = extended {
        return Err(invalid);
    }
    let unwitnessed = judge.unwitnessed();
    let judged = judge.finish()?;
    extended.map_err(|refused| explained(chain, earlier, refused))?;
    stamped.iter().try_for_each(|stamped| stamped.is_extended(opened))?;
    let witnessed = witnessed(opened, trust.policy.as_ref(), unwitnessed)?;
    if let Some(not_before) = trust.not_before {
        match (heartbeat, judged.last_at) {
            (Some(heartbeat), _) => heartbeat.is_fresh(not_before, trust.now)?,
            (None, Some(last_at)) if last_at < not_before => {
                return Err(Refused::Stale { since: last_at.to_string() });
            }
            (None, _) => {}
        }
        witnessed.as_ref().map_or(Ok(()), |one| one.is_fresh(not_before, trust.now))?;
    }
    Ok((judged, witnessed))
}

/// What those say whom the auditor trusts about when the log had what.
fn outside_times<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
    stamped: &[StampedStatement],
    trust: &Trust,
) -> Result<Vec<OutsideTime>, Invalid> {
    let of_witnesses = trust.policy.as_ref().and_then(|policy| {
        let (cosigned, _) = opened.cosigned.as_ref()?;
        let keys = opened.trusted_keys();
        // What is wrong with it is told after the records.
        Witnessed::open(&cosigned.note, policy, &opened.chain, keys).ok()?.0.outside_time()
    });
    let mut times = Vec::from_iter(of_witnesses);
    if let Some(roots) = &trust.tsa {
        for (number, stamped) in (0..).zip(stamped) {
            times.push(stamped.outside_time(number, roots)?);
        }
    }
    Ok(times)
}

/// Checks that what witnesses cosigned is of this log, and that they are a quorum of the policy.
fn witnessed<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
    policy: Option<&Policy>,
    unwitnessed: u64,
) -> Result<Option<Witnessed>, Refused> {
    let Opened { chain, checkpoint, cosigned, .. } = opened;
    if let Some((cosigned, proof)) = cosigned {
        same_log(chain, cosigned, checkpoint, proof)?;
    }
    let Some(policy) = policy else { return Ok(None) };
    let note = cosigned.as_ref().map_or("", |(signed, _)| signed.note.as_str());
    let (witnessed, _) = Witnessed::open(note, policy, chain, opened.trusted_keys())?;
    Ok(Some(Witnessed { unwitnessed, ..witnessed }))
}

/// Checks that the log is not shorter than at the rotations of its key.
fn not_shorter<S: Stored + ?Sized>(opened: &Opened<'_, S>) -> Result<(), Refused> {
    let size = opened.checkpoint.size;
    match rotations(&opened.chain).find(|once| once.size > size) {
        Some(once) => Err(Refused::Rollback { size, once: once.size, checkpoint: once.note }),
        None => Ok(()),
    }
}

fn verified<S: Stored + ?Sized>(
    opened: Opened<'_, S>,
    (judged, witnessed): Checked,
    trust: &Trust,
) -> Verified {
    let Judged { records, last_at, auditor, placed } = judged;
    let has_times = trust.tsa.is_some() || trust.policy.is_some();
    let of_account = opened.version == Version::Two && opened.scope.account.is_some();
    let is_complete = opened.scope.is_whole() || of_account;
    Verified {
        size: opened.checkpoint.size,
        table: is_complete.then_some(opened.table.size),
        complete: is_complete || opened.version == Version::Two,
        signed_by: opened.checkpoint.by.clone(),
        chain: opened.chain,
        origin: opened.origin,
        checkpoint: opened.checkpoint,
        earlier: opened.earlier,
        records,
        keys: auditor.keys(),
        scope: opened.scope,
        last_at,
        witnessed,
        as_of: opened.heartbeat.map(|heartbeat| heartbeat.at),
        stamps: opened.stamps,
        placed: has_times.then_some(placed),
    }
}

/// The capacity of a channel between two threads, in batches.
const AHEAD: usize = 2;

/// Passes every record to the judge and to the comparison of every export.
///
/// Batches are assigned round robin, so that they return in order and no thread runs far ahead.
fn stream<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
    chunks: &Chunks,
    judge: &mut Judge<'_, '_, S>,
    exports: &Exports,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Refused> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let buffers = &Buffers::default();
    thread::scope(|scope| {
        let read: Vec<Receiver<Read>> = (0..threads)
            .map(|first| {
                let (send, receive) = sync_channel(AHEAD);
                scope.spawn(move || {
                    let mut reader = chunks.reader(opened);
                    for number in (first..chunks.batches()).step_by(threads) {
                        let batch = reader.read(number);
                        let end = batch.1.is_err();
                        if send.send(batch).is_err() || end {
                            return;
                        }
                    }
                });
                receive
            })
            .collect();
        let mut to_makers: Vec<SyncSender<Vec<Entry>>> = Vec::new();
        let mut from_makers: [Vec<Receiver<Regenerated>>; 3] = Default::default();
        for _ in 0..threads {
            let (send, receive) = sync_channel::<Vec<Entry>>(AHEAD);
            let made = [(); 3].map(|()| sync_channel::<Regenerated>(AHEAD));
            to_makers.push(send);
            let made = made.map(|(send, receive)| (send, Some(receive)));
            let mut senders = Vec::new();
            for ((send, receive), from) in made.into_iter().zip(&mut from_makers) {
                senders.push(send);
                from.extend(receive);
            }
            scope.spawn(move || {
                for entries in receive {
                    for (send, made) in senders.iter().zip(regenerate(exports, &entries, buffers)) {
                        // A comparison that found a difference has ended; it is joined below.
                        drop(send.send(made));
                    }
                }
            });
        }
        let mut comparing = Vec::new();
        let files = exports.names.into_iter().zip(exports.heads).zip(from_makers);
        for ((name, head), makers) in files {
            let comparison = Comparison::new(opened, name, head)?;
            comparing.push(scope.spawn(move || comparison.run(&makers, buffers)));
        }
        let judged = (0..chunks.batches()).try_for_each(|number| {
            let (batch, refused) = receive(&read, number);
            let entries = judge.batch(batch)?;
            refused?;
            progress(judge.records());
            send(&to_makers, number, entries);
            Ok::<(), Refused>(())
        });
        // Ends the readers, then the makers, and then the comparisons.
        drop((read, to_makers));
        judged?;
        for comparison in comparing {
            comparison.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        }
        Ok(())
    })
}

/// Batch `number`, from the thread that reads it.
#[expect(clippy::expect_used, reason = "if the thread has panicked, this one must panic too")]
fn receive(readers: &[Receiver<Read>], number: usize) -> Read {
    let reader = readers.get(number % readers.len()).expect("a remainder is a place");
    reader.recv().expect("a reader sends each of its batches until one is refused")
}

/// Sends batch `number` to the thread that regenerates its exports.
#[expect(clippy::expect_used, reason = "if the thread has panicked, this one must panic too")]
fn send(makers: &[SyncSender<Vec<Entry>>], number: usize, entries: Vec<Entry>) {
    let maker = makers.get(number % makers.len()).expect("a remainder is a place");
    maker.send(entries).expect("a maker takes batches until there are none");
}
