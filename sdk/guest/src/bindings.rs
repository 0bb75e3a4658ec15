//! What `wit-bindgen` makes of the contracts in `sdk/wit`, one module for what every plugin has and one for each kind.
//! Authors meet these types through [`crate::lifecycle`] and the kinds' modules; this one is public because the export
//! macros expand in the author's crate.
//!
//! Each is a world of its own, and a component is made of those whose export macro a plugin expands: a plugin carries the
//! kinds that it decides about and no other.

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

pub mod lifecycle {
    wit_bindgen::generate!({
        inline: "
            package switchyard:guest;
            world lifecycle-exports {
                import switchyard:lifecycle/host@0.1.0;
                export switchyard:lifecycle/lifecycle@0.1.0;
            }
        ",
        path: ["../wit/lifecycle"],
        world: "switchyard:guest/lifecycle-exports",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_lifecycle",
        default_bindings_module: "switchyard_sdk::bindings::lifecycle",
    });
}

pub mod alerting {
    wit_bindgen::generate!({
        inline: "
            package switchyard:guest;
            world alerting-exports {
                export switchyard:alerting/alerting@0.1.0;
            }
        ",
        path: ["../wit/lifecycle", "../wit/alerting"],
        world: "switchyard:guest/alerting-exports",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_alerting",
        default_bindings_module: "switchyard_sdk::bindings::alerting",
    });
}

pub mod caching {
    wit_bindgen::generate!({
        inline: "
            package switchyard:guest;
            world caching-exports {
                export switchyard:caching/caching@0.1.0;
            }
        ",
        path: ["../wit/lifecycle", "../wit/caching"],
        world: "switchyard:guest/caching-exports",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_caching",
        default_bindings_module: "switchyard_sdk::bindings::caching",
    });
}

pub mod routing {
    wit_bindgen::generate!({
        inline: "
            package switchyard:guest;
            world routing-exports {
                export switchyard:routing/routing@0.1.0;
            }
        ",
        path: ["../wit/lifecycle", "../wit/routing"],
        world: "switchyard:guest/routing-exports",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_routing",
        default_bindings_module: "switchyard_sdk::bindings::routing",
    });
}

pub mod scheduling {
    wit_bindgen::generate!({
        inline: "
            package switchyard:guest;
            world scheduling-exports {
                export switchyard:scheduling/scheduling@0.1.0;
            }
        ",
        path: ["../wit/lifecycle", "../wit/scheduling"],
        world: "switchyard:guest/scheduling-exports",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_scheduling",
        default_bindings_module: "switchyard_sdk::bindings::scheduling",
    });
}

pub mod scoring {
    wit_bindgen::generate!({
        inline: "
            package switchyard:guest;
            world scoring-exports {
                export switchyard:scoring/scoring@0.1.0;
            }
        ",
        path: ["../wit/lifecycle", "../wit/scoring"],
        world: "switchyard:guest/scoring-exports",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_scoring",
        default_bindings_module: "switchyard_sdk::bindings::scoring",
    });
}
