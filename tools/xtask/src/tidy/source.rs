//! What one source file must keep to. It reads tokens, so neither a comment nor a string can
//! break a rule.

use std::path::Path;

use proc_macro2::{Delimiter, Group, LineColumn, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Finding;

/// The most lines a file may have.
const FILE_LINES: usize = 400;
/// The most lines a function may have, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;
/// Macros that mean "later".
const LATER: &[&str] = &["dbg", "todo", "unimplemented"];
/// Crates that are pure: no IO, no clock, not even the standard library's.
const PURE: &[&str] = &["crates/keys/src", "crates/tlog/src"];
/// What of `std` is IO, a clock or a thread.
const IMPURE: &[&str] = &["env", "fs", "process", "thread"];
/// Likewise, by the name of the type.
const IMPURE_TYPES: &[&str] = &["Instant", "SystemTime", "TcpListener", "TcpStream", "UdpSocket"];

/// Every broken rule in `text`, which is the file at `path` (relative to the root).
pub(super) fn check(path: &Path, text: &str) -> Vec<Finding> {
    let mut found = Found { path, findings: Vec::new() };
    let lines = text.lines().count();
    if lines > FILE_LINES {
        found.at(lines, format!("{lines} lines; {FILE_LINES} is the limit: split it by role"));
    }
    let in_src =
        path.starts_with("crates") && path.components().any(|part| part.as_os_str() == "src");
    if in_src && !text.starts_with("//!") {
        found.at(1, "begin with `//!`: what this module is, and what it does not know".to_owned());
    }
    let parsed = text.parse::<TokenStream>().map_err(syn::Error::from).and_then(|tokens| {
        found.later(tokens.clone());
        syn::parse2::<syn::File>(tokens)
    });
    match parsed {
        Ok(file) => {
            Functions { found: &mut found }.visit_file(&file);
            if PURE.iter().any(|folder| path.starts_with(folder)) && !path.ends_with("tests.rs") {
                Purity { found: &mut found }.visit_file(&file);
            }
        }
        Err(error) => found.at(error.span().start().line, format!("does not parse: {error}")),
    }
    found.findings
}

/// The findings of one file.
struct Found<'a> {
    path: &'a Path,
    findings: Vec<Finding>,
}

impl Found<'_> {
    fn at(&mut self, line: usize, what: String) {
        self.findings.push(Finding { path: self.path.to_path_buf(), line, what });
    }

    /// Looks for code that puts work off, inside macro calls too.
    fn later(&mut self, tokens: TokenStream) {
        let mut before = [None, None];
        for token in tokens {
            if let TokenTree::Group(group) = &token {
                self.macro_call(&before, group);
                self.attribute(&before, group);
                self.later(group.stream());
            }
            let [_, last] = before;
            before = [last, Some(token)];
        }
    }

    /// `todo!(…)` and its kin: a name and a `!` before a group.
    fn macro_call(&mut self, before: &[Option<TokenTree>; 2], group: &Group) {
        let [Some(TokenTree::Ident(name)), Some(TokenTree::Punct(bang))] = before else { return };
        if bang.as_char() == '!' && LATER.iter().any(|later| name == later) {
            let line = name.span().start().line.min(group.span_open().start().line);
            self.at(line, format!("`{name}!` is left behind: write the code or take it out"));
        }
    }

    /// `#[ignore]`, also under a `cfg_attr`.
    fn attribute(&mut self, before: &[Option<TokenTree>; 2], group: &Group) {
        let [_, Some(TokenTree::Punct(hash))] = before else { return };
        if hash.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
            return;
        }
        let mut inside = group.stream().into_iter();
        let Some(TokenTree::Ident(name)) = inside.next() else { return };
        let hidden = name == "cfg_attr"
            && inside.any(|token| {
                let TokenTree::Group(inner) = token else { return false };
                inner
                    .stream()
                    .into_iter()
                    .any(|one| matches!(one, TokenTree::Ident(ident) if ident == "ignore"))
            });
        if name == "ignore" || hidden {
            let what = "an ignored test is no test: make it pass or take it out";
            self.at(group.span_open().start().line, what.to_owned());
        }
    }
}

/// Measures every function, nested ones too.
struct Functions<'a, 'b> {
    found: &'a mut Found<'b>,
}

impl Functions<'_, '_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first: LineColumn = signature.span().start();
        let lines = body.span().end().line.saturating_sub(first.line) + 1;
        if lines > FUNCTION_LINES {
            let name = &signature.ident;
            let what =
                format!("`fn {name}` has {lines} lines; {FUNCTION_LINES} is the limit: split it");
            self.found.at(first.line, what);
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_, '_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.measure(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// Looks for the parts of `std` that a pure crate has no use for, its tests excepted.
struct Purity<'a, 'b> {
    found: &'a mut Found<'b>,
}

impl Purity<'_, '_> {
    fn path(&mut self, names: &[String], line: usize) {
        let std = names.first().is_some_and(|name| name == "std");
        let module = names.get(1).is_some_and(|name| IMPURE.contains(&name.as_str()));
        let by_type = names.iter().any(|name| IMPURE_TYPES.contains(&name.as_str()));
        if std && (module || by_type) {
            let what = format!("`{}` in a pure crate: take it as an argument", names.join("::"));
            self.found.at(line, what);
        }
    }

    fn uses(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.uses(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.path(&with(&name.ident), name.span().start().line),
            syn::UseTree::Rename(name) => self.path(&with(&name.ident), name.span().start().line),
            syn::UseTree::Glob(glob) => self.path(before, glob.span().start().line),
            syn::UseTree::Group(group) => {
                for inner in &group.items {
                    self.uses(before, inner);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Purity<'_, '_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
        };
        if !item.attrs.iter().any(test) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.uses(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|one| one.ident.to_string()).collect();
        self.path(&names, path.span().start().line);
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(path: &str, text: &str) -> Vec<String> {
        check(Path::new(path), text).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_file_in_order_is_left_alone() {
        let text =
            "//! A module.\n\n/// Says `todo!()`.\nfn f() -> &'static str {\n    \"dbg!(1)\"\n}\n";
        assert_eq!(sentences("crates/keys/src/a.rs", text), Vec::<String>::new());
    }

    #[test]
    fn a_module_says_what_it_is() {
        let nothing = Vec::<String>::new();
        let want = "crates/keys/src/a.rs:1: begin with `//!`: what this module is, and what it does not know";
        assert_eq!(sentences("crates/keys/src/a.rs", "fn f() {}\n"), [want]);
        assert_eq!(sentences("crates/keys/tests/a.rs", "fn f() {}\n"), nothing);
        assert_eq!(sentences("tools/load/src/a.rs", "fn f() {}\n"), nothing);
    }

    #[test]
    fn a_file_has_400_lines_at_most() {
        let text = "//! A module.\n".to_owned() + &"// one\n".repeat(399);
        assert!(sentences("a.rs", &text).is_empty());
        let text = text + "// one more\n";
        assert_eq!(
            sentences("a.rs", &text),
            ["a.rs:401: 401 lines; 400 is the limit: split it by role"]
        );
    }

    #[test]
    fn a_function_has_70_lines_at_most() {
        let of =
            |lines: usize, head: &str| format!("{head} {{\n{}}}\n", "    g();\n".repeat(lines - 2));
        assert!(sentences("a.rs", &of(70, "/// Doc.\n#[inline]\nfn f()")).is_empty());
        let want = "a.rs:3: `fn f` has 71 lines; 70 is the limit: split it";
        assert_eq!(sentences("a.rs", &of(71, "/// Doc.\n#[inline]\nfn f()")), [want]);
        for wrapped in ["impl A { BODY }", "trait A { BODY }", "mod a { BODY }", "fn g() { BODY }"]
        {
            let text = wrapped.replace("BODY", &of(71, "fn f()"));
            let found = sentences("a.rs", &text);
            assert!(found.iter().any(|one| one.contains("`fn f` has 71 lines")), "{wrapped}");
        }
    }

    #[test]
    fn nothing_is_left_for_later() {
        for (text, name) in [
            ("fn f() {\n    todo!()\n}\n", "todo"),
            ("fn f() {\n    unimplemented!(\"x\")\n}\n", "unimplemented"),
            ("fn f() {\n    dbg!(1);\n}\n", "dbg"),
            ("fn f() {\n    std::todo!()\n}\n", "todo"),
            ("fn f() {\n    assert!(dbg!(true));\n}\n", "dbg"),
        ] {
            let want = format!("a.rs:2: `{name}!` is left behind: write the code or take it out");
            assert_eq!(sentences("a.rs", text), [want], "{text}");
        }
    }

    #[test]
    fn no_test_is_ignored() {
        let want = ["a.rs:1: an ignored test is no test: make it pass or take it out"];
        assert_eq!(sentences("a.rs", "#[ignore]\nfn f() {}\n"), want);
        assert_eq!(sentences("a.rs", "#[ignore = \"slow\"]\nfn f() {}\n"), want);
        assert_eq!(sentences("a.rs", "#[cfg_attr(unix, ignore)]\nfn f() {}\n"), want);
        assert_eq!(sentences("a.rs", "#[test]\nfn ignore() {}\n").len(), 0);
    }

    #[test]
    fn a_pure_crate_stays_pure() {
        let within = |text: &str| sentences("crates/keys/src/a.rs", &format!("//! A.\n{text}\n"));
        for text in [
            "use std::fs;",
            "use std::{fmt, fs::File};",
            "use std::time::{Duration, Instant};",
            "fn f() { std::process::exit(1) }",
            "fn f() { let _ = std::time::SystemTime::now(); }",
        ] {
            assert_eq!(within(text).len(), 1, "{text}");
        }
        assert!(within("use std::net::IpAddr;\nuse std::time::Duration;").is_empty());
        assert!(within("#[cfg(test)]\nmod tests {\n    use std::fs;\n}").is_empty());
        assert!(sentences("crates/ledger/src/a.rs", "//! A.\nuse std::fs;\n").is_empty());
    }

    #[test]
    fn what_does_not_parse_is_said_and_where() {
        let found = sentences("a.rs", "fn f() {}\nfn {\n}\n");
        assert!(found[0].starts_with("a.rs:2: does not parse"), "{found:?}");
    }
}
