//! What wasmtime generates from the contracts. The hot calls of a kind are typed by hand beside it (`caching/calls.rs`),
//! so that events are lowered from the engine's own slices without a copy; linking checks those types against the
//! component all the same.
#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated code")]
#![allow(
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "generated code"
)]

wasmtime::component::bindgen!({
    path: "../../sdk/wit/lifecycle",
    inline: "
        package switchyard:host-side;
        world every-plugin {
            import switchyard:lifecycle/host@0.1.0;
            export switchyard:lifecycle/lifecycle@0.1.0;
        }
    ",
    world: "switchyard:host-side/every-plugin",
});

pub(crate) use self::exports::switchyard::lifecycle::lifecycle::{Description, Guest as Lifecycle};
pub(crate) use self::switchyard::lifecycle::host::{self, Level};
