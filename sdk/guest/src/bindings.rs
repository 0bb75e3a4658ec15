//! What `wit-bindgen` makes of the contracts in `sdk/wit`. Authors meet these types through [`crate::caching`] and
//! [`crate::lifecycle`]; this module is public because the export macro expands in the author's crate.

#![allow(
    missing_docs,
    unsafe_code,
    unused_qualifications,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "generated code: its documentation is the contract's, its unsafe is the canonical ABI"
)]

wit_bindgen::generate!({
    world: "switchyard:caching/caching-plugin",
    path: ["../wit/lifecycle", "../wit/caching"],
    generate_all,
    additional_derives: [PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "switchyard_sdk::bindings",
});
