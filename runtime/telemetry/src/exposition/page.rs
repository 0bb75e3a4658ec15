use std::collections::{BTreeMap, HashSet};

use super::{Format, names, writer, writer::Writer};
use crate::store::{FamilySnapshot, Kind, ValueSnapshot};

/// An exposition.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) text: String,
    /// Series left out because another one has their name in Prometheus's letters.
    pub(crate) conflicts: u64,
}

/// Writes every series, each family once and each line once: what two metrics share of Prometheus's poorer names goes to
/// the one that comes first by its own name.
pub(crate) fn render(families: &[FamilySnapshot], format: Format) -> Page {
    let mut by_name: BTreeMap<String, Vec<&FamilySnapshot>> = BTreeMap::new();
    for family in families {
        by_name.entry(names::family(&family.name, &family.unit, family.kind)).or_default().push(family);
    }
    let mut page = Rendering { writer: Writer::new(format), taken: HashSet::new(), conflicts: 0 };
    by_name.iter().for_each(|(name, families)| page.families(name, families));
    Page { text: page.writer.finish(), conflicts: page.conflicts }
}

struct Rendering {
    writer: Writer,
    /// Names of families and of lines.
    taken: HashSet<String>,
    conflicts: u64,
}

impl Rendering {
    fn families(&mut self, name: &str, families: &[&FamilySnapshot]) {
        let Some(first) = families.first() else { return };
        let (same, others): (Vec<&FamilySnapshot>, Vec<_>) =
            families.iter().copied().partition(|family| family.kind == first.kind);
        self.conflicts += series_of(&others);
        let names = line_names(name, first.kind);
        if names.iter().any(|name| self.taken.contains(name)) {
            self.conflicts += series_of(&same);
            return;
        }
        self.taken.extend(names);
        // A family without a description says at least what it was called before.
        let description = if first.description.is_empty() { &first.name } else { &first.description };
        self.writer.family(name, first.kind, description);
        let mut lines = HashSet::new();
        same.into_iter().for_each(|family| self.series(name, family, &mut lines));
    }

    fn series(&mut self, name: &str, family: &FamilySnapshot, lines: &mut HashSet<String>) {
        for (series, value) in &family.series {
            let labels = writer::labels(&names::labels(series, family.kind));
            if lines.contains(&labels) {
                self.conflicts += 1;
                continue;
            }
            match value {
                ValueSnapshot::Number(value) => self.writer.number(name, family.kind, &labels, *value),
                ValueSnapshot::Histogram { bounds, counts } => self.writer.histogram(name, &labels, bounds, counts),
            }
            lines.insert(labels);
        }
    }
}

fn series_of(families: &[&FamilySnapshot]) -> u64 {
    families.iter().map(|family| family.series.len() as u64).sum()
}

/// Every name that a family takes, in both formats.
fn line_names(name: &str, kind: Kind) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        Kind::Gauge => &[""],
        Kind::Counter => &["", "_total"],
        Kind::Histogram => &["", "_bucket", "_sum", "_count"],
    };
    // In OpenMetrics the one metric whose family is called otherwise.
    let target = (name == "target_info").then(|| "target".to_owned());
    suffixes.iter().map(|suffix| format!("{name}{suffix}")).chain(target).collect()
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
