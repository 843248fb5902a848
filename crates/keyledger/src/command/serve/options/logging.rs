//! The options about the log on stderr.

use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::option_values::one_of;

/// The log on stderr.
#[derive(Args, Debug)]
#[command(next_help_heading = "The log on stderr")]
pub(crate) struct Logging {
    /// How the log on stderr is written
    #[arg(long = "log-format", env = "KEYLEDGER_LOG_FORMAT", value_enum, default_value = "text")]
    pub(crate) format: LogFormat,
    /// How much is logged; of libraries never more than warnings
    #[arg(
        long = "log-level",
        env = "KEYLEDGER_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info",
        value_parser = log_level()
    )]
    pub(crate) level: LevelFilter,
}

/// How the log on stderr is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// An object a line
    Json,
}

fn log_level() -> impl TypedValueParser<Value = LevelFilter> {
    one_of(["error", "warn", "info", "debug", "trace"])
        .try_map(|level| level.parse::<LevelFilter>())
}
