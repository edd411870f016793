//! The sources of a crate as modules that name each other.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// A module's path below its crate, as in `["evaluation", "grids"]`.
pub(crate) type Module = Vec<String>;

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All files below a folder, by their paths from the workspace, in order; builds and hidden folders aside.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = vec![];
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true if name != "target" && !name.starts_with('.') => folders.push(path),
                true => {}
                false => found.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()),
            }
        }
    }
    found.sort();
    found
}

/// One source of a crate, without what it compiles for tests alone.
struct Source {
    path: String,
    module: Module,
    imports: Vec<Import>,
    /// Paths of more than one segment that stand in its code.
    paths: Vec<Vec<String>>,
    /// Every identifier of its code, imports aside.
    words: BTreeSet<String>,
}

/// One name that a `use` brings.
struct Import {
    path: Vec<String>,
    /// What it is called here; `*` of a glob.
    name: String,
    /// Whether others see it too.
    is_reexport: bool,
}

/// A file that names what another defines.
pub(crate) struct Arrow {
    /// The file that does.
    pub(crate) from: String,
    /// The file that is named.
    pub(crate) to: String,
    /// By which path.
    pub(crate) path: String,
    /// Whether it uses what it names, and does not only hand it on.
    is_used: bool,
}

/// A crate: its sources by module.
pub(crate) struct Crate {
    sources: BTreeMap<Module, Source>,
}

impl Crate {
    /// Of the sources of a library, each with its path below `src/`.
    pub(crate) fn new<'a>(sources: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let sources = sources.into_iter().map(|(path, text)| {
            let module = module(path);
            (module.clone(), Source::new(path, module, text))
        });
        Self { sources: sources.collect() }
    }

    /// Of a folder's `src/`; None of a folder without one.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let src = folder.join("src");
        let is_library = src.join("lib.rs").is_file();
        if !is_library && !src.join("main.rs").is_file() {
            return None;
        }
        let from = format!("{}/", src.strip_prefix(root()).unwrap().display());
        let texts: Vec<(String, String)> = files(&src)
            .into_iter()
            .filter(|path| path.ends_with(".rs"))
            .map(|path| (path[from.len()..].to_owned(), fs::read_to_string(root().join(&path)).unwrap()))
            .filter(|(path, _)| !(is_library && path == "main.rs" || path.starts_with("bin/")))
            .collect();
        Some(Self::new(texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))))
    }

    /// Which files name what another file defines, each pair of files once.
    pub(crate) fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = vec![];
        for source in self.sources.values() {
            let mut name = |path: &[String], is_used: bool| {
                let Some(absolute) = self.absolute(&source.module, path) else { return };
                let Some(to) = self.definer(&absolute, 0) else { return };
                if to.path != source.path {
                    let (from, to, path) = (source.path.clone(), to.path.clone(), path.join("::"));
                    arrows.push(Arrow { from, to, is_used, path });
                }
            };
            for import in &source.imports {
                name(&import.path, !import.is_reexport || source.words.contains(&import.name));
            }
            source.paths.iter().for_each(|path| name(path, true));
        }
        // Of several, one that uses what it names.
        arrows.sort_by(|a, b| (&a.from, &a.to, !a.is_used).cmp(&(&b.from, &b.to, !b.is_used)));
        arrows.dedup_by(|a, b| (&a.from, &a.to) == (&b.from, &b.to));
        arrows
    }

    /// Paths that a file names of other crates, as (file, path).
    pub(crate) fn foreign(&self) -> Vec<(String, String)> {
        let mut found = vec![];
        for source in self.sources.values() {
            let paths = source.imports.iter().map(|import| &import.path).chain(&source.paths);
            let foreign = paths.filter(|path| self.absolute(&source.module, path).is_none());
            found.extend(foreign.map(|path| (source.path.clone(), path.join("::"))));
        }
        found
    }

    /// A path from the crate's root; None of one into another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let (_, parent) = module.split_last()?;
                match rest.first().map(String::as_str) {
                    Some("super") => self.absolute(&parent.to_vec(), rest),
                    _ => Some([parent, rest].concat()),
                }
            }
            _ => {
                let below = [&module[..], std::slice::from_ref(first)].concat();
                self.sources.contains_key(&below).then(|| [module, path].concat())
            }
        }
    }

    /// The file that defines what a path from the root names, through any re-exports.
    fn definer(&self, path: &[String], depth: usize) -> Option<&Source> {
        let mut module: Module = vec![];
        for (i, segment) in path.iter().enumerate() {
            let below = [&module[..], std::slice::from_ref(segment)].concat();
            if self.sources.contains_key(&below) {
                module = below;
                continue;
            }
            let source = self.sources.get(&module)?;
            let import = source.imports.iter().find(|import| import.name == *segment);
            if let Some(import) = import.filter(|_| depth < 8) {
                // A name of another crate, brought here, is defined nowhere in this one.
                let absolute = self.absolute(&module, &import.path)?;
                return self.definer(&[&absolute[..], &path[i + 1..]].concat(), depth + 1);
            }
            return Some(source);
        }
        self.sources.get(&module)
    }
}

/// The shortest circle of files through each that stands on any, in words. What a file only hands on does not bind it.
pub(crate) fn circles(arrows: &[Arrow]) -> Vec<String> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for arrow in arrows.iter().filter(|arrow| arrow.is_used) {
        all.entry(&arrow.from).or_default().push(&arrow.to);
    }
    let mut seen = BTreeSet::new();
    let mut found = vec![];
    for start in all.keys() {
        let mut from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([*start]);
        while let Some(here) = queue.pop_front() {
            for next in all.get(here).into_iter().flatten() {
                if !from.contains_key(next) {
                    from.insert(next, here);
                    queue.push_back(next);
                }
            }
        }
        let Some(last) = from.get(start) else { continue };
        let mut circle = vec![*start, *last];
        while circle.last() != Some(start) {
            circle.push(from[circle[circle.len() - 1]]);
        }
        circle.reverse();
        let mut files = circle.clone();
        files.sort_unstable();
        files.dedup();
        if seen.insert(files) {
            found.push(circle.join(" -> "));
        }
    }
    found
}

/// The module of a file below `src/`.
fn module(path: &str) -> Module {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if ["lib", "main"].contains(&path) { vec![] } else { path.split('/').map(str::to_owned).collect() }
}

impl Source {
    fn new(path: &str, module: Module, text: &str) -> Self {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut source = Self { path: path.into(), module, imports: vec![], paths: vec![], words: BTreeSet::new() };
        source.visit_file(&file);
        source
    }

    fn add(&mut self, tree: &syn::UseTree, before: &[String], is_reexport: bool) {
        let below = |segment: &syn::Ident| [before, &[segment.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add(&path.tree, &below(&path.ident), is_reexport),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add(tree, before, is_reexport)),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let name = before.last().cloned().unwrap_or_default();
                self.imports.push(Import { path: before.to_vec(), name, is_reexport });
            }
            syn::UseTree::Name(name) => {
                let (path, name) = (below(&name.ident), name.ident.to_string());
                self.imports.push(Import { path, name, is_reexport });
            }
            syn::UseTree::Rename(rename) => {
                let (path, name) = (below(&rename.ident), rename.rename.to_string());
                self.imports.push(Import { path, name, is_reexport });
            }
            syn::UseTree::Glob(_) => {
                self.imports.push(Import { path: before.to_vec(), name: "*".into(), is_reexport });
            }
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("cfg") && list.tokens.to_string() == "test"
    })
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.add(&item.tree, &[], !matches!(item.vis, syn::Visibility::Inherited));
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() && !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_ident(&mut self, ident: &'ast syn::Ident) {
        self.words.insert(ident.to_string());
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let text = item.tokens.to_string();
        let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        self.words.extend(words.map(str::to_owned));
        visit::visit_macro(self, item);
    }
}
