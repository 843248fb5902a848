//! What gauges show, and where each is read.

use crate::reads::ReadStats;
use crate::stamps::StampStats;

/// Reads a gauge.
pub(super) type Reading = fn(&Numbers) -> u64;

/// What gauges are read off.
#[derive(Clone, Copy, Default)]
pub(crate) struct Numbers {
    pub(crate) ledger: ledger::Stats,
    pub(crate) reads: ReadStats,
    pub(crate) exports: usize,
    pub(crate) log_lines_lost: u64,
    pub(crate) wrong_guesses: u64,
    pub(crate) streams: usize,
    pub(crate) space: Option<ledger::Space>,
    pub(crate) log_writable: bool,
    pub(crate) journal_writable: bool,
    pub(crate) tokens: ledger::TokenStats,
    pub(crate) webhooks: delivery::Stats,
    pub(crate) sinks: delivery::Stats,
    pub(crate) accounts_file_usable: bool,
    /// Accounts with rules, and how often these were replaced.
    pub(crate) account_rules: (u64, u64),
    /// Holds on persons, and pseudonyms of those who were erased.
    pub(crate) subjects: (usize, usize),
    pub(crate) stamps: StampStats,
}

/// The gauges: name, help, and where each is read.
pub(super) const READINGS: &[(&str, &str, Reading)] = &[
    ("keyledger_keys", "Keys in the table", |numbers| numbers.ledger.keys),
    ("keyledger_log_size", "Records in the log", |numbers| numbers.ledger.log_size),
    ("keyledger_commits", "Batches committed since the start", |numbers| numbers.ledger.batches),
    ("keyledger_bulk_changed", "Keys changed in bulk since the start", |numbers| {
        numbers.ledger.bulk_changed
    }),
    ("keyledger_keys_imported", "Keys imported since the start", |numbers| numbers.ledger.imported),
    ("keyledger_queue_depth", "Commands waiting for the writer", |numbers| {
        count(numbers.ledger.queue_depth)
    }),
    ("keyledger_reads_waiting", "Reads waiting for a thread", |numbers| {
        count(numbers.reads.waiting)
    }),
    ("keyledger_reads_busy", "Threads that read", |numbers| count(numbers.reads.busy)),
    ("keyledger_exports", "Exports, imports, reports and bundles under way", |numbers| {
        count(numbers.exports)
    }),
    ("keyledger_disk_free_bytes", "Room on the disk of the log", |numbers| {
        numbers.space.map_or(0, |space| space.available)
    }),
    ("keyledger_disk_reserve_bytes", "What of it stays free", |numbers| {
        numbers.space.map_or(0, |space| space.reserve)
    }),
    ("keyledger_log_writable", "1 if changes can be recorded", |numbers| {
        u64::from(numbers.log_writable)
    }),
    ("keyledger_journal_writable", "1 if it can be recorded who reads the trail", |numbers| {
        u64::from(numbers.journal_writable)
    }),
    ("keyledger_reads_refused", "Reads refused since the start", |numbers| numbers.reads.refused),
    ("keyledger_log_lines_lost", "Lines of the log that nobody took", |numbers| {
        numbers.log_lines_lost
    }),
    (
        "keyledger_wrong_guesses",
        "Texts since the start that were no key, where a key alone proves who calls",
        |numbers| numbers.wrong_guesses,
    ),
    ("keyledger_usage_bytes", "Bytes of the files of counts of use", |numbers| {
        numbers.ledger.usage.bytes
    }),
    ("keyledger_usage_unwritten", "Counts of use that are in no file yet", |numbers| {
        count(numbers.ledger.usage.unwritten)
    }),
    ("keyledger_usage_lost", "Verifications that could not be counted", |numbers| {
        numbers.ledger.usage.lost
    }),
    (
        "keyledger_key_orders",
        "Orders of many keys that are kept for who sorts by them",
        |numbers| count(numbers.ledger.orders),
    ),
    ("keyledger_keys_in_orders", "Keys in these orders", |numbers| {
        count(numbers.ledger.keys_in_orders)
    }),
    ("keyledger_tokens", "Tokens of the service's own that are remembered", |numbers| {
        numbers.tokens.listed
    }),
    ("keyledger_tokens_ended", "Of these, those that were ended before their time", |numbers| {
        numbers.tokens.ended
    }),
    (
        "keyledger_ended_tokens_refused",
        "How often since the start a token was shown that was ended before its time",
        |numbers| numbers.tokens.refused,
    ),
    (
        "keyledger_accounts_file_valid",
        "1 unless the file with the rules of accounts cannot be used, and those of before hold",
        |numbers| u64::from(numbers.accounts_file_usable),
    ),
    (
        "keyledger_accounts_file_entries",
        "Accounts with rules in the file, `*` included",
        |numbers| numbers.account_rules.0,
    ),
    (
        "keyledger_accounts_file_reloads",
        "How often since the start the rules of accounts were replaced",
        |numbers| numbers.account_rules.1,
    ),
    ("keyledger_subject_holds", "Holds that forbid to erase a person", |numbers| {
        count(numbers.subjects.0)
    }),
    ("keyledger_erased_pseudonyms", "Pseudonyms of persons who were erased", |numbers| {
        count(numbers.subjects.1)
    }),
    ("keyledger_time_stamps", "Checkpoints that a time-stamping authority stamped", |numbers| {
        count(numbers.stamps.stored)
    }),
    (
        "keyledger_last_time_stamp_seconds",
        "When the last checkpoint was stamped, in seconds since 1970; 0 if none was",
        |numbers| numbers.stamps.last_s,
    ),
    (
        "keyledger_time_stamp_failures",
        "How often since the start a checkpoint was not stamped that should have been",
        |numbers| numbers.stamps.failures,
    ),
    ("keyledger_streams", "Event streams that are open", |numbers| count(numbers.streams)),
    ("keyledger_webhooks", "Webhooks", |numbers| count(numbers.webhooks.receivers)),
    ("keyledger_webhooks_retrying", "Webhooks whose receiver is tried again", |numbers| {
        count(numbers.webhooks.retrying)
    }),
    ("keyledger_webhooks_failing", "Webhooks whose receiver was given up", |numbers| {
        count(numbers.webhooks.failing)
    }),
    ("keyledger_webhook_lag_records", "Records that the slowest webhook is behind", |numbers| {
        numbers.webhooks.lag
    }),
    ("keyledger_audit_sinks", "Audit sinks", |numbers| count(numbers.sinks.receivers)),
    ("keyledger_audit_sinks_retrying", "Audit sinks that take nothing now", |numbers| {
        count(numbers.sinks.retrying)
    }),
    (
        "keyledger_audit_sink_lag_records",
        "Records that the slowest audit sink is behind",
        |numbers| numbers.sinks.lag,
    ),
];

fn count(number: usize) -> u64 {
    number as u64
}
