//! Vague words in names: a name says what the value is, with the standard term for it.
//!
//! Checked are the names that code defines: functions, types, fields, variables, modules. Not
//! checked are the names of tests, which are sentences, and of methods in an `impl` of a trait.

use std::path::Path;

use syn::visit::{self, Visit};

use super::Finding;

/// No name has one of these as one of its words.
const NOWHERE: &[&str] =
    &["ask", "asked", "kept", "known", "noted", "said", "spoken", "standing", "told"];
/// No name is one of these; as a part of a name they may mean something.
const NOT_ALONE: &[&str] = &["ending", "site", "visit"];

/// The vague names in all files; `files` are paths from the root, and texts.
pub(super) fn check<'a>(files: impl Iterator<Item = (&'a Path, &'a str)>) -> Vec<Finding> {
    files.flat_map(|(path, text)| of_file(path, text)).collect()
}

/// Those of one folder.
pub(super) fn list<'a>(
    folder: &str,
    files: impl Iterator<Item = (&'a Path, &'a str)>,
) -> Vec<Finding> {
    check(files.filter(|(path, _)| path.starts_with(folder)))
}

/// The names in one file. What does not parse is the business of another rule.
fn of_file(path: &Path, text: &str) -> Vec<Finding> {
    let Ok(file) = syn::parse_file(text) else { return Vec::new() };
    let mut names = Names { path, findings: Vec::new() };
    names.visit_file(&file);
    if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) {
        names.look(stem, 1);
    }
    names.findings
}

/// Looks at every name that is defined.
struct Names<'a> {
    path: &'a Path,
    findings: Vec<Finding>,
}

impl Names<'_> {
    fn defined(&mut self, name: &syn::Ident) {
        self.look(&name.to_string(), name.span().start().line);
    }

    fn look(&mut self, name: &str, line: usize) {
        let words = words(name);
        let alone = words.len() == 1;
        let bad = words.iter().find(|word| {
            NOWHERE.contains(&word.as_str()) || (alone && NOT_ALONE.contains(&word.as_str()))
        });
        if let Some(word) = bad {
            let what = format!("`{name}`: the word `{word}` is vague; name what the value is");
            self.findings.push(Finding { path: self.path.to_path_buf(), line, what });
        }
    }

    fn function(&mut self, signature: &syn::Signature, attributes: &[syn::Attribute]) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().segments.last().is_some_and(|last| last.ident == "test")
        };
        if !attributes.iter().any(is_test) {
            self.defined(&signature.ident);
        }
    }
}

/// `LastSeq` and `LAST_SEQ` and `last_seq` are the words `last` and `seq`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && was_small) {
            words.push(String::new());
        }
        was_small = letter.is_lowercase() || letter.is_numeric();
        if let Some(word) = words.last_mut().filter(|_| letter != '_') {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.attrs);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.trait_.is_none() {
            for inner in &item.items {
                if let syn::ImplItem::Fn(function) = inner {
                    self.function(&function.sig, &function.attrs);
                }
            }
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.defined(&item.ident);
        visit::visit_impl_item_const(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.defined(&item.sig.ident);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.defined(&item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.defined(&item.ident);
        visit::visit_item_static(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.defined(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.defined(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.defined(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.defined(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // A module in a file of its own is found by the name of the file.
        if item.content.is_some() {
            self.defined(&item.ident);
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.defined(&variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.defined(name);
        }
        visit::visit_field(self, field);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.defined(&pattern.ident);
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_use_rename(&mut self, rename: &'ast syn::UseRename) {
        self.defined(&rename.rename);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let found = of_file(Path::new("a.rs"), text);
        found.iter().map(|one| format!("{} {}", one.line, one.what)).collect()
    }

    #[test]
    fn a_name_says_what_the_thing_is() {
        for (text, name) in [
            ("fn told() {}", "told"),
            ("fn f(said: &str) {}", "said"),
            ("struct LastAsked;", "LastAsked"),
            ("struct A { asked_for: u8 }", "asked_for"),
            ("enum A { Kept }", "Kept"),
            ("const MAX_TOLD: u8 = 1;", "MAX_TOLD"),
            ("fn f() { let standing = 1; }", "standing"),
            ("fn f() { g(|known| 1); }", "known"),
            ("fn f() { if let Some(visit) = g() {} }", "visit"),
            ("mod site {}", "site"),
            ("use a::b as noted;", "noted"),
            ("impl A { fn spoken(&self) {} }", "spoken"),
            ("trait A { fn ask(&self); }", "ask"),
        ] {
            let found = lines(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].starts_with(&format!("1 `{name}`: ")), "{text}: {found:?}");
        }
        assert_eq!(of_file(Path::new("a/spoken.rs"), "").len(), 1);
    }

    #[test]
    fn words_that_only_look_alike_are_left_alone() {
        for text in [
            "fn unknown(mask: u8, task: u8, understanding: u8) {}",
            "fn f(on_site: u8, line_ending: u8, visit_count: u8) {}",
            "// said\nfn f() -> &'static str { \"told\" }",
            "#[test]\nfn what_was_said_is_kept() {}",
            "#[tokio::test]\nasync fn what_was_said_is_kept() {}",
            "impl Visitor for A { fn visit_str(&self) {} fn told(&self) {} }",
            "fn f() { theirs.said(); let a = theirs.kept; }",
            "use theirs::spoken;",
        ] {
            assert_eq!(lines(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn names_are_split_into_words() {
        for (name, expected) in [
            ("last_seq", "last seq"),
            ("LAST_SEQ", "last seq"),
            ("LastSeq", "last seq"),
            ("_utf8Text", "utf8 text"),
        ] {
            assert_eq!(words(name).join(" "), expected);
        }
    }
}
