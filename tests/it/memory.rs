//! What is left of secrets in the memory of the service.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;

use memchr::memmem;

use crate::support::{Service, until};

/// How many of `texts` stand anywhere in what the process may write to; `None` if this user may
/// not look. (Who serves as somebody else than root is protected from that, too.)
fn found(service: &Service, texts: &[String]) -> Option<usize> {
    let of = |file| File::open(format!("/proc/{}/{file}", service.pid())).ok();
    let (maps, memory) = (of("maps")?, of("mem")?);
    let mut regions = Vec::new();
    for line in BufReader::new(maps).lines().map_while(Result::ok) {
        let mut fields = line.split_whitespace();
        let (range, access) = (fields.next()?, fields.next()?);
        let (from, to) = range.split_once('-')?;
        if access.starts_with("rw") {
            let number = |text| u64::from_str_radix(text, 16).ok();
            regions.push((number(from)?, number(to)?));
        }
    }
    let mut is_found = vec![false; texts.len()];
    for (from, to) in regions {
        let mut bytes = vec![0; usize::try_from(to - from).ok()?];
        // Some regions of the kernel's own cannot be read, and some are gone by now.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            for (text, found) in texts.iter().zip(&mut is_found) {
                *found |= memmem::find(&bytes, text.as_bytes()).is_some();
            }
        }
    }
    Some(is_found.into_iter().filter(|found| *found).count())
}

#[test]
fn the_secrets_of_new_keys_are_forgotten_once_they_are_sent() {
    let service = Service::start();
    let owner = service.client("owner");
    let name = "a name that the service remembers as long as it runs";
    let body = format!(r#"{{"name":"{name}"}}"#);
    let secrets: Vec<_> = (0..20).map(|_| owner.create(&body).1).collect();
    if found(&service, &secrets).is_none() {
        println!("skipped: this user may not read the memory of the service");
        return;
    }
    // The last answer may still be on its way.
    until("they are forgotten", || found(&service, &secrets) == Some(0));
    // What is there is found.
    assert_eq!(found(&service, &[name.to_owned()]), Some(1));
}
