//! `GET /metrics`: counts and times for Prometheus, with no account, subject or key in a label.

mod readings;
mod verifications;
mod witness_series;

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use delivery::OutcomeKind;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

pub(crate) use self::readings::Numbers;
use self::readings::{READINGS, Reading};
use self::verifications::Verifications;
use self::witness_series::WitnessSeries;

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
    witnesses: WitnessSeries,
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
        let witnesses = WitnessSeries::new(&registry);
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
            witnesses,
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

    /// The series of witnesses.
    pub(crate) fn witnesses(&self) -> &WitnessSeries {
        &self.witnesses
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
    use keys::Verdict;

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
