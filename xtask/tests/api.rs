//! What the libraries make public, as a page: a change of it is seen in a commit, and between two tags by `git diff`.

use crate::sources::{files, root};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, UseTree, Visibility};

const PAGE: &str = "docs/reference/api.md";

/// Of the items of one name those of each module.
type ByModule<T> = BTreeMap<String, BTreeMap<String, T>>;

/// Items of a crate that are public where they stand, by name, and the public methods of its types.
#[derive(Default)]
struct Library {
    items: ByModule<String>,
    methods: ByModule<BTreeSet<String>>,
    modules: BTreeMap<String, Vec<Item>>,
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.to_token_stream().to_string().contains("cfg (test)"))
}

/// Tokens as a person writes them.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        ("< ", "<"),
        (" <", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        (" :", ":"),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
        ("->(", "-> ("),
        ("[ ", "["),
        (" ]", "]"),
        (" ;", ";"),
        (",)", ")"),
        (",>", ">"),
        ("dyn(", "dyn ("),
        ("impl(", "impl ("),
        ("&mut(", "&mut ("),
        ("+(", "+ ("),
    ] {
        text = text.replace(from, to);
    }
    text
}

fn fields(fields: &Fields) -> String {
    let public: Vec<String> = fields
        .iter()
        .filter(|field| is_public(&field.vis))
        .map(|field| match &field.ident {
            Some(name) => format!("{name}: {}", text(&field.ty)),
            None => text(&field.ty),
        })
        .collect();
    let rest = if public.len() < fields.len() { ", .." } else { "" };
    match fields {
        Fields::Named(_) if public.is_empty() => " { .. }".into(),
        Fields::Named(_) => format!(" {{ {}{rest} }}", public.join(", ")),
        Fields::Unnamed(_) if public.is_empty() => "(..)".into(),
        Fields::Unnamed(_) => format!("({}{rest})", public.join(", ")),
        Fields::Unit => String::new(),
    }
}

impl Library {
    fn add(&mut self, at: &str, item: &Item) {
        let mut put = |name: &syn::Ident, line: String| {
            self.items.entry(name.to_string()).or_default().insert(at.to_owned(), line);
        };
        match item {
            Item::Mod(module) if !is_for_tests(&module.attrs) => {
                let (_, items) = module.content.clone().unwrap_or_default();
                items.iter().for_each(|item| self.add(at, item));
            }
            Item::Fn(function) if is_public(&function.vis) => put(&function.sig.ident, text(&function.sig)),
            Item::Const(item) if is_public(&item.vis) => {
                put(&item.ident, format!("const {}: {}", item.ident, text(&item.ty)));
            }
            Item::Type(item) if is_public(&item.vis) => {
                put(&item.ident, format!("type {} = {}", item.ident, text(&item.ty)));
            }
            Item::Struct(item) if is_public(&item.vis) => {
                put(&item.ident, format!("struct {}{}{}", item.ident, text(&item.generics), fields(&item.fields)));
            }
            Item::Enum(item) if is_public(&item.vis) => {
                let variant = |variant: &syn::Variant| {
                    let held: Vec<String> = variant
                        .fields
                        .iter()
                        .map(|field| match &field.ident {
                            Some(name) => format!("{name}: {}", text(&field.ty)),
                            None => text(&field.ty),
                        })
                        .collect();
                    match &variant.fields {
                        Fields::Named(_) => format!("{} {{ {} }}", variant.ident, held.join(", ")),
                        Fields::Unnamed(_) => format!("{}({})", variant.ident, held.join(", ")),
                        Fields::Unit => variant.ident.to_string(),
                    }
                };
                let variants: Vec<String> = item.variants.iter().map(variant).collect();
                put(&item.ident, format!("enum {}{} {{ {} }}", item.ident, text(&item.generics), variants.join(", ")));
            }
            Item::Trait(item) if is_public(&item.vis) => {
                let above =
                    if item.supertraits.is_empty() { String::new() } else { format!(": {}", text(&item.supertraits)) };
                put(&item.ident, format!("trait {}{}{above}", item.ident, text(&item.generics)));
                let of = self.methods.entry(item.ident.to_string()).or_default().entry(at.to_owned()).or_default();
                of.extend(item.items.iter().filter_map(|item| match item {
                    TraitItem::Fn(function) => {
                        let given = if function.default.is_some() { " (given)" } else { "" };
                        Some(format!("{}{given}", text(&function.sig)))
                    }
                    TraitItem::Type(item) => Some(format!("type {}", item.ident)),
                    TraitItem::Const(item) => Some(format!("const {}: {}", item.ident, text(&item.ty))),
                    _ => None,
                }));
            }
            Item::Impl(item) if item.trait_.is_none() => {
                let syn::Type::Path(path) = &*item.self_ty else { return };
                let name = path.path.segments.last().unwrap().ident.to_string();
                let of = self.methods.entry(name).or_default().entry(at.to_owned()).or_default();
                of.extend(item.items.iter().filter_map(|item| match item {
                    ImplItem::Fn(function) if is_public(&function.vis) => Some(text(&function.sig)),
                    ImplItem::Const(item) if is_public(&item.vis) => {
                        Some(format!("const {}: {}", item.ident, text(&item.ty)))
                    }
                    _ => None,
                }));
            }
            _ => {}
        }
    }

    /// The lines of what these items of a module make public.
    fn lines(&self, prefix: &str, items: &[Item], lines: &mut Vec<String>) {
        let here = if prefix.is_empty() { "lib" } else { prefix.trim_end_matches("::") };
        for item in items {
            match item {
                Item::Mod(module) if is_public(&module.vis) => {
                    let name = format!("{prefix}{}", module.ident);
                    let within =
                        module.content.as_ref().map_or_else(|| self.modules.get(&name), |(_, items)| Some(items));
                    let within = within.unwrap_or_else(|| panic!("no source of the module {name}"));
                    self.lines(&format!("{name}::"), within, lines);
                }
                Item::Use(item) if is_public(&item.vis) => self.used(prefix, &item.tree, "", lines),
                Item::Fn(item) if is_public(&item.vis) => {
                    self.named(prefix, &item.sig.ident.to_string(), (here, None), lines);
                }
                Item::Struct(item) if is_public(&item.vis) => {
                    self.named(prefix, &item.ident.to_string(), (here, None), lines);
                }
                Item::Enum(item) if is_public(&item.vis) => {
                    self.named(prefix, &item.ident.to_string(), (here, None), lines);
                }
                Item::Trait(item) if is_public(&item.vis) => {
                    self.named(prefix, &item.ident.to_string(), (here, None), lines);
                }
                Item::Const(item) if is_public(&item.vis) => {
                    self.named(prefix, &item.ident.to_string(), (here, None), lines);
                }
                Item::Type(item) if is_public(&item.vis) => {
                    self.named(prefix, &item.ident.to_string(), (here, None), lines);
                }
                _ => {}
            }
        }
    }

    fn used(&self, prefix: &str, tree: &UseTree, from: &str, lines: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => self.used(prefix, &path.tree, &format!("{from}{}::", path.ident), lines),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.used(prefix, tree, from, lines)),
            UseTree::Name(name) if self.items.contains_key(&name.ident.to_string()) => {
                self.named(prefix, &name.ident.to_string(), (from, None), lines);
            }
            UseTree::Name(name) => lines.push(format!("- `use {from}{}`", name.ident)),
            UseTree::Rename(name) => {
                self.named(prefix, &name.ident.to_string(), (from, Some(&name.rename)), lines);
            }
            UseTree::Glob(_) => lines.push(format!("- `use {from}*`")),
        }
    }

    /// The line of an item that a module, or a `use` from that module, makes public, and those of its methods.
    fn named(&self, prefix: &str, name: &str, (from, renamed): (&str, Option<&syn::Ident>), lines: &mut Vec<String>) {
        let place = prefix.trim_end_matches("::");
        let place = if place.is_empty() { String::new() } else { format!("`{place}`: ") };
        let renamed = renamed.map_or_else(String::new, |other| format!(" as `{other}`"));
        let all = self.items.get(name).unwrap_or_else(|| panic!("no source of {from}{name}"));
        let steps = |path: &str| path.split("::").filter(|step| !["", "crate", "self", "super"].contains(step)).count();
        let ends = |at: &str| {
            let from = from.trim_end_matches("::").trim_start_matches("crate::").trim_start_matches("self::");
            at == from || at.ends_with(&format!("::{from}")) || steps(from) == 0
        };
        let found = all.iter().find(|(at, _)| ends(at)).or_else(|| all.iter().next().filter(|_| all.len() == 1));
        let (at, line) = found.unwrap_or_else(|| panic!("{from}{name} is one of {:?}", all.keys()));
        lines.push(format!("- {place}`{line}`{renamed}"));
        let of = self.methods.get(name).into_iter().flatten();
        let own = of.filter(|(there, _)| *there == at || !all.contains_key(*there)).flat_map(|(_, methods)| methods);
        lines.extend(own.map(|method| format!("  - `{method}`")));
    }
}

/// The section of a library, of its sources by their paths below `src/`.
fn section(name: &str, sources: &[(String, String)]) -> String {
    let mut library = Library::default();
    let mut root = vec![];
    for (path, source) in sources {
        let items = syn::parse_file(source).unwrap().items;
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
        items.iter().for_each(|item| library.add(&module, item));
        if module == "lib" { root = items } else { drop(library.modules.insert(module, items)) }
    }
    let mut lines = vec![];
    library.lines("", &root, &mut lines);
    format!("\n## {name}\n\n{}\n", lines.join("\n"))
}

#[test]
fn the_page_lists_what_is_public() {
    let crates = root().join("crates");
    let mut names: Vec<String> =
        fs::read_dir(&crates).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "strait"); // the program, whose library is its own
    names.sort();
    let path = root().join(PAGE);
    let written = fs::read_to_string(&path).unwrap();
    let mut expected = written.split("\n## ").next().unwrap_or_default().trim_end().to_owned() + "\n";
    for name in &names {
        let folder = crates.join(name).join("src");
        let below = format!("crates/{name}/src/");
        let sources: Vec<(String, String)> = files(&folder)
            .into_iter()
            .filter(|path| path.ends_with(".rs"))
            .map(|path| (path.strip_prefix(&below).unwrap().to_owned(), fs::read_to_string(root().join(path)).unwrap()))
            .collect();
        expected.push_str(&section(name, &sources));
    }
    for known in
        ["- `trait VelocityField`", "  - `fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error>`"]
    {
        assert!(expected.contains(known), "the walk finds {known}");
    }
    if std::env::var_os("STRAIT_WRITE").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    let other = expected.lines().find(|line| !written.lines().any(|old| old == *line));
    let other = other.or_else(|| written.lines().find(|line| !expected.lines().any(|new| new == *line)));
    assert!(
        written == expected,
        "what is public has changed, as in\n{}\n`STRAIT_WRITE=1 cargo test -p xtask --test suite api::` writes {PAGE} anew",
        other.unwrap_or("the order of the lines")
    );
}

#[test]
fn only_what_is_reached_is_listed() {
    let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let found = section(
        "x",
        &[
            source("lib.rs", "mod a; pub mod b; pub use a::{F, f as g}; pub use tch; pub use y::{Z, f::*};"),
            source(
                "a.rs",
                "pub struct F<T> { pub x: T, y: T } impl<T> F<T> { pub fn new(x: &T) -> Self { } fn old() {} } \
            impl Clone for F<u8> { fn clone(&self) -> Self {} } pub fn f(x: &[i64]) -> (u8, u8) {} pub fn hidden() {} \
            #[cfg(test)] mod tests { pub fn f() {} }",
            ),
            source(
                "b/mod.rs",
                "pub enum E { One, Two(u8), Three { x: u8 } } pub trait T: Send { fn a(&self); fn b(&self) {} } pub(crate) fn h() {}",
            ),
        ],
    );
    assert_eq!(
        found,
        "\n## x\n\n- `b`: `enum E { One, Two(u8), Three { x: u8 } }`\n- `b`: `trait T: Send`\n  - `fn a(&self)`\n  - `fn b(&self) (given)`\n\
         - `struct F<T> { x: T, .. }`\n  - `fn new(x: &T) -> Self`\n- `fn f(x: &[i64]) -> (u8, u8)` as `g`\n- `use tch`\n- `use y::Z`\n- `use y::f::*`\n"
    );
}
