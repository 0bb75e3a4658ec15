use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, metadata};

/// The first eight bytes of a core module; a component has another version in the last four.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Makes a component of a core module that was built with the SDK, and validates it.
pub(super) fn component(module: &[u8]) -> Result<Vec<u8>> {
    if !module.starts_with(MODULE) {
        bail!("what cargo has built is not a core WebAssembly module");
    }
    if !exports_something(module).context(ADVICE)? {
        bail!(ADVICE);
    }
    let encoder = ComponentEncoder::default().validate(true).module(module);
    encoder.and_then(|mut encoder| encoder.encode()).context(ADVICE)
}

const ADVICE: &str = "the module cannot become a plugin: does the crate depend on switchyard-sdk, and call an export macro \
                      such as export_caching!?";

/// A module without a world of its own would become a component that is valid, and empty.
fn exports_something(module: &[u8]) -> Result<bool> {
    let (_, bindings) = metadata::decode(module)?;
    let world = bindings.resolve.worlds.get(bindings.world);
    Ok(world.is_some_and(|world| !world.exports.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plugin_is_refused_with_advice() {
        assert!(component(b"#!/bin/sh").unwrap_err().to_string().contains("not a core WebAssembly module"));
        assert!(component(b"").is_err());
        let mut cut = MODULE.to_vec();
        cut.push(0xff);
        assert!(component(&cut).unwrap_err().to_string().contains("export_caching!"));
    }
}
