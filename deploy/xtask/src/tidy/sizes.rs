use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use syn::{
    Attribute, ImplItemFn, ItemFn, ItemMod, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::workspace::Workspace;

/// The shape that we want: nine in ten under the first figure, nothing over the second.
const FILE_LINES: (usize, usize) = (350, 500);
const FUNCTION_LINES: (usize, usize) = (35, 70);
const FILE_LINES_MEDIAN: usize = 120;

const FOLDERS: [&str; 5] = ["sdk", "plugins", "runtime", "control-plane", "deploy"];
const LARGEST: usize = 10;

/// A file or function and how many lines it has.
struct Measured {
    name: String,
    lines: usize,
}

/// The report. Tests do not count: neither their files nor test modules.
pub(super) fn measure(workspace: &Workspace) -> Result<String> {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        collect(&workspace.root().join(folder), &mut sources)?;
    }
    let (mut files, mut functions) = (Vec::new(), Vec::new());
    for source in sources {
        let name = source.strip_prefix(workspace.root()).unwrap_or(&source).display().to_string();
        let text = fs::read_to_string(&source).with_context(|| format!("{name} cannot be read"))?;
        let file = syn::parse_file(&text).with_context(|| format!("{name} is not Rust"))?;
        let mut counter = Counter { file: &name, functions: &mut functions, test_lines: 0 };
        counter.visit_file(&file);
        let lines = text.lines().count().saturating_sub(counter.test_lines);
        files.push(Measured { name, lines });
    }
    let mut report = String::new();
    let wanted = format!("median {FILE_LINES_MEDIAN}, p90 {}, max {}", FILE_LINES.0, FILE_LINES.1);
    describe(&mut report, "files", &mut files, &wanted, FILE_LINES.1);
    let wanted = format!("p90 {}, max {}", FUNCTION_LINES.0, FUNCTION_LINES.1);
    describe(&mut report, "functions", &mut functions, &wanted, FUNCTION_LINES.1);
    Ok(report)
}

fn describe(report: &mut String, what: &str, measured: &mut [Measured], wanted: &str, cap: usize) {
    measured.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.name.cmp(&b.name)));
    // Sorted from the largest: the ninth tenth from below is the first from above.
    let at = |share: usize| measured.get(measured.len() * share / 10).map_or(0, |one| one.lines);
    let over = measured.iter().filter(|one| one.lines > cap).count();
    let _ = writeln!(
        report,
        "{} {what}: median {}, p90 {}, max {} lines; wanted: {wanted}; over the maximum: {over}",
        measured.len(),
        at(5),
        at(1),
        at(0)
    );
    for one in measured.iter().take(LARGEST) {
        let _ = writeln!(report, "  {:>5}  {}", one.lines, one.name);
    }
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) -> Result<()> {
    for entry in folder.read_dir().with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["tests", "benches", "examples", "target"].contains(&name.as_str()) {
            collect(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !name.ends_with("tests.rs") {
            sources.push(path);
        }
    }
    Ok(())
}

struct Counter<'a> {
    file: &'a str,
    functions: &'a mut Vec<Measured>,
    test_lines: usize,
}

impl Counter<'_> {
    fn add(&mut self, name: &syn::Ident, spanned: &impl Spanned) {
        let name = format!("{} {name}", self.file);
        self.functions.push(Measured { name, lines: lines(spanned) });
    }
}

fn lines(spanned: &impl Spanned) -> usize {
    let span = spanned.span();
    span.end().line + 1 - span.start().line
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Counter<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if is_test(&module.attrs) {
            self.test_lines += lines(module);
        } else {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.add(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.add(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
