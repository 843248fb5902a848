//! The options about connections.

use std::time::Duration;

use clap::Args;
use server::Limits;

use super::values::count;
use crate::option_values::duration;

/// Connections.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connections")]
pub(crate) struct Connections {
    /// How many connections each listener takes at once; past it only health checks and metrics
    /// are answered
    #[arg(
        long = "max-connections",
        env = "KEYLEDGER_MAX_CONNECTIONS",
        value_name = "COUNT",
        default_value_t = Limits::default().connections,
        value_parser = count
    )]
    pub(crate) max: usize,
    /// How many connections of one client address (for IPv6 one /64) it takes at once; a trusted
    /// proxy has no such bound
    #[arg(
        long = "max-connections-per-address",
        env = "KEYLEDGER_MAX_CONNECTIONS_PER_ADDRESS",
        value_name = "COUNT",
        default_value_t = Limits::default().connections_per_address,
        value_parser = count
    )]
    max_per_address: usize,
    /// How long requests under way may take once the service is stopping; then they are cut off
    #[arg(
        long,
        env = "KEYLEDGER_GRACE",
        value_name = "TIME",
        default_value = "30s",
        value_parser = duration
    )]
    grace: Duration,
}

impl Connections {
    /// What connections may take.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            connections: self.max,
            connections_per_address: self.max_per_address,
            grace: self.grace,
            ..Limits::default()
        }
    }
}
