//! The options about dialects.

use clap::Args;
use clap::builder::TypedValueParser;
use keys::Dialect;

use crate::option_values::one_of;

/// Dialects.
#[derive(Args, Debug)]
#[command(next_help_heading = "Dialects")]
pub(crate) struct Dialects {
    /// The dialect that is served at / too, for clients that can change only the host
    #[arg(long, env = "KEYLEDGER_ROOT_DIALECT", value_name = "NAME", value_parser = dialect())]
    pub(crate) root_dialect: Option<Dialect>,
    /// How often a new key of the dialect cloudsigma may be used on one UTC day
    #[arg(
        long,
        env = "KEYLEDGER_CLOUDSIGMA_DAILY_LIMIT",
        value_name = "COUNT",
        default_value_t = 250,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) cloudsigma_daily_limit: u32,
}

/// Reads the name of a dialect other than the native API, which is at `/` anyway.
fn dialect() -> impl TypedValueParser<Value = Dialect> {
    let dialects = Dialect::ALL.iter().filter(|dialect| **dialect != Dialect::Native);
    one_of(dialects).try_map(|name| name.parse::<Dialect>())
}
