//! The command line as a whole: its commands, and an environment variable for every option.

use anyhow::Result;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::command::Command;
use crate::exit::misuse;
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
Exit codes: 0 done, 1 refused or found bad, 2 wrong usage, 3 the server is not reached;
`audit` has others for what it finds.")]
pub(crate) struct Arguments {
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Reads the command line. `--help`, `--version` and misuse end the process here, as in every clap
/// program.
pub(crate) fn parse() -> Result<Arguments> {
    if let Some(name) =
        variables_of(COMMAND_LINE_ONLY).find(|name| std::env::var_os(name).is_some())
    {
        return Err(misuse(format!(
            "{name} changes nothing: --{COMMAND_LINE_ONLY} is for one start, on its command line"
        )));
    }
    let matches = definition().try_get_matches().unwrap_or_else(|error| exit_with(&error));
    warn_of_secrets(&matches);
    Ok(Arguments::from_arg_matches(&matches)?)
}

/// The option without a variable: in the environment it would apply to every later start.
const COMMAND_LINE_ONLY: &str = "accept-rollback";

/// The variables that somebody might expect an option of `serve` to have.
fn variables_of(long: &str) -> impl Iterator<Item = String> + use<> {
    let name = screaming(long);
    ["KEYLEDGER", "KEYLEDGER_SERVE"].into_iter().map(move |prefix| format!("{prefix}_{name}"))
}

/// Ends the process as clap does, but with no API key in the message.
fn exit_with(error: &clap::Error) -> ! {
    let text = error.to_string();
    if !error.use_stderr() || !keys::contains_key(&text) {
        error.exit();
    }
    print::raw_error(text.trim_end());
    std::process::exit(error.exit_code());
}

/// Warns that other users can see a token on a command line in the list of processes.
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
pub(crate) fn definition() -> clap::Command {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn every_option_has_a_variable_and_none_means_two_things() {
        fn collect(command: &clap::Command, path: &str, seen: &mut Vec<(String, String)>) {
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
                collect(command, &format!("{path} {}", command.get_name()), seen);
            }
        }
        let mut seen = Vec::new();
        collect(&definition(), "keyledger", &mut seen);
        seen.sort();
        seen.dedup();
        for two in seen.windows(2) {
            assert_ne!(two[0].0, two[1].0, "{two:?}");
        }
    }
}
