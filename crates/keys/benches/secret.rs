//! What a key's text costs: making it, and, on every verification, its check and its digest.

use std::hint::black_box;

use criterion::Criterion;
use keys::{Dialect, Digest, Environment, Kind, Secret};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    secret(&mut criterion);
    criterion.final_summary();
}

fn secret(criterion: &mut Criterion) {
    let format = Dialect::Native.format(Kind::Secret, Environment::Live);
    let mut group = criterion.benchmark_group("secret");
    group.bench_function("generate", |timed| {
        // Counts instead of asking the system: what is measured is our part.
        let mut next = 0_u8;
        let mut fill = |buffer: &mut [u8]| {
            for byte in buffer {
                next = next.wrapping_add(37);
                *byte = next;
            }
        };
        timed.iter(|| Secret::generate(black_box(format), &mut fill));
    });
    let key = Secret::generate(format, |buffer| buffer.fill(7));
    let key = key.reveal();
    group.bench_function("digest of a presented key", |timed| {
        timed.iter(|| Digest::of_presented(black_box(key)));
    });
    let mistyped = key.replace("kl_live_", "kl_live_x");
    group.bench_function("refusal of a mistyped key", |timed| {
        timed.iter(|| Digest::of_presented(black_box(&mistyped)));
    });
    group.finish();
}
