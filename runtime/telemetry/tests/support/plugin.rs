//! Strategies for the slots: the project's own, and small texts that do one thing.

use std::{fs, path::PathBuf};

use serde_json::Value;
use switchyard_host::{Host, Strategy};
use switchyard_types::Limits;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const LIFECYCLE: &str = include_str!("../../../../sdk/wit/lifecycle/lifecycle.wit");
const ALERTING: &str = include_str!("../../../../sdk/wit/alerting/alerting.wit");
const SCORING: &str = include_str!("../../../../sdk/wit/scoring/scoring.wit");

/// One of the project's own, as `cargo xtask plugins` builds it.
pub(crate) fn of_project(host: &Host, name: &str, configuration: &Value) -> Strategy {
    let folder = std::env::var_os("SWITCHYARD_PLUGINS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins")), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    let component =
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: run cargo xtask plugins", path.display()));
    host.load(&component).unwrap().strategy(configuration, Limits::DEFAULT).unwrap()
}

/// An alerting strategy that is quiet in its self-test and does this in `evaluate` on a live node.
pub(crate) fn alerting(host: &Host, evaluate: &str) -> Strategy {
    of_text(host, "alerting", ALERTING, include_str!("../strategies/alerting.wat"), evaluate)
}

/// One that names the first series and does this in `notify`.
pub(crate) fn notifying(host: &Host, notify: &str) -> Strategy {
    let hooks = include_str!("../strategies/alerting.wat").replace(";; notify", notify);
    of_text(host, "alerting", ALERTING, &hooks, "(return (i32.const 1024))")
}

/// The same of scoring, in `score`.
pub(crate) fn scoring(host: &Host, score: &str) -> Strategy {
    of_text(host, "scoring", SCORING, include_str!("../strategies/scoring.wat"), score)
}

fn of_text(host: &Host, kind: &str, contract: &str, hooks: &str, live: &str) -> Strategy {
    let base = include_str!("../strategies/base.wat");
    let length = format!("\\{:02x}\\00\\00\\00", kind.len());
    let text =
        base.replace(";; hooks", hooks).replace(";; live", live).replace("LENGTH", &length).replace("KIND", kind);
    let mut resolve = Resolve::default();
    resolve.push_str("lifecycle.wit", LIFECYCLE).unwrap();
    let package = resolve.push_str(format!("{kind}.wit"), contract).unwrap();
    let world = resolve.select_world(&[package], Some(&format!("{kind}-plugin"))).unwrap();
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let component = ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap();
    host.load(&component).unwrap().strategy(&serde_json::json!({}), Limits::DEFAULT).unwrap()
}
