//! Fixtures: hostile plugins from small texts, and a table as plain as can be.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use switchyard_host::{
    Compiler, Host, HostConfig, Plugin, Strategy, Upkeep,
    caching::{Budget, CacheTable, CachingSlot, Decision, Entry, Event, EventKind, Load, Resident, Unit},
};
use switchyard_types::Limits;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A host that compiles in its own process: fixtures are trusted.
pub fn host() -> Host {
    Host::new(HostConfig { instances_max: 32, ..HostConfig::new(Compiler::InProcess) }).expect("a host")
}

/// A folder of fixtures; the tests of engines include this file.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/tests").join(name)
}

/// The component of a fixture.
pub fn component(fixture: &str) -> Vec<u8> {
    let dir = folder("hostile");
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect("a fixture");
    encode(&splice(read("base.wat"), &read(&format!("{fixture}.wat"))))
}

/// The component of a fixture with more in some of its bodies.
pub fn component_with(fixture: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let dir = folder("hostile");
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect("a fixture");
    let mut text = splice(read("base.wat"), &read(&format!("{fixture}.wat")));
    for (name, body) in more {
        text = splice(text, &format!(";; begin {name}\n{body}\n;; end {name}\n"));
    }
    encode(&text)
}

/// The same as a strategy.
pub fn strategy_with(host: &Host, fixture: &str, more: &[(&str, &str)]) -> Strategy {
    let plugin = host.load(&component_with(fixture, more)).expect("a fixture that loads");
    plugin.strategy(&serde_json::json!({}), Limits::DEFAULT).expect("a fixture that configures")
}

/// An honest strategy that wants a tick every ten milliseconds.
pub fn ticking(host: &Host) -> Strategy {
    let base = include_str!("../hostile/base.wat");
    // The batch, and the optional period after it.
    let (batch, never) = (r#""\40\00\00\00""#, r#""\00\00\00\00\00\00\00\00""#);
    let (from, to) = (format!("{batch} {never}"), format!(r#"{batch} "\01\00\00\00\0a\00\00\00""#));
    assert!(base.contains(&from), "the description has no ticks");
    let plugin = host.load(&encode(&base.replace(&from, &to))).expect("a fixture that loads");
    assert_eq!(plugin.manifest().interests.tick_ms, Some(10));
    plugin.strategy(&serde_json::json!({}), Limits::DEFAULT).expect("a fixture that configures")
}

/// Waits for a condition. Returns whether it came.
pub fn came(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// The base text with the hooks of another kind, and a fixture's bodies in them.
pub fn of_kind(kind: &str, fixture: &str) -> String {
    let dir = folder("");
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect("a fixture");
    let base = read("hostile/base.wat");
    let (start, rest) = base.split_once("  ;; the kind\n").expect("where the kind's hooks begin");
    let (_, end) = rest.split_once("  ;; end of the kind\n").expect("where they end");
    // Of caching: its decision, and the name of the kind with its length.
    let (data, names) = end.split_once("  ;; decision:").expect("the answer of caching's hook");
    let names = names.split_once("  ;; lists of names").expect("names").1;
    let names = names.replace(r#"\50\08\00\00\07"#, &format!(r#"\50\08\00\00\{:02x}"#, kind.len()));
    let names = names.replace("\"caching\"", &format!("\"{kind}\""));
    let hooks = read(&format!("kinds/{kind}.wat"));
    splice(format!("{start}{hooks}{data}  ;;{names}"), fixture)
}

/// Replaces bodies of the base text by those of a fixture.
pub fn splice(mut base: String, fixture: &str) -> String {
    for part in fixture.split(";; begin ").skip(1) {
        let (name, rest) = part.split_once('\n').expect("a name");
        let end = format!(";; end {name}");
        let body = rest.split_once(end.as_str()).expect("an end").0;
        assert!(base.contains(&end), "{name} is a body of the base");
        base = base.replace(&end, &format!("{body}{end}"));
    }
    base
}

/// A core module's text as a component for the caching world.
pub fn encode(text: &str) -> Vec<u8> {
    encode_for(text, "", "")
}

/// The same, for contracts in which `from` is replaced by `to`.
pub fn encode_for(text: &str, from: &str, to: &str) -> Vec<u8> {
    encode_world("caching", text, from, to)
}

/// The same for the world of another kind.
pub fn encode_kind(kind: &str, text: &str) -> Vec<u8> {
    encode_world(kind, text, "", "")
}

fn encode_world(kind: &str, text: &str, from: &str, to: &str) -> Vec<u8> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/wit");
    let read = |file: &str| fs::read_to_string(wit.join(file)).expect("a contract");
    let change = |text: String| if from.is_empty() { text } else { text.replace(from, to) };
    let mut resolve = Resolve::default();
    resolve.push_str("lifecycle.wit", &change(read("lifecycle/lifecycle.wit"))).expect("the lifecycle contract");
    let file = format!("{kind}.wit");
    let package = resolve.push_str(&file, &change(read(&format!("{kind}/{file}")))).expect("the kind's contract");
    let world = resolve.select_world(&[package], Some(&format!("{kind}-plugin"))).expect("the world");
    let mut module = wat::parse_str(change(text.to_owned())).expect("valid text");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default().validate(true).module(&module).expect("a module").encode().expect("a component")
}

pub fn plugin(host: &Host, fixture: &str) -> Plugin {
    host.load(&component(fixture)).expect("a fixture that loads")
}

pub fn strategy(host: &Host, fixture: &str) -> Strategy {
    limited(host, fixture, Limits::DEFAULT)
}

pub fn limited(host: &Host, fixture: &str, limits: Limits) -> Strategy {
    plugin(host, fixture).strategy(&serde_json::json!({}), limits).expect("a fixture that configures")
}

/// What is logged, as text.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let log = self.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("not poisoned")).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One shard over a map, with first-in first-out eviction as its fallback.
pub struct Table {
    state: Mutex<State>,
    capacity: u64,
    ticks: AtomicU64,
    on_walk: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

#[derive(Default)]
struct State {
    residents: BTreeMap<u64, (u64, u32)>,
    events: VecDeque<Event>,
    clock: u64,
}

/// A slot over such a table.
pub struct Rig {
    pub table: Arc<Table>,
    pub slot: CachingSlot,
    pub decided: u64,
    pub fell_back: u64,
}

impl Rig {
    pub fn new(host: &Host, capacity: u64, upkeep: Upkeep) -> Self {
        let table =
            Arc::new(Table { state: Mutex::default(), capacity, ticks: AtomicU64::new(0), on_walk: Mutex::default() });
        let weak: Weak<Table> = Arc::downgrade(&table);
        Self { slot: CachingSlot::new(host, weak, 1, upkeep), table, decided: 0, fell_back: 0 }
    }

    /// The same slot and table from another thread, with counts of its own.
    pub fn another_client(&self) -> Self {
        Self { table: Arc::clone(&self.table), slot: self.slot.clone(), decided: 0, fell_back: 0 }
    }

    /// A read, and a store where it misses. Returns whether it hit.
    pub fn access(&mut self, id: u64) -> bool {
        if self.table.hit(id) {
            return true;
        }
        self.store(id);
        false
    }

    pub fn store(&mut self, id: u64) {
        let entry = Entry { id, namespace: 0, size: 1, ttl_ms: None, key: None };
        let decided = self.slot.store(0, self.table.now_ms(), &entry, |decision| {
            self.table.apply(&self.slot, id, decision);
            decision.is_some()
        });
        if decided { self.decided += 1 } else { self.fell_back += 1 }
    }
}

impl Table {
    pub fn len(&self) -> usize {
        self.state.lock().expect("not poisoned").residents.len()
    }

    /// Lets the table's clock run.
    pub fn pass_ms(&self, ms: u64) {
        self.state.lock().expect("not poisoned").clock += ms;
    }

    /// Ticks that began.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(SeqCst)
    }

    /// Has something done at the beginning of the next walk over the residents: staging is held up by it.
    pub fn on_walk(&self, act: impl FnOnce() + Send + 'static) {
        *self.on_walk.lock().expect("not poisoned") = Some(Box::new(act));
    }

    /// Empties the table behind everybody's back.
    pub fn empty(&self) {
        self.state.lock().expect("not poisoned").residents.clear();
    }

    fn hit(&self, id: u64) -> bool {
        let mut state = self.state.lock().expect("not poisoned");
        state.clock += 1;
        let clock = state.clock;
        let Some((last_access, hits)) = state.residents.get_mut(&id) else { return false };
        (*last_access, *hits) = (clock, *hits + 1);
        state.push(id, EventKind::Hit);
        true
    }

    fn apply(&self, slot: &CachingSlot, id: u64, decision: Option<&Decision>) {
        let mut state = self.state.lock().expect("not poisoned");
        let clock = state.clock;
        if let Some(decision) = decision {
            let unknown = decision.victims.iter().filter(|victim| state.residents.remove(victim).is_none()).count();
            slot.count_unknown_victims(unknown as u64);
        }
        if decision.is_none_or(|decision| decision.admit) {
            state.residents.insert(id, (clock, 0));
        }
        if decision.is_none() {
            state.push(id, EventKind::Stored);
        }
        while state.residents.len() as u64 > self.capacity {
            let (oldest, _) =
                state.residents.iter().min_by_key(|(_, (at, _))| *at).map(|(id, at)| (*id, *at)).expect("one");
            state.residents.remove(&oldest);
            state.push(oldest, EventKind::Removed);
            if decision.is_some() {
                slot.count_fallback_evictions(1);
            }
        }
    }
}

impl State {
    fn push(&mut self, id: u64, kind: EventKind) {
        if self.events.len() < 1 << 16 {
            self.events.push_back(Event { id, namespace: 0, size: 1, kind });
        }
    }
}

impl CacheTable for Table {
    fn now_ms(&self) -> u64 {
        self.state.lock().expect("not poisoned").clock
    }

    fn budget(&self, _shard: usize) -> Budget {
        Budget { unit: Unit::Entries, capacity: self.capacity }
    }

    fn drain(&self, _shard: usize, max: usize, into: &mut Vec<Event>) {
        let mut state = self.state.lock().expect("not poisoned");
        let count = state.events.len().min(max);
        into.extend(state.events.drain(..count));
    }

    fn residents(&self, _shard: usize, _cursor: Option<usize>, into: &mut Vec<Resident>) -> Option<usize> {
        let act = self.on_walk.lock().expect("not poisoned").take();
        if let Some(act) = act {
            act();
        }
        let state = self.state.lock().expect("not poisoned");
        into.extend(state.residents.iter().map(|(id, (last_access, hits))| Resident {
            id: *id,
            namespace: 0,
            size: 1,
            ttl_ms: None,
            hits: *hits,
            last_access: *last_access,
        }));
        None
    }

    fn load(&self, _shard: usize) -> Load {
        self.ticks.fetch_add(1, SeqCst);
        Load { entries: self.len() as u64, ..Load::default() }
    }
}
