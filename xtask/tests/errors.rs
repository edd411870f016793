//! The page of errors is that of the sources: each variant of each error has its line there, with its message and its cause as
//! the sources say them, and a remedy, which only the page says.
//!
//! `STRAIT_WRITE=1 cargo test -p xtask --test suite errors::` writes the page anew; remedies stay where they are.

use crate::sources::{files, root};
use std::collections::BTreeMap;
use std::fs;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Fields, Item, ItemEnum, Lit, LitStr, Meta};

const PAGE: &str = "docs/reference/errors.md";
const RUNNER: &str = "xtask/src/failure.rs";

/// One way in which the program ends.
struct Entry {
    variant: String,
    /// One, or a few for different causes.
    messages: Vec<String>,
    cause: String,
}

/// One enum of errors.
struct Kind {
    name: String,
    about: String,
    entries: Vec<Entry>,
}

/// The first paragraph of a documentation comment.
fn documentation(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let lines: Vec<String> = attributes.iter().filter_map(line).take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// What stands between the commas of an attribute, outside of all brackets.
fn arguments(tokens: &str) -> Vec<String> {
    let (mut depth, mut found) = (0, vec![String::new()]);
    for c in tokens.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        found.last_mut().unwrap().push(c);
    }
    found
}

/// A message with its fields in braces: `{path}` also where the source says `{}` and `path.display()`, and `{…}` where what
/// stands there is computed.
fn pattern(message: &str, fields: &[String], arguments: &[String]) -> String {
    let words = |text: &str| {
        let split = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        split.filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut arguments = arguments.iter();
    let (mut said, mut rest) = (String::new(), message);
    while let Some((before, more)) = rest.split_once('{') {
        let (inside, after) = more.split_once('}').unwrap_or((more, ""));
        let name = inside.split(':').next().unwrap_or_default();
        let name = match name {
            "" => {
                let words = arguments.next().map(|argument| words(argument)).unwrap_or_default();
                words.into_iter().find(|word| fields.contains(word)).unwrap_or("…".into())
            }
            name if name.starts_with(|c: char| c.is_ascii_digit()) => "…".into(),
            name => name.to_owned(),
        };
        said.push_str(&format!("{before}{{{name}}}"));
        rest = after;
    }
    said + rest
}

/// The errors that a source derives; those that only hand on another's words are left out.
fn derived(item: &ItemEnum) -> Option<Kind> {
    let is_error = |attribute: &&Attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("derive") && list.tokens.to_string().contains("Error"),
        _ => false,
    };
    item.attrs.iter().find(is_error)?;
    let entries = item.variants.iter().filter_map(|variant| {
        let said = variant.attrs.iter().find(|attribute| attribute.path().is_ident("error"))?;
        let Meta::List(list) = &said.meta else { return None };
        let mut tokens = list.tokens.clone().into_iter();
        let literal = syn::parse_str::<LitStr>(&tokens.next()?.to_string()).ok()?; // none of `transparent`
        tokens.next();
        let rest = tokens.map(|token| token.to_string()).collect::<Vec<_>>().join(" ");
        let fields: Vec<String> = match &variant.fields {
            Fields::Named(named) => named.named.iter().map(|field| field.ident.as_ref().unwrap().to_string()).collect(),
            _ => vec![],
        };
        let message = pattern(&literal.value(), &fields, &arguments(&rest));
        Some(Entry {
            variant: variant.ident.to_string(),
            messages: vec![message],
            cause: documentation(&variant.attrs),
        })
    });
    Some(Kind { name: item.ident.to_string(), about: documentation(&item.attrs), entries: entries.collect() })
}

/// What the runner writes of each of its failures.
#[derive(Default)]
struct Written(BTreeMap<String, Vec<String>>);

impl Visit<'_> for Written {
    fn visit_arm(&mut self, arm: &syn::Arm) {
        let path = match &arm.pat {
            syn::Pat::Struct(pattern) => Some(&pattern.path),
            syn::Pat::Path(pattern) => Some(&pattern.path),
            _ => None,
        };
        let Some(path) = path.filter(|path| path.segments.len() == 2 && path.segments[0].ident == "Failure") else {
            return;
        };
        let mut messages = Messages::default();
        messages.visit_expr(&arm.body);
        let variant = path.segments[1].ident.to_string();
        self.0.entry(variant).or_default().extend(messages.0);
    }
}

#[derive(Default)]
struct Messages(Vec<String>);

impl Visit<'_> for Messages {
    fn visit_macro(&mut self, found: &syn::Macro) {
        if found.path.is_ident("write") {
            let tokens: Vec<String> = found.tokens.clone().into_iter().map(|token| token.to_string()).collect();
            let at = tokens.iter().position(|token| syn::parse_str::<LitStr>(token).is_ok()).unwrap();
            let rest = tokens[(at + 2).min(tokens.len())..].join(" ");
            let first = |argument: &String| argument.trim().split(' ').next().unwrap_or_default().to_owned();
            let arguments = arguments(&rest);
            let fields: Vec<String> = arguments.iter().map(first).filter(|word| word != "if").collect();
            let literal = syn::parse_str::<LitStr>(&tokens[at]).unwrap().value();
            self.0.push(pattern(&literal, &fields, &arguments));
        }
        visit::visit_macro(self, found);
    }
}

fn runner(file: &syn::File) -> Kind {
    let mut written = Written::default();
    written.visit_file(file);
    let found = file.items.iter().find_map(|item| match item {
        Item::Enum(found) if found.ident == "Failure" => Some(found),
        _ => None,
    });
    let item = found.unwrap();
    let entry = |variant: &syn::Variant| {
        let name = variant.ident.to_string();
        let mut messages = written.0.get(&name).cloned().unwrap_or_default();
        // What is added where the reason is known is no message of its own.
        let first = messages.first().cloned().unwrap_or_default();
        messages.retain(|message| *message == first || !message.starts_with(':'));
        Entry { messages, cause: documentation(&variant.attrs), variant: name }
    };
    let about = "What `cargo xtask` itself ends with, before or after the program.".into();
    Kind { name: "Failure".into(), about, entries: item.variants.iter().map(entry).collect() }
}

/// All errors: the program's first, those of its crates in their order, the runner's last.
fn kinds() -> Vec<Kind> {
    let mut paths = files(&root().join("crates/strait/src"));
    paths.extend(files(&root().join("crates")).into_iter().filter(|path| !path.starts_with("crates/strait/")));
    // Broken laws are said by tests, never by the program.
    paths.retain(|path| path.ends_with(".rs") && path.contains("/src/") && !path.starts_with("crates/strait-laws/"));
    let mut found = vec![];
    for path in paths {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        if text.contains("thiserror::Error") {
            let file = syn::parse_file(&text).unwrap();
            let enums =
                file.items.iter().filter_map(|item| if let Item::Enum(item) = item { derived(item) } else { None });
            found.extend(enums);
        }
    }
    found.push(runner(&syn::parse_file(&fs::read_to_string(root().join(RUNNER)).unwrap()).unwrap()));
    found
}

/// A message as code that a table can hold.
fn code(message: &str) -> String {
    let message = message.replace('|', "\\|");
    if message.contains('`') { format!("`` {message} ``") } else { format!("`{message}`") }
}

/// The cells of a row of the page: `variant`, message, cause, remedy.
fn cells(line: &str) -> Option<[String; 4]> {
    let line = line.replace("\\|", "\u{1}");
    let cells: Vec<String> =
        line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(|c| c.trim().replace('\u{1}', "\\|")).collect();
    cells.try_into().ok()
}

/// The remedies of a page, by error and variant.
fn remedies(page: &str) -> BTreeMap<(String, String), String> {
    let (mut kind, mut found) = (String::new(), BTreeMap::new());
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            kind = heading.to_owned();
        } else if let Some([variant, _, _, remedy]) = cells(line).filter(|cells| cells[0].starts_with('`')) {
            found.insert((kind.clone(), variant.trim_matches('`').to_owned()), remedy);
        }
    }
    found
}

/// The page of these errors, with the remedies and the words above the first heading that it has.
fn page(before: &str, kinds: &[Kind]) -> String {
    let remedies = remedies(before);
    let mut page = before.split("\n## ").next().unwrap_or_default().trim_end().to_owned() + "\n";
    for Kind { name, about, entries } in kinds.iter().filter(|kind| !kind.entries.is_empty()) {
        page.push_str(&format!(
            "\n## {name}\n\n{about}\n\n| | message | cause | remedy |\n| --- | --- | --- | --- |\n"
        ));
        for Entry { variant, messages, cause } in entries {
            let messages = messages.iter().map(|message| code(message)).collect::<Vec<_>>().join(" or ");
            let remedy = remedies.get(&(name.clone(), variant.clone())).map_or("", |remedy| remedy);
            page.push_str(&format!("| `{variant}` | {} | {} | {remedy} |\n", messages, cause.replace('|', "\\|")));
        }
    }
    page
}

/// Entries of a page that say no remedy.
fn without_remedy(page: &str) -> Vec<String> {
    let empty = remedies(page).into_iter().filter(|(_, remedy)| remedy.len() < 10);
    empty.map(|((kind, variant), _)| format!("{kind}::{variant}")).collect()
}

#[test]
fn each_error_has_its_line() {
    let path = root().join(PAGE);
    let written = fs::read_to_string(&path).unwrap();
    let kinds = kinds();
    let expected = page(&written, &kinds);
    assert!(kinds.iter().map(|kind| kind.entries.len()).sum::<usize>() > 120, "the walk finds the errors");
    if std::env::var_os("STRAIT_WRITE").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        let other = expected.lines().find(|line| !written.lines().any(|old| old == *line));
        let other = other.or_else(|| written.lines().find(|line| !expected.lines().any(|new| new == *line)));
        assert!(
            written == expected,
            "{PAGE} is of other sources, as in\n{}\n`STRAIT_WRITE=1 cargo test -p xtask --test suite errors::` writes it anew",
            other.unwrap_or("the order of its lines")
        );
    }
    let silent = without_remedy(&expected);
    assert!(silent.is_empty(), "{PAGE} says no remedy of {}", silent.join(", "));
}

#[test]
fn messages_are_read_as_they_are_written() {
    let source = r#"
        /// Why.
        #[derive(Debug, thiserror::Error)]
        enum E {
            /// A file
            /// that is not there.
            ///
            /// More.
            #[error("{}: no `{name}` of {n:?} {0} ({})", path.display(), if *n == 1 { "a, b" } else { "c" })]
            Gone { path: P, name: String, n: u8 },
            /// Another's.
            #[error(transparent)]
            Other(#[from] O),
        }"#;
    let file = syn::parse_file(source).unwrap();
    let Item::Enum(item) = &file.items[0] else { panic!() };
    let kind = derived(item).unwrap();
    assert_eq!((kind.name.as_str(), kind.about.as_str(), kind.entries.len()), ("E", "Why.", 1));
    let entry = &kind.entries[0];
    assert_eq!(entry.messages, ["{path}: no `{name}` of {n} {…} ({n})"]);
    assert_eq!(entry.cause, "A file that is not there.");

    let before = "# Errors\n\nWords.\n\n## E\n\n| `Gone` | old | old | Put it \\| there. |\n| `Past` | a | b | Long forgotten. |\n";
    let text = page(before, &[kind]);
    let row =
        "| `Gone` | `` {path}: no `{name}` of {n} {…} ({n}) `` | A file that is not there. | Put it \\| there. |\n";
    assert!(text.starts_with("# Errors\n\nWords.\n\n## E\n\nWhy.\n") && text.contains(row), "{text}");
    assert!(!text.contains("Past") && without_remedy(&text).is_empty());
    assert_eq!(without_remedy(&text.replace("Put it \\| there.", "")), ["E::Gone"]);
}
