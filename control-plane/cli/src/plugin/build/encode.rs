use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

/// The first eight bytes of a core module; a component has another version in the last four.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Makes a component of a core module that was built with the SDK, and validates it.
pub(super) fn component(module: &[u8]) -> Result<Vec<u8>> {
    if !module.starts_with(MODULE) {
        bail!("what cargo has built is not a core WebAssembly module");
    }
    let encoder = ComponentEncoder::default().validate(true).module(module);
    encoder.and_then(|mut encoder| encoder.encode()).context(
        "the module cannot become a component: does the crate depend on switchyard-sdk, and call an export macro such as \
         export_caching!?",
    )
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
