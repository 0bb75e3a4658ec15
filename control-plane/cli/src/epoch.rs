use anyhow::Result;
use clap::Args;

use crate::{arguments::Global, http::Client, output, runtime::block_on};

#[derive(Debug, Args)]
pub(crate) struct RaiseEpoch {
    /// To this epoch at least, where the store does not tell which one nodes have seen: one more than the greatest before the dot
    /// in the generations that `get nodes` shows
    #[arg(long, value_name = "EPOCH")]
    to: Option<u32>,
}

pub(crate) fn run(verb: &RaiseEpoch, global: &Global) -> Result<()> {
    let generation = block_on(Client::new(global)?.raise_epoch(verb.to))?;
    output::print(global.output, &generation, |generation| {
        Ok(format!("epoch {}, generation {generation}", generation.epoch))
    })
}
