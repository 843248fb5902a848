//! The name of this node.

use clap::Args;
use keys::NodeName;

/// This node.
#[derive(Args, Debug)]
#[command(next_help_heading = "This node")]
pub(crate) struct Node {
    /// The name of this node, in every record that it writes: letters, digits, '-', '_', '.' and ':'
    /// [default: the name of the host]
    #[arg(long = "node", env = "KEYLEDGER_NODE", value_name = "NAME")]
    node: Option<NodeName>,
}

impl Node {
    /// The name that was given, or that of the host as far as it is one.
    pub(crate) fn name(&self) -> NodeName {
        self.node.clone().unwrap_or_else(|| {
            let host = rustix::system::uname();
            named_after(&host.nodename().to_string_lossy())
        })
    }
}

/// A node's name from that of its host, whatever that is.
fn named_after(host: &str) -> NodeName {
    let lawful = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let host: String = host.chars().filter(|c| lawful(*c)).take(64).collect();
    NodeName::new(host).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_after_its_host() {
        let long = "x".repeat(70);
        for (host, name) in [
            ("db-1.example.com", "db-1.example.com"),
            ("", "node"),
            ("höst\n", "hst"),
            (&*long, &long[..64]),
        ] {
            assert_eq!(named_after(host).as_str(), name);
        }
    }
}
