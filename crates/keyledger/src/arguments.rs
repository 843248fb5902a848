//! The command line: what there is to ask for. Each command keeps its own options in its module.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use ledger::AsOf;

use crate::command::Command;
use crate::exit::misuse;
use crate::key_file::Exposed;
use crate::print;

/// An API-key service whose every change is an event in a log that cannot be rewritten.
#[derive(Debug, Parser)]
#[command(name = "keyledger", version, propagate_version = true, max_term_width = 100)]
#[command(after_long_help = "\
Start here:
  keyledger serve                                             # makes ./keyledger-data
  keyledger token --account acme --subject ann --role owner   # a token, on the last line
  export KEYLEDGER_TOKEN=…                                    # that token
  keyledger keys create --name ci                             # a key, and its secret once
  keyledger events                                            # what happened

Every option but --accept-rollback has an environment variable; an option wins over its variable.
Exit codes: 0 done, 1 refused or found bad, 2 asked wrongly, 3 the server is not reached;
`audit` has others for what it finds.")]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The data directory.
#[derive(Args, Clone, Debug)]
pub(crate) struct Data {
    /// The data directory
    #[arg(long, env = "KEYLEDGER_DATA", value_name = "DIR", default_value = "./keyledger-data")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) secrets: Secrets,
}

/// How files with secrets are taken.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Secrets {
    /// Go on though others may read token.key, log.key or another file with a secret: where
    /// permissions cannot be set, and something else keeps others out
    #[arg(long, env = "KEYLEDGER_INSECURE_FILES")]
    insecure_files: bool,
}

impl Secrets {
    /// What becomes of one that others may read.
    pub(crate) fn exposed(self) -> Exposed {
        if self.insecure_files { Exposed::Accepted } else { Exposed::Refused }
    }
}

/// A server, and who one is there.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct Remote {
    /// The server
    #[arg(long, env = "KEYLEDGER_URL", default_value = "http://127.0.0.1:7070")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) bearer: Bearer,
}

/// Who one is at a server.
#[derive(Args, Debug)]
pub(crate) struct Bearer {
    /// A token, as `keyledger token` makes it; other users of this machine may see it in the list
    /// of processes, so better keep it in the variable or in a file
    #[arg(long, env = "KEYLEDGER_TOKEN", value_name = "JWT")]
    pub(crate) token: Option<String>,
    /// A file with the token in it; goes before --token and its variable
    #[arg(long, env = "KEYLEDGER_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// JSON instead of a table.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Json {
    /// Print JSON
    #[arg(long, env = "KEYLEDGER_JSON", help_heading = "Output")]
    pub(crate) json: bool,
}

/// A moment to look back to.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct LookBack {
    /// As it was right after this record (`seq:N`), or at this time
    #[arg(long, value_name = "seq:N|TIME")]
    pub(crate) as_of: Option<AsOf>,
}

/// Reads the command line. Help, versions and misuse end the process here, as clap has it.
pub(crate) fn parse() -> Result<Arguments> {
    if let Some(name) =
        variables_of(COMMAND_LINE_ONLY).find(|name| std::env::var_os(name).is_some())
    {
        return Err(misuse(format!(
            "{name} changes nothing: --{COMMAND_LINE_ONLY} is for one start, on its command line"
        )));
    }
    let matches = command().try_get_matches().unwrap_or_else(|error| told(&error));
    warn_of_secrets(&matches);
    Ok(Arguments::from_arg_matches(&matches)?)
}

/// The option that has no variable: in the environment it would stay for every later start.
const COMMAND_LINE_ONLY: &str = "accept-rollback";

/// The variables that an option of `serve` may be looked for under.
fn variables_of(long: &str) -> impl Iterator<Item = String> + use<> {
    let name = screaming(long);
    ["KEYLEDGER", "KEYLEDGER_SERVE"].into_iter().map(move |prefix| format!("{prefix}_{name}"))
}

/// Ends the process as clap does: with help, or with what is wrong and no key in it.
fn told(error: &clap::Error) -> ! {
    let text = error.to_string();
    if !error.use_stderr() || !keys::contains_key(&text) {
        error.exit();
    }
    print::raw_error(text.trim_end());
    std::process::exit(error.exit_code());
}

/// Says that what is on a command line is in the list of processes, for all to see.
fn warn_of_secrets(matches: &clap::ArgMatches) {
    let typed = |name| {
        matches.try_contains_id(name).is_ok()
            && matches.value_source(name) == Some(ValueSource::CommandLine)
    };
    if typed("token") {
        print::warn(
            "other users of this machine can see a token on a command line; better set \
             KEYLEDGER_TOKEN or give --token-file",
        );
    }
    if let Some((_, matches)) = matches.subcommand() {
        warn_of_secrets(matches);
    }
}

/// The command line, with an environment variable for every option.
pub(crate) fn command() -> clap::Command {
    with_variables(Arguments::command(), "KEYLEDGER")
}

/// Gives every option that has no variable yet the one of its command and name:
/// `keys create --daily-limit` is `KEYLEDGER_KEYS_CREATE_DAILY_LIMIT`.
fn with_variables(command: clap::Command, prefix: &str) -> clap::Command {
    let command = command.mut_args(|option| {
        let Some(long) = option.get_long() else { return option };
        if long == COMMAND_LINE_ONLY {
            return option;
        }
        let option = if option.get_env().is_none() {
            let name = format!("{prefix}_{}", screaming(long));
            option.env(name)
        } else {
            option
        };
        // A variable may hold a secret, and help is pasted into tickets.
        option.hide_env_values(true)
    });
    command.mut_subcommands(|command| {
        let prefix = format!("{prefix}_{}", screaming(command.get_name()));
        with_variables(command, &prefix)
    })
}

fn screaming(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

/// One of a closed set of words, which help and completions then list.
pub(crate) fn one_of<T: Display>(words: impl IntoIterator<Item = T>) -> PossibleValuesParser {
    let words = words.into_iter().map(|word| PossibleValue::new(word.to_string()));
    PossibleValuesParser::new(words)
}

/// Reads `30s`, `15m`, `1h` or `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as 30s, 15m, 1h or 7d".to_owned();
    let digits = text.find(|one: char| !one.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// Reads `16MiB`, `1GB` or a number of bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "write it as 16MiB, 1GB or a number of bytes".to_owned();
    let digits = text.find(|one: char| !one.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let one = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(one).ok_or_else(wrong)
}

/// Reads `name=value`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_option_has_a_variable_and_none_means_two_things() {
        fn visit(command: &clap::Command, path: &str, seen: &mut Vec<(String, String)>) {
            for option in command.get_arguments() {
                let Some(long) = option.get_long() else { continue };
                if matches!(long, "help" | "version" | COMMAND_LINE_ONLY) {
                    continue;
                }
                let variable = option.get_env().unwrap_or_default().to_string_lossy();
                assert!(variable.starts_with("KEYLEDGER_"), "{path} --{long}");
                seen.push((variable.into_owned(), long.to_owned()));
            }
            for command in command.get_subcommands() {
                visit(command, &format!("{path} {}", command.get_name()), seen);
            }
        }
        let mut seen = Vec::new();
        visit(&command(), "keyledger", &mut seen);
        seen.sort();
        seen.dedup();
        for two in seen.windows(2) {
            assert_ne!(two[0].0, two[1].0, "{two:?}");
        }
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("16MiB"), Ok(16 << 20));
        assert_eq!(bytes("2GB"), Ok(2_000_000_000));
        for bad in ["", "MiB", "1mb", "-1", "1.5GB", "99999999999999999999", "20000000000GB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "5", "s", "5y", "-1s", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
