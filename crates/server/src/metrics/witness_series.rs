//! What is counted of witnesses, by their names. Without witnesses there is nothing of it.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::witnesses::Witnesses;

/// The series of witnesses.
pub(crate) struct WitnessSeries {
    requests: IntCounterVec,
    size: IntGaugeVec,
    age: IntGaugeVec,
    cosigned_size: IntGaugeVec,
    cosigned_age: IntGaugeVec,
}

impl WitnessSeries {
    #[expect(clippy::expect_used, reason = "names and labels are constants, made at every start")]
    pub(crate) fn new(registry: &Registry) -> WitnessSeries {
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels).expect("a lawful name");
            registry.register(Box::new(gauge.clone())).expect("a name of its own");
            gauge
        };
        let name = "keyledger_witness_requests_total";
        let requests = Opts::new(name, "Requests to witnesses by what came of them");
        let requests = IntCounterVec::new(requests, &["witness", "outcome"]);
        let requests = requests.expect("a lawful name");
        registry.register(Box::new(requests.clone())).expect("a name of its own");
        WitnessSeries {
            requests,
            size: gauge(
                "keyledger_witness_size",
                "Records that a witness cosigned last, since the start",
                &["witness"],
            ),
            age: gauge(
                "keyledger_witness_age_seconds",
                "Time since a witness cosigned last, or since the start",
                &["witness"],
            ),
            cosigned_size: gauge(
                "keyledger_cosigned_size",
                "Records in the newest checkpoint that a quorum of witnesses cosigned",
                &[],
            ),
            cosigned_age: gauge(
                "keyledger_cosigned_age_seconds",
                "Time since a quorum of witnesses cosigned last, or since the start",
                &[],
            ),
        }
    }

    /// Counts a request.
    pub(crate) fn count(&self, witness: &str, outcome: &str) {
        self.requests.with_label_values(&[witness, outcome]).inc();
    }

    /// Reads the gauges off.
    pub(crate) fn set(&self, witnesses: &Witnesses) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for one in witnesses.stats() {
            self.size.with_label_values(&[one.name]).set(whole(one.size));
            self.age.with_label_values(&[one.name]).set(whole(one.age.as_secs()));
        }
        if let Some((size, age)) = witnesses.quorum() {
            self.cosigned_size.with_label_values::<&str>(&[]).set(whole(size));
            self.cosigned_age.with_label_values::<&str>(&[]).set(whole(age.as_secs()));
        }
    }
}
