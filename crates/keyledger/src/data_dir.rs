//! A data directory: which files are in it, the keys among them, and how it is opened to be read.

pub(crate) mod cosigned;
pub(crate) mod inventory;
pub(crate) mod layout;
pub(crate) mod log_key;
pub(crate) mod secret_file;
pub(crate) mod stopped;
pub(crate) mod token_key;
pub(crate) mod webhook_key;
pub(crate) mod witness_key;
