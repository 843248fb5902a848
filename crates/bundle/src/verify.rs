//! Checking a bundle, offline: with nothing but the bundle and a key that is trusted.
//!
//! Records are read and decoded on several threads and judged on one; several make the exports of
//! them again, and one for each export compares it. Memory grows with the number of
//! keys and not with that of records.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use keys::Timestamp;
use ledger::{AuditRecord, Auditor, Entry};
use tlog::note::VerifierKey;

use crate::Exports;
use crate::archive::Stored;
use crate::compare::{Comparison, Made, Spare, make};
use crate::consistency::{Statement, extends};
use crate::judge::Judge;
use crate::manifest::Scope;
use crate::opened::{Opened, statement};
use crate::read::Chunks;
use crate::refused::Refused;

/// What the auditor trusts, and has from elsewhere.
#[derive(Clone, Debug)]
pub struct Trust {
    /// A key that the log signs with, or once signed with.
    pub key: VerifierKey,
    /// A signed checkpoint that the auditor has from an earlier time.
    pub checkpoint: Option<String>,
    /// The last record must not be older than this moment.
    pub not_before: Option<Timestamp>,
}

/// What a bundle is that was found good.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The name of the log.
    pub origin: String,
    /// How many records the log has.
    pub size: u64,
    /// The signed checkpoint: worth storing, to compare with the next bundle.
    pub checkpoint: Statement,
    /// The earlier one that the log was found to extend.
    pub earlier: Statement,
    /// The size at which the table of keys was compared; `None` for a part.
    pub table: Option<u64>,
    /// How many records were checked.
    pub records: u64,
    /// How many keys they are about.
    pub keys: usize,
    /// The part; the whole log if it asks for nothing.
    pub scope: Scope,
    /// The time of the last record that was checked.
    pub last_at: Option<Timestamp>,
    /// The key that signs the log now.
    pub signed_by: VerifierKey,
}

/// Checks a bundle. `progress` is called with the number of records done.
///
/// # Errors
///
/// [`Refused`]: nothing in the bundle is to be believed.
pub fn verify<S: Stored + ?Sized>(
    stored: &S,
    trust: &Trust,
    exports: &Exports,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, Refused> {
    let opened = Opened::new(stored, &trust.key, exports)?;
    let trusted = trust.checkpoint.as_deref();
    let trusted = trusted.map(|note| statement("the kept checkpoint", note, opened.chain.keys()));
    let trusted = trusted.transpose()?;
    if let Some(larger) = trusted.as_ref().filter(|one| one.size > opened.checkpoint.size) {
        // The refusal of a rollback.
        extends(larger, &opened.checkpoint, &[])?;
    }
    not_shorter(&opened)?;
    let chunks = Chunks::of(&opened);
    let mut judge = Judge::new(&opened, trusted)?;
    stream(&opened, &chunks, &mut judge, exports, progress)?;
    let (records, auditor) = judge.finish()?;
    extends(&opened.earlier, &opened.checkpoint, &opened.consistency)?;
    let last_at = (records > 0).then(|| auditor.last_at());
    if let (Some(last_at), Some(not_before)) = (last_at, trust.not_before)
        && last_at < not_before
    {
        return Err(Refused::Stale { since: last_at.to_string() });
    }
    Ok(verified(opened, records, &auditor, last_at))
}

/// A log has at least as many records as when its key was changed.
fn not_shorter<S: Stored + ?Sized>(opened: &Opened<'_, S>) -> Result<(), Refused> {
    let size = opened.checkpoint.size;
    match opened.chain.rotations().find(|(_, once)| once.size > size) {
        Some((note, once)) => {
            Err(Refused::Rollback { size, once: once.size, checkpoint: note.to_owned() })
        }
        None => Ok(()),
    }
}

fn verified<S: Stored + ?Sized>(
    opened: Opened<'_, S>,
    records: u64,
    auditor: &Auditor,
    last_at: Option<Timestamp>,
) -> Verified {
    Verified {
        size: opened.checkpoint.size,
        table: opened.scope.is_whole().then_some(opened.table.size),
        signed_by: opened.chain.newest().clone(),
        origin: opened.origin,
        checkpoint: opened.checkpoint,
        earlier: opened.earlier,
        records,
        keys: auditor.keys(),
        scope: opened.scope,
        last_at,
    }
}

/// How many batches may wait between two threads.
const AHEAD: usize = 2;

type Read = Result<Vec<AuditRecord>, Refused>;

/// Leads every record past the judge and into every export.
///
/// Batches go round: thread *n* of a kind has every batch whose number leaves *n*, so that they
/// come back in order and no thread runs far ahead.
fn stream<S: Stored + ?Sized>(
    opened: &Opened<'_, S>,
    chunks: &Chunks,
    judge: &mut Judge<'_, '_, S>,
    exports: &Exports,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Refused> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let spare = &Spare::default();
    thread::scope(|scope| {
        let read: Vec<Receiver<Read>> = (0..threads)
            .map(|first| {
                let (send, receive) = sync_channel(AHEAD);
                scope.spawn(move || {
                    let mut reader = chunks.reader(opened);
                    for number in (first..chunks.batches()).step_by(threads) {
                        let batch = reader.read(number);
                        let end = batch.is_err();
                        if send.send(batch).is_err() || end {
                            return;
                        }
                    }
                });
                receive
            })
            .collect();
        let mut to_makers: Vec<SyncSender<Vec<Entry>>> = Vec::new();
        let mut from_makers: [Vec<Receiver<Made>>; 3] = Default::default();
        for _ in 0..threads {
            let (send, receive) = sync_channel::<Vec<Entry>>(AHEAD);
            let made = [(); 3].map(|()| sync_channel::<Made>(AHEAD));
            to_makers.push(send);
            let made = made.map(|(send, receive)| (send, Some(receive)));
            let mut senders = Vec::new();
            for ((send, receive), from) in made.into_iter().zip(&mut from_makers) {
                senders.push(send);
                from.extend(receive);
            }
            scope.spawn(move || {
                for entries in receive {
                    for (send, made) in senders.iter().zip(make(exports, &entries, spare)) {
                        // Who found a difference listens no more; it is asked for it below.
                        drop(send.send(made));
                    }
                }
            });
        }
        let mut comparing = Vec::new();
        let files = exports.names.into_iter().zip(exports.heads).zip(from_makers);
        for ((name, head), makers) in files {
            let comparison = Comparison::new(opened, name, head)?;
            comparing.push(scope.spawn(move || comparison.run(&makers, spare)));
        }
        let judged = (0..chunks.batches()).try_for_each(|number| {
            let entries = judge.batch(receive(&read, number)?)?;
            progress(judge.records());
            send(&to_makers, number, entries);
            Ok::<(), Refused>(())
        });
        // The readers stop, then the makers, and then those who compare.
        drop((read, to_makers));
        judged?;
        for comparison in comparing {
            comparison.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        }
        Ok(())
    })
}

/// Batch `number`, from the thread that reads it.
#[expect(clippy::expect_used, reason = "the thread has panicked then, and this one must too")]
fn receive(readers: &[Receiver<Read>], number: usize) -> Read {
    let reader = readers.get(number % readers.len()).expect("a remainder is a place");
    reader.recv().expect("a reader sends each of its batches until one is refused")
}

/// Gives batch `number` to the thread that makes its exports.
#[expect(clippy::expect_used, reason = "the thread has panicked then, and this one must too")]
fn send(makers: &[SyncSender<Vec<Entry>>], number: usize, entries: Vec<Entry>) {
    let maker = makers.get(number % makers.len()).expect("a remainder is a place");
    maker.send(entries).expect("a maker takes batches until there are none");
}
