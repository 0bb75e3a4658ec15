use anyhow::Result;
use serde_json::Value;

use crate::{arguments::Global, http::Client, output, runtime::block_on, table::pairs};

pub(crate) fn run(global: &Global) -> Result<()> {
    let client = Client::new(global)?;
    let health = block_on(client.health())?;
    output::print(global.output, &health, |health| Ok(show(health)))
}

fn show(health: &Value) -> String {
    let fields: Vec<_> =
        health.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), text(value))).collect();
    pairs(&fields)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
