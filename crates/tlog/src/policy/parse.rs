//! Reading the text of a policy.

use std::collections::HashMap;

use super::{Node, Policy, PolicyWitness};
use crate::note::{Algorithm, KeyError, VerifierKey};
use crate::text::parse_decimal;

/// The longest policy that is read, in bytes.
pub const MAX_POLICY: usize = 1 << 20;

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct PolicyError {
    /// The line, from 1.
    line: usize,
    what: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Wrong {
    #[error("{0}")]
    Form(&'static str),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Policy {
    /// Reads a policy. URLs are read over.
    ///
    /// # Errors
    ///
    /// A [`PolicyError`] names the line.
    pub fn parse(text: &[u8]) -> Result<Policy, PolicyError> {
        let mut reading = Reading::default();
        let error = |line: usize| move |what: Wrong| PolicyError { line, what };
        if text.len() > MAX_POLICY {
            return Err(error(1)(Wrong::Form("the policy is longer than 1 MiB")));
        }
        let mut line = 0;
        for bytes in text.split_inclusive(|byte| *byte == b'\n') {
            line += 1;
            let bytes = bytes.strip_suffix(b"\n");
            let bytes =
                bytes.ok_or(Wrong::Form("the last line has no newline")).map_err(error(line))?;
            reading.line(bytes).map_err(error(line))?;
        }
        reading.finish().map_err(error(line.max(1)))
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading<'t> {
    logs: Vec<VerifierKey>,
    witnesses: Vec<PolicyWitness>,
    nodes: Vec<Node>,
    /// The node of each name, and whether it is a member of a group.
    names: HashMap<&'t [u8], (usize, bool)>,
    quorum: Option<usize>,
    /// Whether there is a line about the quorum; `none` has no node.
    has_quorum: bool,
}

impl<'t> Reading<'t> {
    fn line(&mut self, line: &'t [u8]) -> Result<(), Wrong> {
        let form = |what| Err(Wrong::Form(what));
        if line.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7F) {
            return form("a control character");
        }
        let items = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|item| !item.is_empty());
        let items: Vec<&[u8]> = items.collect();
        match items.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] | [b"log", key, _] => self.log(key),
            [b"witness", name, key] | [b"witness", name, key, _] => self.witness(name, key),
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            [b"quorum", name] => self.quorum(name),
            [b"log" | b"witness" | b"group" | b"quorum", ..] => form("too few or too many words"),
            _ => form("neither log, witness, group nor quorum"),
        }
    }

    fn log(&mut self, key: &[u8]) -> Result<(), Wrong> {
        let key = read_key(key, Algorithm::Ed25519, "not the key of a log")?;
        if self.logs.iter().any(|other| other.public_key() == key.public_key()) {
            return Err(Wrong::Form("a log with the key of another one"));
        }
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &'t [u8], key: &[u8]) -> Result<(), Wrong> {
        let key = read_key(key, Algorithm::Cosignature, "not the key of a witness")?;
        if self.witnesses.iter().any(|other| other.key.public_key() == key.public_key()) {
            return Err(Wrong::Form("a witness with the key of another one"));
        }
        self.define(name, Node::Witness(self.witnesses.len()))?;
        let name = String::from_utf8_lossy(name).into_owned();
        self.witnesses.push(PolicyWitness { name, key });
        Ok(())
    }

    fn group(&mut self, name: &'t [u8], threshold: &[u8], names: &[&'t [u8]]) -> Result<(), Wrong> {
        let threshold = match threshold {
            b"any" => Some(1),
            b"all" => Some(names.len()),
            digits => {
                let digits = str::from_utf8(digits).ok().and_then(parse_decimal);
                digits.and_then(|threshold| usize::try_from(threshold).ok())
            }
        };
        let threshold = threshold.filter(|threshold| (1..=names.len()).contains(threshold));
        let threshold = threshold.ok_or(Wrong::Form(
            "a group needs any, all, or a number from 1 to that of its members",
        ))?;
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let (node, is_member) = self
                .names
                .get_mut(name)
                .ok_or(Wrong::Form("a member that no line before defines"))?;
            if *is_member {
                return Err(Wrong::Form("a member that is in a group already"));
            }
            *is_member = true;
            members.push(*node);
        }
        self.define(name, Node::Group { threshold, members })
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), Wrong> {
        let node = match name {
            b"none" => None,
            name => {
                let (node, _) = self
                    .names
                    .get(name)
                    .ok_or(Wrong::Form("a quorum that no line before defines"))?;
                Some(*node)
            }
        };
        if self.has_quorum {
            return Err(Wrong::Form("a second quorum"));
        }
        (self.quorum, self.has_quorum) = (node, true);
        Ok(())
    }

    fn define(&mut self, name: &'t [u8], node: Node) -> Result<(), Wrong> {
        if name == b"none" {
            return Err(Wrong::Form("the name none means that there is no quorum"));
        }
        if self.names.insert(name, (self.nodes.len(), false)).is_some() {
            return Err(Wrong::Form("a name that is defined already"));
        }
        self.nodes.push(node);
        Ok(())
    }

    fn finish(self) -> Result<Policy, Wrong> {
        let Reading { logs, witnesses, nodes, quorum, has_quorum, .. } = self;
        if !has_quorum {
            return Err(Wrong::Form("there is no quorum"));
        }
        Ok(Policy { logs, witnesses, nodes, quorum })
    }
}

fn read_key(text: &[u8], algorithm: Algorithm, wrong: &'static str) -> Result<VerifierKey, Wrong> {
    let text = str::from_utf8(text).map_err(|_| KeyError::Malformed)?;
    let key: VerifierKey = text.parse()?;
    if key.algorithm() == algorithm { Ok(key) } else { Err(Wrong::Form(wrong)) }
}
