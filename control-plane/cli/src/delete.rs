use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::json;
use switchyard_types::{RouteName, StrategyName};

use crate::{arguments::Global, http::Client, output, runtime::block_on};

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A strategy, by name
    Strategy {
        name: StrategyName,
        /// Only if the strategy still is at this version
        #[arg(long, value_name = "VERSION")]
        resource_version: Option<u64>,
    },
    /// A route, by name
    Route {
        name: RouteName,
        /// Only if the route still is at this version
        #[arg(long, value_name = "VERSION")]
        resource_version: Option<u64>,
    },
}

pub(crate) fn run(verb: &Delete, global: &Global) -> Result<()> {
    let (word, kind, name, resource_version) = match &verb.what {
        What::Strategy { name, resource_version } => ("strategy", "strategies", name.as_str(), resource_version),
        What::Route { name, resource_version } => ("route", "routes", name.as_str(), resource_version),
    };
    let client = Client::new(global)?;
    block_on(client.delete(kind, name, *resource_version)).with_context(|| format!("{word} {name}"))?;
    output::print(global.output, &json!({ "kind": word, "name": name, "result": "deleted" }), |_| {
        Ok(format!("{word} {name} deleted"))
    })
}
