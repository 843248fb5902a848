//! Policies: what is one, and who is a quorum.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tlog::Checkpoint;
use tlog::cosignature::Cosigner;
use tlog::note::{Note, NoteError, Signer};
use tlog::policy::{MAX_POLICY, NoQuorum, Policy, Quorum};

use crate::samples::{ORIGIN, root_at, signer, tree};

fn witness(place: u8) -> Cosigner {
    Cosigner::from_seed(&format!("w{place}.example"), &[100 + place; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(ORIGIN, 3, root_at(&tree(3), 3).unwrap()).unwrap()
}

/// The checkpoint, cosigned by these witnesses at these times.
fn cosigned(by: &[(u8, u64)]) -> Note {
    let mut note = Note::parse(checkpoint().sign(&signer()).unwrap().as_bytes()).unwrap();
    for (place, time_s) in by {
        note.add(witness(*place).cosign(&checkpoint(), *time_s).unwrap()).unwrap();
    }
    note
}

/// Lines in which `{log}` and `{0}` to `{9}` are keys.
fn parse(lines: &str) -> Result<Policy, String> {
    let mut text = lines.replace("{log}", &signer().verifier_key().to_string());
    for place in 0..10 {
        text = text.replace(&format!("{{{place}}}"), &witness(place).verifier_key().to_string());
    }
    Policy::parse(text.as_bytes()).map_err(|error| error.to_string())
}

/// The example of the document.
const EXAMPLE: &str = "log {log}

witness X1 {1}
witness X2 {2}
witness X3 {3}
group X-witnesses 2 X1 X2 X3

witness Y1 {4}
witness Y2 {5}
witness Y3 {6}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
";

#[test]
fn the_documents_example_needs_two_of_x_and_one_of_y() {
    let policy = parse(EXAMPLE).unwrap();
    assert_eq!(policy.logs(), [signer().verifier_key().clone()]);
    for (by, times) in [
        (&[(1, 10), (2, 20), (4, 30)][..], Some((10, 30))),
        (&[(1, 10), (2, 20), (3, 30), (6, 40)], Some((20, 40))),
        (&[(4, 1), (5, 9), (1, 3), (2, 5)], Some((3, 5))),
        // One more line of the same witness is nothing more.
        (&[(1, 10), (1, 20), (4, 30)], None),
        (&[(1, 10), (2, 20), (3, 30)], None),
        (&[(1, 10), (4, 20), (5, 30), (6, 40)], None),
        (&[(7, 10), (8, 20), (9, 30)], None),
        (&[], None),
    ] {
        let judged = policy.judge(&cosigned(by));
        let found = judged.as_ref().ok().and_then(|q| Some((q.fresh_s?, q.existed_s?)));
        assert_eq!(found, times, "{by:?} {judged:?}");
    }
    let refused = policy.judge(&cosigned(&[(1, 10), (4, 20)])).unwrap_err().to_string();
    assert_eq!(refused, "no quorum of witnesses has cosigned it, but only Y1, X1");
    let refused = policy.judge(&cosigned(&[])).unwrap_err().to_string();
    assert!(refused.ends_with("but none at all"), "{refused}");
}

#[test]
fn a_bad_cosignature_spoils_a_note_and_an_unfamiliar_one_does_not() {
    let policy = parse("witness a {1}\nwitness b {2}\ngroup g any a b\nquorum g\n").unwrap();
    let mut other = cosigned(&[(1, 10), (9, 10)]);
    assert_eq!(policy.judge(&other).unwrap().cosigned.len(), 1);
    let elsewhere = Checkpoint::new(ORIGIN, 4, root_at(&tree(4), 4).unwrap()).unwrap();
    other.add(witness(2).cosign(&elsewhere, 10).unwrap()).unwrap();
    let refused = policy.judge(&other).unwrap_err();
    assert!(matches!(refused, NoQuorum::Note(NoteError::BadSignature { .. })), "{refused}");
}

#[test]
fn a_policy_without_a_quorum_needs_nobody() {
    let policy = parse("# nobody\nwitness a {1}\n\t quorum\tnone \n").unwrap();
    let Quorum { cosigned: by, fresh_s, existed_s } = policy.judge(&cosigned(&[(1, 5)])).unwrap();
    assert_eq!((by.len(), fresh_s, existed_s), (1, None, None));
    policy.judge(&cosigned(&[])).unwrap();
}

#[test]
fn what_is_no_policy_is_refused_with_its_line() {
    for (lines, line, words) in [
        ("", 1, "no quorum"),
        ("witness a {1}\n", 1, "no quorum"),
        ("quorum none", 1, "no newline"),
        ("quorum none\n\nquorum none\n", 3, "second quorum"),
        ("quorum a\nwitness a {1}\n", 1, "no line before"),
        ("witness a {1}\ngroup g any a b\nquorum g\n", 2, "no line before"),
        ("group g any g\nquorum g\n", 1, "no line before"),
        ("witness a {1}\ngroup g any a a\nquorum g\n", 2, "in a group already"),
        ("witness a {1}\ngroup g any a\ngroup h any a g\nquorum h\n", 3, "in a group already"),
        ("witness a {1}\ngroup g any none\nquorum g\n", 2, "no line before"),
        ("witness a {1}\ngroup g 0 a\nquorum g\n", 2, "from 1"),
        ("witness a {1}\ngroup g 2 a\nquorum g\n", 2, "from 1"),
        ("witness a {1}\ngroup g 01 a\nquorum g\n", 2, "from 1"),
        ("witness a {1}\ngroup g -1 a\nquorum g\n", 2, "from 1"),
        ("witness a {1}\ngroup g most a\nquorum g\n", 2, "from 1"),
        ("witness a {1}\ngroup g any\nquorum g\n", 2, "too few"),
        ("witness a {1}\nwitness a {2}\nquorum a\n", 2, "defined already"),
        ("witness none {1}\nquorum none\n", 1, "the name none"),
        ("witness a {1}\nwitness b {1}\nquorum a\n", 2, "key of another"),
        ("log {log}\nlog {log}\nquorum none\n", 2, "key of another"),
        ("log {1}\nquorum none\n", 1, "not the key of a log"),
        ("witness a {log}\nquorum a\n", 1, "not the key of a witness"),
        ("witness a w+00000000+AAAA\nquorum a\n", 1, "unknown algorithm"),
        ("witness a {1} https://w.example more\nquorum a\n", 1, "too many"),
        ("log\nquorum none\n", 1, "too few"),
        ("quorum\n", 1, "too few"),
        ("Quorum none\n", 1, "neither"),
        ("quorum none\r\n", 1, "control character"),
        ("# a comment\u{7f}\nquorum none\n", 1, "control character"),
    ] {
        let refused = parse(lines).unwrap_err();
        assert!(refused.starts_with(&format!("line {line}: ")), "{lines:?}: {refused}");
        assert!(refused.contains(words), "{lines:?}: {refused}");
    }
    // A key of the same bytes under another name is the same key.
    let twin = Signer::from_seed("other.example", &[7; 32]).unwrap();
    let lines = format!("log {{log}}\nlog {}\nquorum none\n", twin.verifier_key());
    assert!(parse(&lines).unwrap_err().contains("key of another"));
    assert!(Policy::parse(&vec![b'\n'; MAX_POLICY + 1]).is_err());
}

#[test]
fn urls_comments_blanks_and_any_bytes_in_names_are_taken() {
    parse("log {log} https://log.example\nwitness a {1} https://w.example/x\nquorum a\n").unwrap();
    let key = witness(1).verifier_key().to_string();
    let mut text = b"\t # caf\xe9\nwitness \xff\xe9 ".to_vec();
    text.extend_from_slice(key.as_bytes());
    text.extend_from_slice(b"\nquorum \xff\xe9\n");
    assert_eq!(Policy::parse(&text).unwrap().witnesses().len(), 1);
    let other = [text.strip_suffix(b"\xe9\n").unwrap(), b"\xe8\n"].concat();
    assert!(Policy::parse(&other).is_err());
    // As many as the document recommends, and more.
    let names: Vec<String> = (0..10).map(|place| format!("w{place}")).collect();
    let mut lines: String =
        (0..10).map(|place| format!("witness w{place} {{{place}}}\n")).collect();
    lines += &format!("group g0 any {}\n", names.join(" "));
    (1..100).for_each(|g| lines += &format!("group g{g} all g{}\n", g - 1));
    let policy = parse(&(lines + "quorum g99\n")).unwrap();
    assert_eq!(policy.judge(&cosigned(&[(7, 5)])).unwrap().fresh_s, Some(5));
}

/// A tree of groups over witnesses 0 to 9, each used once: names with thresholds.
#[derive(Clone, Debug)]
enum Rule {
    Witness,
    Group(usize, Vec<Rule>),
}

fn rule() -> impl Strategy<Value = Rule> {
    Just(Rule::Witness).prop_recursive(3, 10, 4, |inner| {
        proptest::collection::vec(inner, 1..4).prop_flat_map(|members| {
            (1..=members.len()).prop_map(move |most| Rule::Group(most, members.clone()))
        })
    })
}

/// Writes a rule and returns its name; witnesses are numbered as they come.
fn write(rule: &Rule, lines: &mut String, witnesses: &mut u8, groups: &mut u8) -> Option<String> {
    match rule {
        Rule::Witness => {
            let place = *witnesses;
            *witnesses += 1;
            *lines += &format!("witness w{place} {{{place}}}\n");
            (place < 10).then(|| format!("w{place}"))
        }
        Rule::Group(least, members) => {
            let names: Option<Vec<String>> =
                members.iter().map(|member| write(member, lines, witnesses, groups)).collect();
            let name = format!("g{groups}");
            *groups += 1;
            *lines += &format!("group {name} {least} {}\n", names?.join(" "));
            Some(name)
        }
    }
}

/// Whether a rule holds of those who cosigned: by plain recursion.
fn holds(rule: &Rule, cosigned: &BTreeMap<u8, u64>, next: &mut u8) -> bool {
    match rule {
        Rule::Witness => {
            *next += 1;
            cosigned.contains_key(&(*next - 1))
        }
        Rule::Group(least, members) => {
            let counts = members.iter().map(|member| holds(member, cosigned, next));
            counts.filter(|holds| *holds).count() >= *least
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_quorum_is_what_the_groups_say(
        rule in rule(),
        by in proptest::collection::btree_map(0..10_u8, 1..50_u64, 0..8),
    ) {
        let (mut lines, mut witnesses, mut groups) = (String::new(), 0, 0);
        let Some(name) = write(&rule, &mut lines, &mut witnesses, &mut groups) else { return Ok(()) };
        prop_assume!(witnesses <= 10);
        let policy = parse(&format!("{lines}quorum {name}\n")).unwrap();
        let list: Vec<(u8, u64)> = by.clone().into_iter().collect();
        let judged = policy.judge(&cosigned(&list));
        prop_assert_eq!(judged.is_ok(), holds(&rule, &by, &mut 0));
        let Ok(quorum) = judged else { return Ok(()) };
        // The moments are as far apart from now, and from the beginning, as they can be.
        let (fresh, existed) = (quorum.fresh_s.unwrap(), quorum.existed_s.unwrap());
        let only = |counts: &dyn Fn(u64) -> bool| {
            let some = by.iter().filter(|(_, time)| counts(**time)).map(|(w, time)| (*w, *time));
            holds(&rule, &some.collect(), &mut 0)
        };
        prop_assert!(only(&|time| time >= fresh) && !only(&|time| time > fresh));
        prop_assert!(only(&|time| time <= existed) && !only(&|time| time < existed));
    }

    #[test]
    fn any_bytes_are_a_policy_or_refused(
        bytes in "((log|witness|group|quorum|none|any|all|[0-9#a-c])[ \t\n]{1,2}){0,12}",
        more in any::<Vec<u8>>(),
    ) {
        let _ = Policy::parse(bytes.as_bytes());
        let _ = Policy::parse(&more);
    }
}
