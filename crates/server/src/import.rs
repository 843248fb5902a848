//! Imports: any number of lines, decided while they come, with a bounded part of them in memory.

mod lines;
mod parse;
pub(crate) mod source;
pub(crate) mod stream;
