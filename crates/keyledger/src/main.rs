//! keyledger
fn main() {}
