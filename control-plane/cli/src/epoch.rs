use anyhow::Result;

use crate::{arguments::Global, http::Client, output, runtime::block_on};

pub(crate) fn run(global: &Global) -> Result<()> {
    let generation = block_on(Client::new(global)?.raise_epoch())?;
    output::print(global.output, &generation, |generation| {
        Ok(format!("epoch {}, generation {generation}", generation.epoch))
    })
}
