//! The modules of one crate, read from its files: what each module names, and what its code refers
//! to. Parts under `#[cfg(test)]` are not read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Gives the text of a file; `None` if there is none.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// A module: a file, or a `mod x { … }` within one.
#[derive(Default)]
pub(super) struct Module {
    /// The place of its file in [`Crate::files`].
    pub(super) file: usize,
    /// The module around it.
    pub(super) parent: Option<usize>,
    /// What a name means here. A function and a module may share one.
    pub(super) names: BTreeMap<String, Vec<Meaning>>,
    /// The paths of which everything is imported.
    pub(super) globs: Vec<Vec<String>>,
}

/// What a name means in a module.
pub(super) enum Meaning {
    /// A module below.
    Module(usize),
    /// An item that this module defines.
    Item,
    /// What the path means, by `use`.
    Import(Vec<String>),
}

/// A path in the code of a module.
pub(super) struct Reference {
    /// The module whose code it is.
    pub(super) module: usize,
    /// The path by its names.
    pub(super) path: Vec<String>,
    /// Where, counted from 1.
    pub(super) line: usize,
    /// Whether it calls a macro: those are also found in the modules around.
    pub(super) is_macro: bool,
}

/// A file and the module that is the whole of it.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) module: usize,
}

/// A crate as it is written. Module 0 is its root.
#[derive(Default)]
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
    pub(super) files: Vec<File>,
    pub(super) references: Vec<Reference>,
}

impl Crate {
    /// Reads a crate from its root file on.
    ///
    /// # Errors
    ///
    /// A file is missing, or is no Rust.
    pub(super) fn read(root: &Path, read: ReadFile<'_>) -> Result<Crate> {
        let mut crate_ = Crate::default();
        let folder = root.parent().unwrap_or(Path::new(""));
        crate_.file(root, folder, None, read)?;
        Ok(crate_)
    }

    /// Reads the file at `path`, whose modules lie in `folder`, and gives its module.
    fn file(
        &mut self,
        path: &Path,
        folder: &Path,
        parent: Option<usize>,
        read: ReadFile<'_>,
    ) -> Result<usize> {
        let text = read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let parsed =
            syn::parse_file(&text).with_context(|| format!("{} does not parse", path.display()))?;
        let file = self.files.len();
        let module = self.modules.len();
        self.files.push(File { path: path.to_path_buf(), module });
        self.modules.push(Module { file, parent, ..Module::default() });
        self.items(module, &parsed.items, folder, read)?;
        Ok(module)
    }

    /// Takes in the items of a module.
    fn items(
        &mut self,
        module: usize,
        items: &[syn::Item],
        folder: &Path,
        read: ReadFile<'_>,
    ) -> Result<()> {
        for item in items {
            let (name, attributes) = head(item);
            if is_test(attributes) {
                continue;
            }
            if let syn::Item::Mod(inner) = item {
                self.module(module, inner, folder, read)?;
                continue;
            }
            if let Some(name) = name {
                self.define(module, &name.to_string(), Meaning::Item);
            }
            Code { code_of: self, module }.visit_item(item);
        }
        Ok(())
    }

    /// Takes in `mod x;` or `mod x { … }`.
    fn module(
        &mut self,
        parent: usize,
        item: &syn::ItemMod,
        folder: &Path,
        read: ReadFile<'_>,
    ) -> Result<()> {
        let name = item.ident.to_string();
        let below = folder.join(&name);
        let module = if let Some((_, items)) = &item.content {
            let file = self.modules.get(parent).map_or(0, |module| module.file);
            let module = self.modules.len();
            self.modules.push(Module { file, parent: Some(parent), ..Module::default() });
            self.items(module, items, &below, read)?;
            module
        } else {
            let flat = folder.join(format!("{name}.rs"));
            let path = if read(&flat).is_some() { flat } else { below.join("mod.rs") };
            self.file(&path, &below, Some(parent), read)?
        };
        self.define(parent, &name, Meaning::Module(module));
        Ok(())
    }

    fn define(&mut self, module: usize, name: &str, meaning: Meaning) {
        if let Some(module) = self.modules.get_mut(module) {
            module.names.entry(name.to_owned()).or_default().push(meaning);
        }
    }
}

/// Whether an item is there for tests alone.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("cfg") && needs_test(list.tokens.clone())
    })
}

/// Whether a condition of `cfg` is `test`, or `all(…)` with `test` in it.
fn needs_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(name), TokenTree::Group(group)] if name == "all" => group
            .stream()
            .into_iter()
            .any(|token| matches!(token, TokenTree::Ident(name) if name == "test")),
        _ => false,
    }
}

/// The name an item defines, and its attributes; neither of one that bears no code.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has neither names nor code")]
fn head(item: &syn::Item) -> (Option<&syn::Ident>, &[syn::Attribute]) {
    match item {
        syn::Item::Const(item) => (Some(&item.ident), &item.attrs),
        syn::Item::Enum(item) => (Some(&item.ident), &item.attrs),
        syn::Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
        syn::Item::Impl(item) => (None, &item.attrs),
        syn::Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
        syn::Item::Mod(item) => (Some(&item.ident), &item.attrs),
        syn::Item::Static(item) => (Some(&item.ident), &item.attrs),
        syn::Item::Struct(item) => (Some(&item.ident), &item.attrs),
        syn::Item::Trait(item) => (Some(&item.ident), &item.attrs),
        syn::Item::Type(item) => (Some(&item.ident), &item.attrs),
        syn::Item::Union(item) => (Some(&item.ident), &item.attrs),
        syn::Item::Use(item) => (None, &item.attrs),
        _ => (None, &[]),
    }
}

/// Collects what the code of a module refers to.
struct Code<'a> {
    code_of: &'a mut Crate,
    module: usize,
}

impl Code<'_> {
    fn refer(&mut self, path: Vec<String>, line: usize, is_macro: bool) {
        let module = self.module;
        self.code_of.references.push(Reference { module, path, line, is_macro });
    }

    /// Takes in a `use`. One with a visibility hands a name on and is no use of it.
    fn import(&mut self, before: &[String], tree: &syn::UseTree, handed_on: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.import(&with(&path.ident), &path.tree, handed_on),
            syn::UseTree::Group(group) => {
                for inner in &group.items {
                    self.import(before, inner, handed_on);
                }
            }
            syn::UseTree::Glob(glob) => {
                // Of a module it is no import by itself; of an enum it is.
                if !handed_on {
                    self.refer(before.to_vec(), glob.span().start().line, false);
                }
                if let Some(module) = self.code_of.modules.get_mut(self.module) {
                    module.globs.push(before.to_vec());
                }
            }
            syn::UseTree::Name(name) => {
                let path = if name.ident == "self" { before.to_vec() } else { with(&name.ident) };
                let local = path.last().cloned().unwrap_or_default();
                self.imported(path, &local, name.span().start().line, handed_on);
            }
            syn::UseTree::Rename(name) => {
                let path = if name.ident == "self" { before.to_vec() } else { with(&name.ident) };
                self.imported(path, &name.rename.to_string(), name.span().start().line, handed_on);
            }
        }
    }

    fn imported(&mut self, path: Vec<String>, local: &str, line: usize, handed_on: bool) {
        self.code_of.define(self.module, local, Meaning::Import(path.clone()));
        if !handed_on {
            self.refer(path, line, false);
        }
    }

    /// The paths in the tokens of a macro call.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.path_ended(&mut path, line);
                        line = name.span().start().line;
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.path_ended(&mut path, line);
                    self.tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.path_ended(&mut path, line);
                    colons = 0;
                }
            }
        }
        self.path_ended(&mut path, line);
    }

    /// A single name in a macro call may be anything, and is of the module itself if it is an item.
    fn path_ended(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.refer(path, line, false);
        }
    }
}

impl<'ast> Visit<'ast> for Code<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(head(item).1) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_test(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if !is_test(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !is_test(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        if !is_test(&branch.attrs) {
            visit::visit_expr_if(self, branch);
        }
    }

    fn visit_expr_block(&mut self, block: &'ast syn::ExprBlock) {
        if !is_test(&block.attrs) {
            visit::visit_expr_block(self, block);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_test(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            let handed_on = !matches!(item.vis, syn::Visibility::Inherited);
            self.import(&[], &item.tree, handed_on);
        }
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let path = call.path.segments.iter().map(|one| one.ident.to_string()).collect();
        self.refer(path, call.path.span().start().line, true);
        self.tokens(call.tokens.clone());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|one| one.ident.to_string()).collect();
        // A lone small letter is a variable or a field far more often than what it would hide.
        let lone = names.len() == 1
            && names.iter().any(|name| name.starts_with(|first: char| first.is_lowercase()));
        if path.leading_colon.is_none() && !lone {
            self.refer(names, path.span().start().line, false);
        }
        visit::visit_path(self, path);
    }
}
