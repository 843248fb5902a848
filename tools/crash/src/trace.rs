//! What strace wrote, read: was every acknowledgement on a socket preceded by a sync that covers it?

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};

/// The system calls that [`judge`] wants to see.
pub(crate) const CALLS: &str =
    "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fdatasync";

/// What is known of the file of the log, by lines of the trace.
#[derive(Default)]
struct Log {
    /// Where the last write to it ended.
    written: usize,
    /// Of the last sync that succeeded: where the last write before it had ended.
    covered: usize,
}

/// What is known of a socket.
#[derive(Default)]
struct Socket {
    /// Whether the request that is under way is a change.
    change: bool,
    /// Where the last of it was read.
    read: usize,
}

/// A system call that has begun.
struct Call {
    name: String,
    /// The rest of its line: arguments, and when it has ended, its result.
    text: String,
    /// Of a sync: the end of the last write before it began.
    before: usize,
}

/// Reads the output of `strace -f -y` with [`CALLS`] for a service whose log is the file `db`.
/// Gives the number of changes that were acknowledged.
///
/// An acknowledgement is covered when, after the last bytes of its request were read, something
/// was written to the log, and a sync of the log that began after that write has succeeded before
/// the answer was handed to the system.
///
/// # Errors
///
/// The line of an acknowledgement that is not covered.
pub(crate) fn judge(trace: &str, db: &str) -> Result<usize> {
    let mut log = Log::default();
    let mut sockets: HashMap<String, Socket> = HashMap::new();
    let mut begun: HashMap<&str, Call> = HashMap::new();
    let mut acknowledged = 0;
    for (number, line) in (1..).zip(trace.lines()) {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        let (call, starts, ends) = if let Some(rest) = rest.strip_prefix("<... ") {
            let Some(mut call) = begun.remove(thread) else { continue };
            let (_, more) = rest.split_once(" resumed>").context("a line without `resumed>`")?;
            call.text.push_str(more);
            (call, false, true)
        } else {
            let Some((name, text)) = rest.split_once('(') else { continue };
            let (text, ends) = match text.strip_suffix(" <unfinished ...>") {
                Some(text) => (text, false),
                None => (text, true),
            };
            let (name, text) = (name.to_owned(), text.to_owned());
            (Call { name, text, before: log.written }, true, ends)
        };
        if starts && is_answer(&call) {
            let socket = sockets.entry(file(&call.text).to_owned()).or_default();
            if std::mem::take(&mut socket.change) {
                if log.covered <= socket.read {
                    bail!("line {number} acknowledges what no sync covers: {line}");
                }
                acknowledged += 1;
            }
        }
        if ends {
            ended(&call, number, db, &mut log, &mut sockets);
        } else {
            begun.insert(thread, call);
        }
    }
    Ok(acknowledged)
}

/// Takes in a call that has ended in line `number`.
fn ended(
    call: &Call,
    number: usize,
    db: &str,
    log: &mut Log,
    sockets: &mut HashMap<String, Socket>,
) {
    let Some(result) = result(&call.text) else { return };
    let file = file(&call.text);
    match call.name.as_str() {
        "pwrite64" if file == db && result > 0 => log.written = number,
        "fdatasync" if file == db && result == 0 => log.covered = log.covered.max(call.before),
        "read" | "readv" | "recvfrom" | "recvmsg" if is_socket(file) && result > 0 => {
            let socket = sockets.entry(file.to_owned()).or_default();
            socket.read = number;
            // A body may come after its head.
            socket.change |= call.text.contains("\"POST /") || call.text.contains("\"DELETE /");
        }
        _ => {}
    }
}

/// Whether this call hands an acknowledgement to a socket.
fn is_answer(call: &Call) -> bool {
    matches!(call.name.as_str(), "write" | "writev" | "sendto" | "sendmsg")
        && is_socket(file(&call.text))
        && call.text.contains("\"HTTP/1.1 20")
}

fn is_socket(file: &str) -> bool {
    file.starts_with("socket:") || file.starts_with("TCP")
}

/// The file that the first argument names: `/a/b` in `9</a/b>, …`.
fn file(text: &str) -> &str {
    let Some((_, rest)) = text.split_once('<') else { return "" };
    rest.split_once('>').map_or("", |(file, _)| file)
}

/// What the call came to.
fn result(text: &str) -> Option<i64> {
    let (_, result) = text.rsplit_once(" = ")?;
    result.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str =
        r#"7 recvfrom(10<socket:[5]>, "POST /v1/keys HTTP/1.1\r\n"..., 8192, 0, NULL, NULL) = 250"#;
    const WRITE: &str = r#"8 pwrite64(9</d/log/db>, "\1\2"..., 512, 4096) = 512"#;
    const SYNC: &str = "8 fdatasync(9</d/log/db>) = 0";
    const ANSWER: &str = r#"7 writev(10<socket:[5]>, [{iov_base="HTTP/1.1 201 Created\r\n"..., iov_len=99}], 1) = 99"#;

    fn check(lines: &[&str]) -> Option<usize> {
        judge(&lines.join("\n"), "/d/log/db").ok()
    }

    #[test]
    fn a_sync_after_the_write_covers() {
        assert_eq!(check(&[REQUEST, WRITE, SYNC, ANSWER]), Some(1));
        assert_eq!(check(&[REQUEST, WRITE, SYNC, ANSWER, REQUEST, WRITE, SYNC, ANSWER]), Some(2));
    }

    #[test]
    fn an_earlier_a_failed_or_another_files_sync_does_not() {
        assert_eq!(check(&[REQUEST, WRITE, ANSWER]), None);
        assert_eq!(check(&[WRITE, SYNC, REQUEST, ANSWER]), None);
        assert_eq!(check(&[REQUEST, SYNC, WRITE, ANSWER]), None);
        assert_eq!(check(&[WRITE, REQUEST, SYNC, ANSWER]), None);
        let failed = "8 fdatasync(9</d/log/db>) = -1 EIO (Input/output error)";
        assert_eq!(check(&[REQUEST, WRITE, failed, ANSWER]), None);
        let other = "8 fdatasync(9</d/guard>) = 0";
        assert_eq!(check(&[REQUEST, WRITE, other, ANSWER]), None);
        assert_eq!(check(&[REQUEST, WRITE, SYNC, ANSWER, REQUEST, ANSWER]), None);
    }

    #[test]
    fn a_sync_counts_from_its_beginning_to_its_end() {
        let begins = "8 fdatasync(9</d/log/db> <unfinished ...>";
        let ends = "8 <... fdatasync resumed>) = 0";
        assert_eq!(check(&[REQUEST, WRITE, begins, ends, ANSWER]), Some(1));
        assert_eq!(check(&[REQUEST, begins, WRITE, ends, ANSWER]), None);
        assert_eq!(check(&[REQUEST, WRITE, begins, ANSWER, ends]), None);
    }

    #[test]
    fn a_read_is_no_change_and_needs_no_sync() {
        let read = r#"7 recvfrom(10<socket:[5]>, "GET /v1/keys HTTP/1.1\r\n"..., 8192, 0, NULL, NULL) = 90"#;
        assert_eq!(check(&[read, ANSWER]), Some(0));
        let begins = "7 recvfrom(10<socket:[5]>, <unfinished ...>";
        let ends = r#"7 <... recvfrom resumed>"POST /v1/keys HTTP/1.1\r\n"..., 8192, 0, NULL, NULL) = 250"#;
        assert_eq!(check(&[begins, WRITE, SYNC, ends, ANSWER]), None);
    }
}
