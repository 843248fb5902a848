//! Reading the records of a bundle, in batches that several threads can read at once.

use std::sync::Arc;

use ledger::{AuditRecord, Decoder, Seq};
use tlog::{Hash, TileIndex, bundles_of, entries, verify_inclusion};

use crate::archive::Stored;
use crate::layout::{self, PACK, TreeFile};
use crate::opened::{Opened, hashes};
use crate::refused::{Invalid, Refused};

/// The number of files in a batch, large enough to be worth passing to another thread.
const FILES: usize = 2;

/// One file of records.
enum Chunk {
    /// Of a whole log: an entry bundle.
    Bundle(TileIndex),
    /// Of a part: its number, and the number of records in it.
    Pack(u64, usize),
}

/// All files of records, in order.
pub(crate) struct Chunks(Vec<Chunk>);

impl Chunks {
    pub(crate) fn of<S: Stored + ?Sized>(opened: &Opened<'_, S>) -> Chunks {
        if opened.scope.is_whole() {
            return Chunks(bundles_of(opened.checkpoint.size).map(Chunk::Bundle).collect());
        }
        let pack = PACK as u64;
        let packs = (0..opened.records.div_ceil(pack)).map(|number| {
            let left = opened.records - number * pack;
            Chunk::Pack(number, usize::try_from(left).unwrap_or(PACK).min(PACK))
        });
        Chunks(packs.collect())
    }

    /// The number of batches.
    pub(crate) fn batches(&self) -> usize {
        self.0.len().div_ceil(FILES)
    }

    /// A reader of any batches, in any order.
    pub(crate) fn reader<'c, 's, S: Stored + ?Sized>(
        &'c self,
        opened: &'c Opened<'s, S>,
    ) -> Reader<'c, 's, S> {
        let decoder = Decoder::new(Arc::clone(&opened.keyring));
        Reader { chunks: self, opened, decoder }
    }
}

/// The records of a batch, up to the first that is refused, and why that is.
pub(crate) type Read = (Vec<AuditRecord>, Result<(), Refused>);

pub(crate) struct Reader<'c, 's, S: ?Sized> {
    chunks: &'c Chunks,
    opened: &'c Opened<'s, S>,
    decoder: Decoder,
}

impl<S: Stored + ?Sized> Reader<'_, '_, S> {
    /// The records of a batch. Those of a part are proved to be in the log.
    pub(crate) fn read(&mut self, number: usize) -> Read {
        let mut batch = Vec::with_capacity(FILES * PACK);
        let mut chunks = self.chunks.0.iter().skip(number * FILES).take(FILES);
        let read = chunks.try_for_each(|chunk| match chunk {
            Chunk::Bundle(index) => self.bundle(*index, &mut batch),
            Chunk::Pack(number, width) => self.pack(*number, *width, &mut batch),
        });
        (batch, read)
    }

    fn bundle(&mut self, index: TileIndex, batch: &mut Vec<AuditRecord>) -> Result<(), Refused> {
        let bytes = self.opened.bytes(&TreeFile::Entries(index).name())?;
        let records = decode(&bytes, usize::from(index.width()))?;
        for (seq, bytes) in (index.number() << 8..).zip(records) {
            batch.push(self.decoder.read(Seq(seq), bytes)?);
        }
        Ok(())
    }

    fn pack(
        &mut self,
        number: u64,
        width: usize,
        batch: &mut Vec<AuditRecord>,
    ) -> Result<(), Refused> {
        let bytes = self.opened.bytes(&layout::records_name(number))?;
        let records = decode(&bytes, width)?;
        let proofs = self.opened.bytes(&layout::proofs_name(number))?;
        let proofs = str::from_utf8(&proofs).ok().and_then(parse_proofs);
        let proofs = proofs.filter(|proofs| proofs.len() == width);
        for ((seq, path), bytes) in proofs.ok_or(Invalid::Malformed("proofs"))?.iter().zip(records)
        {
            let audited = self.decoder.read(Seq(*seq), bytes)?;
            let tree = &self.opened.checkpoint;
            verify_inclusion(&Hash(audited.leaf.0), *seq, tree.size, path, &tree.root)
                .map_err(|source| Invalid::Inclusion { seq: *seq, source })?;
            batch.push(audited);
        }
        Ok(())
    }
}

fn decode(bytes: &[u8], width: usize) -> Result<Vec<&[u8]>, Invalid> {
    let records = entries::decode(bytes).ok().filter(|records| records.len() == width);
    records.ok_or(Invalid::Malformed("records"))
}

/// For each record `index <n>`, its hashes and an empty line.
fn parse_proofs(text: &str) -> Option<Vec<(u64, Vec<Hash>)>> {
    let blocks = text.split_inclusive("\n\n").map(|block| {
        let (head, path) = block.strip_suffix('\n')?.split_once('\n')?;
        let digits = head.strip_prefix("index ")?;
        let index: u64 = digits.parse().ok()?;
        (index.to_string() == digits).then_some((index, hashes(path)?))
    });
    blocks.collect()
}
