//! Linking: what a component asks for and offers, held against the contracts of this host.

use switchyard_types::StrategyKind;
use wasmtime::{
    Engine,
    component::{Component, Linker, types::ComponentItem},
};

use crate::{HostError, bindings, guest_state::GuestState};

/// The only interface that a plugin may import.
pub(crate) const HOST: &str = "switchyard:lifecycle/host@0.1.0";
/// What every plugin exports.
pub(crate) const LIFECYCLE: &str = "switchyard:lifecycle/lifecycle@0.1.0";
/// What a plugin exports that decides about caching.
pub(crate) const CACHING: &str = "switchyard:caching/caching@0.1.0";
/// The same for routing.
pub(crate) const ROUTING: &str = "switchyard:routing/routing@0.1.0";
/// The same for scheduling.
pub(crate) const SCHEDULING: &str = "switchyard:scheduling/scheduling@0.1.0";

/// The same for alerting.
pub(crate) const ALERTING: &str = "switchyard:alerting/alerting@0.1.0";
/// The same for scoring.
pub(crate) const SCORING: &str = "switchyard:scoring/scoring@0.1.0";

/// The packages of these kinds and of what every plugin has, as manifests and node statuses name them.
pub(crate) fn packages(kinds: &[StrategyKind]) -> Vec<String> {
    std::iter::once(LIFECYCLE).chain(kinds.iter().map(|kind| interface(*kind))).map(package).collect()
}

fn package(interface: &str) -> String {
    let (name, version) = interface.split_once('@').unwrap_or((interface, ""));
    let (package, _) = name.split_once('/').unwrap_or((name, ""));
    format!("{package}@{version}")
}

/// The interface of a kind.
pub(crate) fn interface(kind: StrategyKind) -> &'static str {
    match kind {
        StrategyKind::Alerting => ALERTING,
        StrategyKind::Caching => CACHING,
        StrategyKind::Scoring => SCORING,
        StrategyKind::Routing => ROUTING,
        StrategyKind::Scheduling => SCHEDULING,
    }
}

/// A linker with the host's functions and nothing else.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<GuestState>, HostError> {
    let mut linker = Linker::new(engine);
    bindings::host::add_to_linker::<_, HasState>(&mut linker, |state| state)
        .map_err(|error| HostError::Machine(format!("the host's functions cannot be linked: {error:#}")))?;
    Ok(linker)
}

/// The host's functions get the whole state of an instance.
pub(crate) struct HasState;

impl wasmtime::component::HasData for HasState {
    type Data<'a> = &'a mut GuestState;
}

/// Holds imports and exports against the contracts, by name, before types are compared: a name says more to an author
/// than a type mismatch does. Returns the kinds that the component offers.
pub(crate) fn check(engine: &Engine, component: &Component) -> Result<Vec<StrategyKind>, HostError> {
    let ty = component.component_type();
    for (name, item) in ty.imports(engine) {
        // Types without functions are imported by name only and give nobody any power.
        let harmless = name == HOST
            || matches!(&item.ty, ComponentItem::ComponentInstance(instance)
            if instance.exports(engine).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_))));
        if !harmless {
            return Err(HostError::Incompatible(refused_import(name)));
        }
    }
    let exports: Vec<&str> = ty.exports(engine).map(|(name, _)| name).collect();
    require(&exports, LIFECYCLE)?;
    let kinds: Vec<_> = StrategyKind::ALL.into_iter().filter(|kind| exports.contains(&interface(*kind))).collect();
    if kinds.is_empty() {
        // Every kind's interface is missing; another version of one says more than that there is none.
        let other =
            StrategyKind::ALL.into_iter().map(interface).find(|wanted| in_other_version(&exports, wanted).is_some());
        require(&exports, other.unwrap_or(CACHING))?;
    }
    Ok(kinds)
}

fn refused_import(name: &str) -> String {
    match other_version(name, HOST) {
        Some(version) => format!(
            "the plugin imports {name}: this host offers version 0.1.0 of it, not {version}; rebuild the plugin with the \
             SDK of this release"
        ),
        None => format!(
            "the plugin imports {name}, which no plugin gets: a plugin may import {HOST} and nothing else; remove what \
             needs it"
        ),
    }
}

fn require(exports: &[&str], wanted: &str) -> Result<(), HostError> {
    if exports.contains(&wanted) {
        return Ok(());
    }
    Err(HostError::Incompatible(match in_other_version(exports, wanted) {
        Some(name) => format!(
            "the plugin exports {name}: this host runs {wanted}; rebuild the plugin with the SDK of this release"
        ),
        None => format!("the plugin does not export {wanted}: build it with the SDK's export macro"),
    }))
}

fn in_other_version<'a>(exports: &[&'a str], wanted: &str) -> Option<&'a str> {
    exports.iter().copied().find(|name| other_version(name, wanted).is_some())
}

/// The version in `name`, if it is the interface of `wanted` in another version.
fn other_version<'a>(name: &'a str, wanted: &str) -> Option<&'a str> {
    let (name, version) = name.split_once('@')?;
    (name == wanted.split_once('@')?.0).then_some(version)
}
