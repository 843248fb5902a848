//! The programs that the tests call. What is missing is installed where that can be done.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::cargo;

/// A program, and the Debian package that has it.
struct Tool {
    name: &'static str,
    /// What makes it answer at once.
    probe: &'static [&'static str],
    package: &'static str,
    /// What cannot be tested without it; `None`: what needs it says so and is left out.
    needed_for: Option<&'static str>,
}

/// What reads the API documents.
const DOCUMENTS: &str = "the check of the API documents";

const TOOLS: &[Tool] = &[
    Tool {
        name: "python3",
        probe: &["--version"],
        package: "python3",
        needed_for: Some("the second verifier of bundles"),
    },
    Tool {
        name: "openssl",
        probe: &["version"],
        package: "openssl",
        needed_for: Some("the second verifier of bundles"),
    },
    Tool {
        name: "python3",
        probe: &["-c", "import ensurepip, venv"],
        package: "python3-venv",
        needed_for: Some(DOCUMENTS),
    },
    Tool { name: "node", probe: &["--version"], package: "nodejs", needed_for: Some(DOCUMENTS) },
    Tool { name: "npm", probe: &["--version"], package: "npm", needed_for: Some(DOCUMENTS) },
    Tool { name: "cc", probe: &["--version"], package: "gcc", needed_for: None },
    Tool { name: "strace", probe: &["-V"], package: "strace", needed_for: None },
    Tool { name: "nginx", probe: &["-v"], package: "nginx-light", needed_for: None },
    Tool { name: "caddy", probe: &["version"], package: "caddy", needed_for: None },
    Tool { name: "mkfs.ext4", probe: &["-V"], package: "e2fsprogs", needed_for: None },
];

/// Sees to it that they are there.
///
/// # Errors
///
/// One is missing that the tests cannot do without, and it could not be installed.
pub(crate) fn install() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    println!("missing here, and wanted by the tests: {}", packages.join(", "));
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends"]).args(&packages);
    let installed = cargo::run_command(Command::new("apt-get").arg("update"))
        .and_then(|()| cargo::run_command(&mut install));
    if let Err(error) = installed {
        println!("they cannot be installed from here: {error:#}");
    }
    match self::missing().iter().find_map(|tool| Some((tool.package, tool.needed_for?))) {
        Some((package, what)) => bail!("install `{package}`, which {what} needs, then try again"),
        None => Ok(()),
    }
}

fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !answers(tool)).collect()
}

fn answers(tool: &Tool) -> bool {
    let mut command = Command::new(tool.name);
    command.args(tool.probe).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
