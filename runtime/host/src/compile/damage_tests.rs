//! F16: machine code that is not what was written is never loaded, and the plugin is compiled again.

use std::fs;

use proptest::{prelude::*, test_runner::Config};

use crate::{Compiler, Host, HostConfig, support};

const TRIALS: u32 = 1_000;

#[test]
fn damage_to_a_compiled_plugin_is_found() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = || HostConfig::new(Compiler::InProcess).with_compiled_dir(dir.path().to_owned());
    let wasm = support::component("honest");
    let host = Host::new(config()).expect("a host");
    let digest = host.load(&wasm).expect("it loads").digest();
    let file = fs::read_dir(dir.path()).expect("the folder").map(|entry| entry.expect("a file").path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "cwasm")).expect("it is kept");
    let good = fs::read(&file).expect("the file");
    let cache =
        super::CompiledCache::open(dir.path(), &crate::engine::compiling().expect("an engine")).expect("a cache");
    assert!(cache.get(digest).is_some(), "the good one is taken");
    proptest!(Config { cases: TRIALS, ..Config::default() }, |(at: prop::sample::Index, bit in 0..8u8, cut: bool)| {
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        fs::write(&file, &bytes).expect("written");
        prop_assert!(cache.get(digest).is_none(), "byte {at}, bit {bit}, cut {cut}");
    });
    // What is on disk is still the last damage: another process compiles, and writes it anew.
    drop(host);
    Host::new(config()).expect("another host").load(&wasm).expect("it is compiled again");
    assert!(cache.get(digest).is_some(), "and whole again");
}
