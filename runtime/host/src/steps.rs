//! Single steps of a plugin's life, for the bench alone: what users call takes several at once, and a copy of them made in
//! the bench would drift away from what the host does.

use switchyard_types::{Digest, Limits};
use wasmtime::component::Component;

use crate::{Host, HostError, Plugin, caching::Caching, instance::Instance, kind::Kind};

/// A component that may be linked. wasmtime's type stays in here.
pub struct Compiled(#[expect(dead_code, reason = "it is held so that its end is not measured")] Component);

/// An instance that nobody has configured.
pub struct Instantiated(#[expect(dead_code, reason = "it is held so that its end is not measured")] Bound);

type Bound = Instance<<Caching as Kind>::Calls>;

/// Machine code from WebAssembly by the host's own compiler; its length in bytes.
pub fn compile(host: &Host, bytes: &[u8]) -> Result<usize, HostError> {
    host.compile(bytes).map(|compiled| compiled.len())
}

/// What [`Host::load`] does before it links. With a folder that has the compiled form: read, check the MAC, map.
pub fn load_compiled(host: &Host, bytes: &[u8]) -> Result<Compiled, HostError> {
    host.component(Digest::of(bytes), bytes).map(|(component, _)| Compiled(component))
}

/// One more instance of a plugin, with its limits set and its functions bound.
pub fn instantiate(plugin: &Plugin) -> Result<Instantiated, HostError> {
    Instance::new(plugin.0.template(Limits::DEFAULT)?, Limits::DEFAULT, Caching::bind).map(Instantiated)
}
