//! One binary that drives the built program from outside: processes, sockets, signals.
//!
//! Nothing here links the service. Each test starts one of its own on a free port and an empty
//! directory, so all of them run side by side. Nothing waits for time to pass: a test waits for
//! the thing itself, with a deadline far beyond what that takes.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod account_proofs;
mod accounts;
mod accounts_file;
mod adversary;
mod as_of;
mod audit;
mod auth;
mod authority;
mod bad_start;
mod bulk;
mod cli;
mod connections;
mod dialect_bounds;
mod dialect_callcov;
mod dialect_capgo;
mod dialect_cloudsigma;
mod dialect_common;
mod dialect_composable;
mod dialect_covosign;
mod dialect_faults;
mod disk;
mod documents;
mod edit;
mod errors;
mod evidence;
mod expiry;
mod files;
mod find;
mod freshness;
mod gateways;
mod home;
mod idempotency;
mod import;
mod import_files;
mod import_rules;
mod import_stream;
mod kill;
mod lifecycle;
mod limits;
mod lineage;
mod lists;
mod memory;
mod noise;
mod old_bundles;
mod outside;
mod outside_time;
mod outside_tlog;
mod overload;
mod own_key;
mod parts;
mod policy;
mod quotas;
mod reminders;
mod sinks;
mod stderr;
mod stopped;
mod stream;
mod subjects;
mod subjects_traces;
mod support;
mod tokens;
mod usage;
mod user;
mod verify;
mod verify_batch;
mod watch;
mod watch_lies;
mod webhook_key;
mod webhook_rules;
mod webhook_standard;
mod webhooks;
mod wire;
mod witness;
mod witnesses;
