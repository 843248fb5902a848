//! What the tests share.

mod client;
mod deadline;
pub(crate) mod document;
mod exchange;
pub(crate) mod gateway;
mod import;
pub(crate) mod issuer;
mod liar;
mod packages;
mod person;
mod program;
mod random;
mod receiver;
mod rules_file;
mod script;
mod service;
mod stream;
mod tsa;
mod witness;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

pub(crate) use client::{Answer, Client};
pub(crate) use deadline::{DEADLINE, until};
pub(crate) use exchange::{exchanges, shown, text};
pub(crate) use import::Import;
pub(crate) use liar::Liar;
pub(crate) use packages::{go_program, newer_python, node_with, python_with};
pub(crate) use person::{Person, TEXTS, encoded};
pub(crate) use program::{Ended, Program, keyledger, wait};
pub(crate) use random::Random;
pub(crate) use receiver::{Answers, Received, Receiver};
pub(crate) use rules_file::{RULES, RulesFile};
pub(crate) use script::{Script, check};
pub(crate) use service::{Service, Stopped};
pub(crate) use tsa::{StampAnswers, Tsa};
pub(crate) use witness::Witness;

/// Writes a file that its owner alone may read.
pub(crate) fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}
