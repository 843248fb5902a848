//! Tests of the transparency-log arithmetic: known answers, other implementations, tampering.

#[cfg(test)]
mod buckets;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod notes;
#[cfg(test)]
mod parsers;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod rebuilding;
#[cfg(test)]
mod roots;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tiles;
#[cfg(test)]
mod witnessing;
