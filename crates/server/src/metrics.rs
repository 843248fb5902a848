//! `GET /metrics`: counts and times for Prometheus, with no account, subject or key in a label.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use delivery::OutcomeKind;
use keys::Verdict;
use ledger::VerdictCounts;
use parking_lot::Mutex;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

use crate::reads::ReadStats;

/// From 50 µs, a verify, to 10 s, a long report.
const BUCKETS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0,
    10.0,
];
const METHODS: [&str; 8] = ["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS", "other"];
/// The statuses that the service answers with; any other is looked up.
const STATUSES: [u16; 18] =
    [200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 412, 413, 422, 429, 431, 500, 503, 504];

/// All series of the service.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    gauges: Vec<(IntGauge, Reading)>,
    verifications: Verifications,
    connections: IntGauge,
    refused_connections: IntCounter,
    deliveries: IntCounterVec,
    sink_writes: IntCounterVec,
}

type Reading = fn(&Numbers) -> u64;

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
}

/// The gauges: name, help, and where each is read.
const READINGS: &[(&str, &str, Reading)] = &[
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

impl Metrics {
    #[expect(clippy::expect_used, reason = "names and labels are constants, made at every start")]
    pub(crate) fn new() -> Metrics {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("http_requests_total", "Requests answered"),
            &["route", "method", "status"],
        );
        let requests = requests.expect("a lawful name");
        let seconds = HistogramVec::new(
            HistogramOpts::new("http_request_duration_seconds", "Time to the answer's head")
                .buckets(BUCKETS.to_vec()),
            &["route"],
        );
        let seconds = seconds.expect("a lawful name");
        registry.register(boxed(requests.clone())).expect("a name of its own");
        registry.register(boxed(seconds.clone())).expect("a name of its own");
        // CPU time, memory, open files and threads of the process, under Prometheus' usual names.
        #[cfg(target_os = "linux")]
        registry
            .register(boxed(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("names of their own");
        let gauges =
            READINGS.iter().map(|&(name, help, read)| (gauge(&registry, name, help), read));
        let gauges = gauges.collect();
        let connections = gauge(&registry, "keyledger_connections", "Connections that are open");
        let refused_connections = counter(
            &registry,
            "keyledger_connections_refused_total",
            "Connections that were closed because there were too many",
        );
        let verifications = Verifications::new(&registry);
        let deliveries = outcomes(
            &registry,
            "keyledger_webhook_deliveries_total",
            "Attempts to deliver to webhooks",
        );
        let sink_writes = outcomes(
            &registry,
            "keyledger_audit_sink_writes_total",
            "Attempts to write to audit sinks, many events at a time",
        );
        Metrics {
            registry,
            requests,
            seconds,
            gauges,
            verifications,
            connections,
            refused_connections,
            deliveries,
            sink_writes,
        }
    }

    /// The attempts to write to sinks that ended so.
    pub(crate) fn sink_write(&self, outcome: OutcomeKind) -> IntCounter {
        self.sink_writes.with_label_values(&[outcome.as_str()])
    }

    /// The attempts to deliver to webhooks that ended so.
    pub(crate) fn delivery(&self, outcome: OutcomeKind) -> IntCounter {
        self.deliveries.with_label_values(&[outcome.as_str()])
    }

    /// The connections that are open, and those that were refused.
    pub(crate) fn connections(&self) -> (IntGauge, IntCounter) {
        (self.connections.clone(), self.refused_connections.clone())
    }

    /// The series of one route.
    pub(crate) fn route(&self, template: &'static str) -> RouteMetrics {
        RouteMetrics {
            template,
            requests: self.requests.clone(),
            seconds: self.seconds.with_label_values(&[template]),
            bound: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    pub(crate) fn text(&self, numbers: &Numbers) -> Result<Vec<u8>, prometheus::Error> {
        for (gauge, reading) in &self.gauges {
            gauge.set(i64::try_from(reading(numbers)).unwrap_or(i64::MAX));
        }
        self.verifications.count_up_to(&numbers.ledger.usage.verdicts);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Verifications by their code, which the ledger counts.
struct Verifications {
    /// In the order of [`Verdict::ALL`], each with what was read last.
    counters: Mutex<Vec<(IntCounter, u64)>>,
}

impl Verifications {
    #[expect(clippy::expect_used, reason = "names and labels are constants, made at every start")]
    fn new(registry: &Registry) -> Verifications {
        let name = "keyledger_verifications_total";
        let all = IntCounterVec::new(Opts::new(name, "Verifications answered"), &["code"]);
        let all = all.expect("a lawful name");
        registry.register(boxed(all.clone())).expect("a name of its own");
        let counters = Verdict::ALL.iter().map(|code| (all.with_label_values(&[code.as_str()]), 0));
        Verifications { counters: Mutex::new(counters.collect()) }
    }

    /// What is counted twice at once is added once.
    fn count_up_to(&self, verdicts: &VerdictCounts) {
        for ((counter, seen), count) in self.counters.lock().iter_mut().zip(verdicts) {
            counter.inc_by(count.saturating_sub(*seen));
            *seen = (*seen).max(*count);
        }
    }
}

/// A gauge that whoever has it sets.
#[expect(clippy::expect_used, reason = "the names are constants, and every start makes them all")]
fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("a lawful name");
    registry.register(boxed(gauge.clone())).expect("a name of its own");
    gauge
}

/// A counter that whoever has it counts up.
#[expect(clippy::expect_used, reason = "the names are constants, and every start makes them all")]
fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let counter = IntCounter::new(name, help).expect("a lawful name");
    registry.register(boxed(counter.clone())).expect("a name of its own");
    counter
}

/// Counters of attempts by how they ended.
#[expect(clippy::expect_used, reason = "the names are constants, and every start makes them all")]
fn outcomes(registry: &Registry, name: &str, help: &str) -> IntCounterVec {
    let counters = IntCounterVec::new(Opts::new(name, help), &["outcome"]);
    let counters = counters.expect("a lawful name");
    registry.register(boxed(counters.clone())).expect("a name of its own");
    counters
}

fn boxed<C: prometheus::core::Collector + 'static>(
    collector: C,
) -> Box<dyn prometheus::core::Collector> {
    Box::new(collector)
}

/// The series of one route: bound the first time they are met, then one atomic addition.
pub(crate) struct RouteMetrics {
    template: &'static str,
    requests: IntCounterVec,
    seconds: Histogram,
    bound: [OnceLock<IntCounter>; METHODS.len() * STATUSES.len()],
}

impl RouteMetrics {
    /// Counts one answer.
    pub(crate) fn record(&self, method: &Method, status: StatusCode, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        let bind = || {
            let labels = [self.template, method_label(method), status.as_str()];
            self.requests.with_label_values(&labels)
        };
        let place = STATUSES.iter().position(|listed| *listed == status.as_u16());
        match place.and_then(|at| self.bound.get(method_index(method) * STATUSES.len() + at)) {
            Some(slot) => slot.get_or_init(bind).inc(),
            None => bind().inc(),
        }
    }
}

fn method_index(method: &Method) -> usize {
    METHODS.iter().position(|listed| *listed == method.as_str()).unwrap_or(METHODS.len() - 1)
}

/// The method, or `other`: a client must not be able to make new series.
pub(crate) fn method_label(method: &Method) -> &'static str {
    METHODS.get(method_index(method)).copied().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifications_are_counted_once() {
        let metrics = Metrics::new();
        let mut numbers = Numbers::default();
        // What was read earlier may come later.
        for valid in [3, 5, 4, 5] {
            numbers.ledger.usage.verdicts[Verdict::Valid as usize] = valid;
            metrics.text(&numbers).unwrap();
        }
        let text = String::from_utf8(metrics.text(&numbers).unwrap()).unwrap();
        assert!(text.contains("keyledger_verifications_total{code=\"VALID\"} 5"), "{text}");
        assert!(text.contains("keyledger_verifications_total{code=\"EXPIRED\"} 0"), "{text}");
    }

    #[test]
    fn a_made_up_method_makes_no_new_series() {
        let metrics = Metrics::new();
        let route = metrics.route("/v1/keys");
        for method in ["BREW", "WHEN", "GET"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            route.record(&method, StatusCode::OK, Duration::from_micros(70));
            route.record(&method, StatusCode::IM_A_TEAPOT, Duration::from_micros(70));
        }
        let text = String::from_utf8(metrics.text(&Numbers::default()).unwrap()).unwrap();
        assert!(
            text.contains(
                "http_requests_total{method=\"other\",route=\"/v1/keys\",status=\"200\"} 2"
            )
        );
        assert!(text.contains("http_request_duration_seconds_count{route=\"/v1/keys\"} 6"));
        assert!(!text.contains("BREW"));
    }
}
