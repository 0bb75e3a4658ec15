use std::{env, fmt::Write, fs, path::Path};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A plugin of the host's own fixtures that says other things of itself.
pub struct PluginText {
    pub name: &'static str,
    pub version: &'static str,
    pub schema: &'static str,
    pub default: &'static str,
    /// A fixture's name, for what it does.
    pub behaviour: &'static str,
}

impl Default for PluginText {
    fn default() -> Self {
        Self {
            name: "plain",
            version: "0.1.0",
            schema: r#"{"type":"object","properties":{"entries":{"type":"integer","minimum":1}},"additionalProperties":false}"#,
            default: r#"{"entries":10}"#,
            behaviour: "honest",
        }
    }
}

/// Where the record of `describe` lies in the fixtures, and where there is room for longer strings.
const DESCRIPTION: usize = 256;
const ROOM: usize = 8_192;

impl PluginText {
    pub fn component(&self) -> Vec<u8> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtime/host/tests/hostile");
        let read = |name: &str| fs::read_to_string(fixtures.join(name)).expect("a fixture of the host");
        let mut text = splice(read("base.wat"), &read(&format!("{}.wat", self.behaviour)));
        text.truncate(text.rfind(')').expect("the end of the module"));
        let mut at = ROOM;
        // The strings' places in the record; `kinds` stands between.
        for (field, string) in [(0, self.name), (8, self.version), (24, self.schema), (32, self.default)] {
            let words: Vec<u8> = [at, string.len()].iter().flat_map(|word| (*word as u32).to_le_bytes()).collect();
            data(&mut text, DESCRIPTION + field, &words);
            data(&mut text, at, string.as_bytes());
            at += string.len();
        }
        text.push(')');
        encode(&text)
    }
}

/// A component that the build made.
pub fn built(name: &str) -> Vec<u8> {
    let folder = env::var("SWITCHYARD_PLUGINS")
        .unwrap_or_else(|_| format!("{}/../../target/plugins", env!("CARGO_MANIFEST_DIR")));
    fs::read(Path::new(&folder).join(format!("{name}.wasm")))
        .unwrap_or_else(|error| panic!("{folder}/{name}.wasm: {error}; run cargo xtask test"))
}

fn data(text: &mut String, at: usize, bytes: &[u8]) {
    write!(text, "\n(data (i32.const {at}) \"").expect("a string");
    for byte in bytes {
        write!(text, "\\{byte:02x}").expect("a string");
    }
    text.push_str("\")");
}

/// Replaces bodies of the base text by those of a fixture.
fn splice(mut base: String, fixture: &str) -> String {
    for part in fixture.split(";; begin ").skip(1) {
        let (name, rest) = part.split_once('\n').expect("a name");
        let end = format!(";; end {name}");
        let body = rest.split_once(end.as_str()).expect("an end").0;
        base = base.replace(&end, &format!("{body}{end}"));
    }
    base
}

fn encode(text: &str) -> Vec<u8> {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/wit");
    let read = |file: &str| fs::read_to_string(contracts.join(file)).expect("a contract");
    let mut resolve = Resolve::default();
    resolve.push_str("lifecycle.wit", &read("lifecycle/lifecycle.wit")).expect("the contract of the life cycle");
    let caching = resolve.push_str("caching.wit", &read("caching/caching.wit")).expect("the contract of caching");
    let world = resolve.select_world(&[caching], Some("caching-plugin")).expect("the world");
    let mut module = wat::parse_str(text).expect("valid text");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default().validate(true).module(&module).expect("a module").encode().expect("a component")
}
