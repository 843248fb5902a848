//! `keyledger completions`: the script that makes a shell complete the command line.

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use crate::exit::Exit;
use crate::print;

/// Print what makes a shell complete this command line
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keyledger completions bash > ~/.local/share/bash-completion/completions/keyledger
  keyledger completions zsh > ~/.zfunc/_keyledger
  keyledger completions fish > ~/.config/fish/completions/keyledger.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(options: &Completions, command_line: &mut clap::Command) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, command_line, "keyledger", &mut script);
    print::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Fine)
}
