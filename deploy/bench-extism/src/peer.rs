use std::time::Duration;

use anyhow::{Result, ensure};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm, convert::Json};
use serde::{Deserialize, Serialize};

use crate::{
    decider::{Decider, Order, order},
    question::{Question, weights},
};

/// A manifest's bound on a call. It is of wall time, so it must be long where a busy machine lets nobody run for 100 ms: with
/// that, a run has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// 64 MiB in pages of Wasm.
const PAGES_MAX: u32 = 1_024;

/// How a question crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Not at all: what any call costs.
    Nothing,
    /// As bytes at fixed places.
    Raw,
    /// The same under a time-out and a bound on memory.
    RawWithLimits,
    /// As JSON, by the conversions that Extism has for it.
    Json,
}

#[derive(Serialize)]
struct Backend {
    backend: u32,
    weight: u32,
}

#[derive(Deserialize)]
struct Answer {
    order: Vec<u32>,
}

/// One plugin that is called again and again, as Extism's documentation does it.
pub(crate) struct Extism {
    plugin: Plugin,
    form: Form,
    bytes: Vec<u8>,
}

impl Extism {
    pub(crate) fn new(module: &[u8], form: Form) -> Result<Self> {
        Self::from_compiled(&compile(module, form)?, form)
    }

    /// An instance that knows the route's backends.
    pub(crate) fn from_compiled(compiled: &CompiledPlugin, form: Form) -> Result<Self> {
        let mut plugin = Plugin::new_from_compiled(compiled)?;
        let backends: Vec<_> = weights().map(|(backend, weight)| Backend { backend, weight }).collect();
        plugin.call::<_, ()>("backends", Json(backends))?;
        Ok(Self { plugin, form, bytes: Vec::new() })
    }

    /// Calls what traps. The plugin can be called again after it, in the state that the trap has left behind.
    pub(crate) fn trap(&mut self) -> Result<()> {
        ensure!(self.plugin.call::<(), ()>("fail", ()).is_err(), "the trapping function has returned");
        Ok(())
    }

    fn raw(&mut self, question: &Question) -> Result<Order> {
        question.plain.write(&mut self.bytes);
        let answer: &[u8] = self.plugin.call("pick_raw", self.bytes.as_slice())?;
        let (words, rest) = answer.as_chunks();
        ensure!(rest.is_empty(), "an answer of {} bytes", answer.len());
        let mut backends = [0; 8];
        let read = backends.iter_mut().zip(words).map(|(backend, word)| *backend = u32::from_le_bytes(*word)).count();
        order(backends.get(..read).unwrap_or_default())
    }

    fn json(&mut self, question: &Question) -> Result<Order> {
        let Json(answer): Json<Answer> = self.plugin.call("pick_json", Json(&question.plain))?;
        order(&answer.order)
    }
}

/// Without the cache on disk: what is measured as compiling must compile.
pub(crate) fn compile(module: &[u8], form: Form) -> Result<CompiledPlugin> {
    let manifest = Manifest::new([Wasm::data(module)]);
    let manifest = match form {
        Form::RawWithLimits => manifest.with_timeout(TIMEOUT).with_memory_max(PAGES_MAX),
        Form::Nothing | Form::Raw | Form::Json => manifest,
    };
    CompiledPlugin::new(PluginBuilder::new(manifest).with_wasi(false).with_cache_disabled())
}

impl Decider for Extism {
    fn name(&self) -> &'static str {
        match self.form {
            Form::Nothing => "Extism, a call of nothing",
            Form::Raw => "Extism, raw bytes",
            Form::RawWithLimits => "Extism, raw bytes, with a time-out and a bound on memory",
            Form::Json => "Extism, JSON",
        }
    }

    fn decide(&mut self, question: &Question) -> Result<Order> {
        match self.form {
            Form::Nothing => self.plugin.call::<(), ()>("nothing", ()).map(|()| Order::default()),
            Form::Raw | Form::RawWithLimits => self.raw(question),
            Form::Json => self.json(question),
        }
    }
}
