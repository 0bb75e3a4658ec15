//! What the host adds to a call: the same component under bare wasmtime, in the same run.
//!
//! `cargo bench --workspace --bench hooks`; needs `target/plugins/caching-lru.wasm` (`cargo xtask plugins` makes it).

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, reason = "a bench")]

mod support;

use std::{
    hint::black_box,
    sync::{Arc, Weak},
};

use criterion::{BatchSize::PerIteration, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use serde_json::json;
use support::{CpuTime, component, host};
use switchyard_host::{
    Compiler, Host, HostConfig, Plugin, Upkeep,
    caching::{Budget, CacheTable, CachingSlot, Entry, Event, EventKind, Load, Resident, Unit},
    steps,
};
use switchyard_types::Limits;
use wasmtime::{
    Engine, Store,
    component::{Component, ComponentType, Lift, Linker, TypedFunc, flags},
};

type StoreHook = TypedFunc<(u64, &'static Entry, &'static [Event]), (BareDecision,)>;

flags! {
    BareTiers {
        #[component(name = "memory")]
        const MEMORY;
        #[component(name = "remote")]
        const REMOTE;
        #[component(name = "disk")]
        const DISK;
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
#[allow(dead_code, reason = "lifting it is what costs")]
struct BareDecision {
    admit: bool,
    tiers: BareTiers,
    #[component(name = "ttl-ms")]
    ttl_ms: Option<u64>,
    compress: bool,
    victims: Vec<u64>,
}

type Group<'a> = BenchmarkGroup<'a, CpuTime>;

const CAPACITY: u64 = 10_000;

/// A table that costs nothing.
struct Nothing;

impl CacheTable for Nothing {
    fn now_ms(&self) -> u64 {
        0
    }
    fn budget(&self, _shard: usize) -> Budget {
        Budget { unit: Unit::Entries, capacity: CAPACITY }
    }
    fn drain(&self, _shard: usize, _max: usize, _into: &mut Vec<Event>) {}
    fn residents(&self, _shard: usize, _cursor: Option<usize>, _into: &mut Vec<Resident>) -> Option<usize> {
        None
    }
    fn load(&self, _shard: usize) -> Load {
        Load::default()
    }
}

/// A table that always has a full batch.
struct Batches(Vec<Event>);

impl CacheTable for Batches {
    fn now_ms(&self) -> u64 {
        0
    }
    fn budget(&self, _shard: usize) -> Budget {
        Budget { unit: Unit::Entries, capacity: CAPACITY }
    }
    fn drain(&self, _shard: usize, max: usize, into: &mut Vec<Event>) {
        if into.is_empty() {
            into.extend(self.0.iter().take(max));
        }
    }
    fn residents(&self, _shard: usize, _cursor: Option<usize>, _into: &mut Vec<Resident>) -> Option<usize> {
        None
    }
    fn load(&self, _shard: usize) -> Load {
        Load::default()
    }
}

fn plugin_bytes() -> Vec<u8> {
    component("caching-lru")
}

fn slot(host: &Host, table: Weak<dyn CacheTable>) -> CachingSlot {
    let strategy = host
        .load(&plugin_bytes())
        .and_then(|plugin| plugin.strategy(&json!({}), Limits::DEFAULT))
        .expect("the strategy");
    let slot = CachingSlot::new(host, table, 1, Upkeep::Caller);
    slot.swap(&strategy, 1).expect("a swap");
    slot
}

/// The same component, the same compiler settings, nothing around it.
struct Bare {
    store: Store<()>,
    resize: TypedFunc<(Budget,), ()>,
    store_hook: StoreHook,
}

fn bare() -> Bare {
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true).cranelift_nan_canonicalization(true).concurrency_support(false);
    let engine = Engine::new(&config).expect("an engine");
    let component = Component::new(&engine, plugin_bytes()).expect("a component");
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&component).expect("the host's functions, never called");
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = linker.instantiate(&mut store, &component).expect("an instance");
    let mut find = |interface: &str, name: &str| {
        let interface = instance.get_export_index(&mut store, None, interface).expect("an interface");
        instance.get_export_index(&mut store, Some(&interface), name).expect("a function")
    };
    let configure = find("switchyard:lifecycle/lifecycle@0.1.0", "configure");
    let resize = find("switchyard:caching/caching@0.1.0", "resize");
    let store_hook = find("switchyard:caching/caching@0.1.0", "store");
    let configure: TypedFunc<(&str, u64), (Result<(), String>,)> =
        instance.get_typed_func(&mut store, configure).expect("configure");
    let resize: TypedFunc<(Budget,), ()> = instance.get_typed_func(&mut store, resize).expect("resize");
    let store_hook = instance.get_typed_func(&mut store, store_hook).expect("store");
    configure.call(&mut store, ("{}", 1)).expect("called").0.expect("configured");
    resize.call(&mut store, (Budget { unit: Unit::Entries, capacity: CAPACITY },)).expect("resized");
    Bare { store, resize, store_hook }
}

fn store(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("store (entry in, decision out)");
    let Bare { store: mut bare_store, store_hook, .. } = bare();
    let mut id = 0u64;
    group.bench_function("bare wasmtime", |b| {
        b.iter(|| {
            id = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let entry = Entry { id, namespace: 0, size: 1, ttl_ms: None, key: None };
            store_hook
                .call(&mut bare_store, (0, &entry, &[][..]))
                .map(|(decision,)| black_box(decision).admit)
                .expect("a decision")
        });
    });
    let table: Arc<dyn CacheTable> = Arc::new(Nothing);
    let host = host();
    let slot = slot(&host, Arc::downgrade(&table));
    group.bench_function("through the host", |b| {
        b.iter(|| {
            id = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let entry = Entry { id, namespace: 0, size: 1, ttl_ms: None, key: None };
            slot.store(0, 0, &entry, |decision| black_box(decision.is_some()))
        });
    });
    group.finish();
}

fn resize(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("resize (integers only)");
    let Bare { store: mut bare_store, resize, .. } = bare();
    group.bench_function("bare wasmtime", |b| {
        b.iter(|| {
            let budget = Budget { unit: Unit::Entries, capacity: black_box(CAPACITY) };
            resize.call(&mut bare_store, (budget,)).expect("resized");
        });
    });
    let table: Arc<dyn CacheTable> = Arc::new(Nothing);
    let host = host();
    let slot = slot(&host, Arc::downgrade(&table));
    group.bench_function("through the host", |b| b.iter(|| slot.resize()));
    group.finish();
}

fn observe(c: &mut Criterion<CpuTime>) {
    let events: Vec<_> = (0..255).map(|id| Event { id, namespace: 0, size: 1, kind: EventKind::Hit }).collect();
    let table: Arc<dyn CacheTable> = Arc::new(Batches(events));
    let host = host();
    let slot = slot(&host, Arc::downgrade(&table));
    c.bench_function("observe (a batch of 255 hits)", |b| b.iter(|| slot.observe(0)));
}

/// Each step alone and then as users get them. What a step makes is dropped outside of the measurement.
fn life(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("life of a plugin");
    group.sample_size(20);
    let (bytes, host) = (plugin_bytes(), host());
    compiling(&mut group, &host, &bytes);
    loading(&mut group, &bytes);
    let plugin = host.load(&bytes).expect("a plugin");
    group.bench_function("instantiate", |b| {
        b.iter_batched(|| (), |()| steps::instantiate(&plugin).expect("an instance"), PerIteration);
    });
    swapping(&mut group, &host, &plugin);
    group.finish();
}

fn compiling(group: &mut Group<'_>, trusting: &Host, bytes: &[u8]) {
    group.bench_function("compile (in process)", |b| b.iter(|| steps::compile(trusting, bytes).expect("machine code")));
    group.bench_function("compile (in process), link, describe", |b| {
        b.iter_batched(host, |host| host.load(bytes).expect("a plugin"), PerIteration);
    });
}

fn loading(group: &mut Group<'_>, bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a folder");
    let cached =
        || Host::new(HostConfig::new(Compiler::InProcess).with_compiled_dir(dir.path().to_owned())).expect("a host");
    let host = cached();
    host.load(bytes).expect("compiled once");
    group.bench_function("load compiled", |b| {
        b.iter_batched(|| (), |()| steps::load_compiled(&host, bytes).expect("a component"), PerIteration);
    });
    group.bench_function("load compiled, link, describe", |b| {
        b.iter_batched(cached, |host| host.load(bytes).expect("a plugin"), PerIteration);
    });
}

fn swapping(group: &mut Group<'_>, host: &Host, plugin: &Plugin) {
    let table: Arc<dyn CacheTable> = Arc::new(Nothing);
    let slot = slot(host, Arc::downgrade(&table));
    let limits = [Limits::DEFAULT, Limits { waited_call_us: 1_999, ..Limits::DEFAULT }];
    let strategies = limits.map(|limits| plugin.strategy(&json!({}), limits).expect("a strategy"));
    let mut turn = 0;
    group.bench_function("swap: instantiate, configure, adopt nothing, flip, drop the old", |b| {
        b.iter(|| {
            turn += 1;
            slot.swap(&strategies[turn % 2], 1).expect("a swap")
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = store, resize, observe, life
}
criterion_main!(benches);
