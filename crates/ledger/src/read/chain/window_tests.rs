//! A window gives the records of the log.

use eventlog::memory::MemoryLog;
use eventlog::{Log, Seq};

use super::window::Window;
use crate::testing::Dice;

/// Whatever the order, near or far, up or down.
#[test]
fn a_record_of_the_window_is_the_one_of_the_log() {
    let log = MemoryLog::new();
    let records: Vec<_> = (0..400_u32).map(|n| n.to_le_bytes().to_vec()).collect();
    log.append(Seq(0), &records, &[]).unwrap();
    for seed in 1..200 {
        let (mut dice, mut window, mut seq) = (Dice(seed), Window::default(), 0_u64);
        for _ in 0..50 {
            seq = match dice.roll(4) {
                0 => dice.roll(420),
                1 => seq.saturating_add(dice.roll(40)),
                _ => seq.saturating_sub(dice.roll(40)),
            };
            let found = window.record(&log, Seq(seq)).unwrap();
            let plain = log.read(Seq(seq), 1).unwrap().pop();
            assert_eq!(found, plain, "seed {seed}, {seq}");
        }
    }
}
