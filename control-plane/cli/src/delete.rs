use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::json;
use switchyard_types::StrategyName;

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
}

pub(crate) fn run(verb: &Delete, global: &Global) -> Result<()> {
    let What::Strategy { name, resource_version } = &verb.what;
    let client = Client::new(global)?;
    block_on(client.delete_strategy(name, *resource_version)).with_context(|| format!("strategy {name}"))?;
    output::print(global.output, &json!({ "name": name, "result": "deleted" }), |_| {
        Ok(format!("strategy {name} deleted"))
    })
}
