//! What a server knows, as lists: once, or going on with what changes.

mod tables;
mod wide;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use switchyard_types::{HookReport, ListedNode, PluginManifest, RouteDocument, StrategyDocument, WatchKind, WatchLine};

use self::tables::{Row, Rows};
use crate::{
    arguments::Global,
    failure::UsageError,
    http::{Client, Follow},
    output::{self, Format},
    runtime::block_on,
    table::{Rolling, table},
};

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// What to list
    #[arg(value_enum)]
    what: What,
    /// Only the one of this name (plugins: a name or name@version)
    name: Option<String>,
    /// Go on with every change, until interrupted; with -o json a line {type, object} for each
    #[arg(short, long)]
    watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    #[value(alias = "plugin")]
    Plugins,
    #[value(alias = "strategy")]
    Strategies,
    #[value(alias = "route")]
    Routes,
    #[value(alias = "node")]
    Nodes,
}

pub(crate) fn run(verb: &Get, global: &Global) -> Result<()> {
    let client = Client::new(global)?;
    let name = verb.name.as_deref();
    let is_wide = global.output == Format::Wide;
    match verb.what {
        What::Plugins if verb.watch => {
            Err(UsageError("plugins cannot be watched: they never change".to_owned()).into())
        }
        What::Plugins => {
            let named = |plugin: &PluginManifest, name: &str| {
                plugin.name.as_str() == name || format!("{}@{}", plugin.name, plugin.version) == name
            };
            list(global, "plugin", block_on(client.plugins())?, name, named, &tables::plugins())
        }
        What::Strategies => {
            let named = |strategy: &StrategyDocument, name: &str| strategy.name.as_str() == name;
            let rows = if is_wide { wide::strategies(figures(&client)) } else { tables::strategies() };
            if verb.watch {
                return watch(global, &client, "strategies", name, &rows);
            }
            list(global, "strategy", block_on(client.strategies())?, name, named, &rows)
        }
        What::Routes => {
            let named = |route: &RouteDocument, name: &str| route.name.as_str() == name;
            if verb.watch {
                return watch(global, &client, "routes", name, &tables::routes());
            }
            list(global, "route", block_on(client.routes())?, name, named, &tables::routes())
        }
        What::Nodes => {
            let named = |node: &ListedNode, name: &str| node.report.node.as_str() == name;
            let rows = if is_wide { wide::nodes() } else { tables::nodes() };
            if verb.watch {
                return watch(global, &client, "nodes", name, &rows);
            }
            list(global, "node", block_on(client.listed_nodes())?, name, named, &rows)
        }
    }
}

/// None: nobody leads at the moment, and a list is worth having without them.
fn figures(client: &Client) -> Vec<HookReport> {
    block_on(client.figures()).unwrap_or_else(|error| {
        eprintln!("there are no figures: {}", output::inert(&format!("{error:#}")));
        Vec::new()
    })
}

/// Everything as an array, or the one of a name as itself.
fn list<T: Serialize>(
    global: &Global,
    kind: &str,
    mut items: Vec<T>,
    name: Option<&str>,
    named: impl Fn(&T, &str) -> bool,
    rows: &Rows<T>,
) -> Result<()> {
    let show = |items: &[T]| table(rows.head, rows.right, items.iter().flat_map(&rows.of));
    let Some(name) = name else { return output::print(global.output, items.as_slice(), |items| Ok(show(items))) };
    items.retain(|item| named(item, name));
    match items.as_slice() {
        [] => bail!("there is no {kind} {name:?}"),
        [one] => output::print(global.output, one, |one| Ok(show(std::slice::from_ref(one)))),
        several => output::print(global.output, several, |several| Ok(show(several))),
    }
}

/// Every change as it comes: for people a line a row that is not as it was shown before, and before it what became of the object.
fn watch<T: DeserializeOwned>(
    global: &Global,
    client: &Client,
    path: &str,
    name: Option<&str>,
    rows: &Rows<T>,
) -> Result<()> {
    let head: Vec<&str> = ["change"].into_iter().chain(rows.head.iter().copied()).collect();
    let mut rolling = Rolling::default();
    let mut shown: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut show = |line: &WatchLine, change: &str| -> Result<()> {
        let key = key(line).to_owned();
        // What is gone has nothing left but its name.
        let Ok(object) = serde_json::from_value::<T>(line.object.clone()) else {
            shown.remove(&key);
            return output::line(&rolling.row(&[change.to_owned(), key]));
        };
        let now = (rows.of)(&object);
        let before = shown.insert(key, now.clone()).unwrap_or_default();
        let mut news = now.into_iter().filter(|row| !before.contains(row));
        news.try_for_each(|row| output::line(&rolling.row(&[vec![change.to_owned()], row].concat())))
    };
    if global.output != Format::Json {
        let head: Vec<String> = head.iter().map(|name| name.to_uppercase()).collect();
        output::line(&Rolling::default().row(&head))?;
    }
    block_on(client.follow(Follow::from_version(path), |line| {
        let Some(change) = change(line.kind).filter(|_| name.is_none_or(|name| key(line) == name)) else {
            return Ok(());
        };
        match global.output {
            Format::Json => output::line(&serde_json::to_string(line)?),
            Format::Table | Format::Wide => show(line, change),
        }
    }))
}

/// What the object is called, also when it is gone.
fn key(line: &WatchLine) -> &str {
    let key = ["name", "node"].into_iter().find_map(|key| line.object.get(key)).and_then(Value::as_str);
    key.unwrap_or_default()
}

/// None: it is no change.
fn change(kind: WatchKind) -> Option<&'static str> {
    match kind {
        WatchKind::Added => Some("added"),
        WatchKind::Modified => Some("modified"),
        WatchKind::Deleted => Some("deleted"),
        WatchKind::Bookmark | WatchKind::Error => None,
    }
}
