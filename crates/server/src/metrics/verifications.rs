//! Verifications by their code.

use keys::Verdict;
use ledger::VerdictCounts;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Verifications by their code, which the ledger counts.
pub(crate) struct Verifications {
    /// In the order of [`Verdict::ALL`], each with what was read last.
    counters: Mutex<Vec<(IntCounter, u64)>>,
}

impl Verifications {
    #[expect(clippy::expect_used, reason = "names and labels are constants, made at every start")]
    pub(crate) fn new(registry: &Registry) -> Verifications {
        let name = "keyledger_verifications_total";
        let all = IntCounterVec::new(Opts::new(name, "Verifications answered"), &["code"]);
        let all = all.expect("a lawful name");
        registry.register(Box::new(all.clone())).expect("a name of its own");
        let counters = Verdict::ALL.iter().map(|code| (all.with_label_values(&[code.as_str()]), 0));
        Verifications { counters: Mutex::new(counters.collect()) }
    }

    /// What is counted twice at once is added once.
    pub(crate) fn count_up_to(&self, verdicts: &VerdictCounts) {
        for ((counter, seen), count) in self.counters.lock().iter_mut().zip(verdicts) {
            counter.inc_by(count.saturating_sub(*seen));
            *seen = (*seen).max(*count);
        }
    }
}
