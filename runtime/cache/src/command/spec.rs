use super::{Call, Flow, client, config, connection, describe, expiry, info, keys, set, strings};

/// What a command is: enough to check a call, to carry it out and to answer COMMAND.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// As errors call it: `client|setname`.
    pub(super) full_name: &'static str,
    /// Words with the name; negative: at least so many.
    pub(super) arity: i64,
    pub(super) handler: fn(&mut Call<'_>) -> Flow,
    pub(super) flags: &'static [&'static str],
    /// First key, last key, step; zeros: no keys.
    pub(super) keys: [i64; 3],
    pub(super) group: &'static str,
    pub(super) since: &'static str,
    pub(super) summary: &'static str,
    pub(super) subcommands: &'static [Self],
}

impl Spec {
    pub(super) fn takes(&self, words: usize) -> bool {
        let words = words as i64;
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }

    const fn new(full_name: &'static str, arity: i64, handler: fn(&mut Call<'_>) -> Flow) -> Self {
        Self {
            name: full_name,
            full_name,
            arity,
            handler,
            flags: &[],
            keys: [0; 3],
            group: "server",
            since: "1.0.0",
            summary: "",
            subcommands: &[],
        }
    }

    const fn is(self, group: &'static str, since: &'static str, summary: &'static str) -> Self {
        Self { group, since, summary, ..self }
    }

    const fn flags(self, flags: &'static [&'static str]) -> Self {
        Self { flags, ..self }
    }

    const fn keys(self, first: i64, last: i64, step: i64) -> Self {
        Self { keys: [first, last, step], ..self }
    }

    const fn subcommands(self, subcommands: &'static [Self]) -> Self {
        Self { subcommands, ..self }
    }

    const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

/// The command with this name, in any case.
#[inline]
pub(super) fn find(specs: &'static [Spec], name: &[u8]) -> Option<&'static Spec> {
    specs.iter().find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(name))
}

const READ_FAST: &[&str] = &["readonly", "fast"];
const WRITE: &[&str] = &["write"];
const WRITE_FAST: &[&str] = &["write", "fast"];
const STORE: &[&str] = &["write", "denyoom"];
const STORE_FAST: &[&str] = &["write", "denyoom", "fast"];
const CONNECTION: &[&str] = &["noscript", "loading", "stale", "fast"];
const ADMIN: &[&str] = &["admin", "noscript", "loading", "stale"];
const ASK: &[&str] = &["loading", "stale"];

/// Every command, the most frequent ones first: a name is found by looking at them in order.
pub(super) static SPECS: &[Spec] = &[
    Spec::new("get", 2, strings::get).is("string", "1.0.0", "Get the value of a key").flags(READ_FAST).keys(1, 1, 1),
    Spec::new("set", -3, set::set).is("string", "1.0.0", "Set the string value of a key").flags(STORE).keys(1, 1, 1),
    Spec::new("incr", 2, strings::incr)
        .is("string", "1.0.0", "Increment the integer value of a key by one")
        .flags(STORE_FAST)
        .keys(1, 1, 1),
    Spec::new("mget", -2, strings::mget)
        .is("string", "1.0.0", "Get the values of all the given keys")
        .flags(READ_FAST)
        .keys(1, -1, 1),
    Spec::new("mset", -3, strings::mset)
        .is("string", "1.0.1", "Set multiple keys to multiple values")
        .flags(STORE)
        .keys(1, -1, 2),
    Spec::new("incrby", 3, strings::incrby)
        .is("string", "1.0.0", "Increment the integer value of a key by the given amount")
        .flags(STORE_FAST)
        .keys(1, 1, 1),
    Spec::new("decr", 2, strings::decr)
        .is("string", "1.0.0", "Decrement the integer value of a key by one")
        .flags(STORE_FAST)
        .keys(1, 1, 1),
    Spec::new("decrby", 3, strings::decrby)
        .is("string", "1.0.0", "Decrement the integer value of a key by the given number")
        .flags(STORE_FAST)
        .keys(1, 1, 1),
    Spec::new("del", -2, keys::del).is("generic", "1.0.0", "Delete a key").flags(WRITE).keys(1, -1, 1),
    Spec::new("exists", -2, keys::exists)
        .is("generic", "1.0.0", "Determine if a key exists")
        .flags(READ_FAST)
        .keys(1, -1, 1),
    Spec::new("expire", -3, expiry::expire)
        .is("generic", "1.0.0", "Set a key's time to live in seconds")
        .flags(WRITE_FAST)
        .keys(1, 1, 1),
    Spec::new("ttl", 2, expiry::ttl)
        .is("generic", "1.0.0", "Get the time to live for a key in seconds")
        .flags(READ_FAST)
        .keys(1, 1, 1),
    Spec::new("pttl", 2, expiry::pttl)
        .is("generic", "2.6.0", "Get the time to live for a key in milliseconds")
        .flags(READ_FAST)
        .keys(1, 1, 1),
    Spec::new("ping", -1, connection::ping).is("connection", "1.0.0", "Ping the server").flags(&["fast"]),
    Spec::new("echo", 2, connection::echo)
        .is("connection", "1.0.0", "Echo the given string")
        .flags(&["loading", "stale", "fast"]),
    Spec::new("select", 2, connection::select)
        .is("connection", "1.0.0", "Change the selected database for the current connection")
        .flags(&["loading", "stale", "fast"]),
    Spec::new("hello", -1, connection::hello).is("connection", "6.0.0", "Handshake with Redis").flags(&[
        "noscript",
        "loading",
        "stale",
        "fast",
        "no_auth",
        "allow_busy",
    ]),
    Spec::new("quit", -1, connection::quit).is("connection", "1.0.0", "Close the connection").flags(&[
        "noscript",
        "loading",
        "stale",
        "fast",
        "no_auth",
        "allow_busy",
    ]),
    Spec::new("reset", 1, connection::reset).is("connection", "6.2.0", "Reset the connection").flags(&[
        "noscript",
        "loading",
        "stale",
        "fast",
        "no_auth",
        "allow_busy",
    ]),
    Spec::new("client", -2, connection::needs_subcommand)
        .is("connection", "2.4.0", "A container for client connection commands")
        .subcommands(CLIENT),
    Spec::new("dbsize", 1, keys::dbsize)
        .is("server", "1.0.0", "Return the number of keys in the selected database")
        .flags(READ_FAST),
    Spec::new("flushdb", -1, keys::flushdb)
        .is("server", "1.0.0", "Remove all keys from the current database")
        .flags(WRITE),
    Spec::new("info", -1, info::info)
        .is("server", "1.0.0", "Get information and statistics about the server")
        .flags(ASK),
    Spec::new("config", -2, connection::needs_subcommand)
        .is("server", "2.0.0", "A container for server configuration commands")
        .subcommands(CONFIG),
    Spec::new("command", -1, describe::all)
        .is("server", "2.8.13", "Get array of Redis command details")
        .flags(ASK)
        .subcommands(COMMAND),
];

static CLIENT: &[Spec] = &[
    Spec::new("client|id", 2, client::id)
        .named("id")
        .is("connection", "5.0.0", "Returns the client ID for the current connection")
        .flags(CONNECTION),
    Spec::new("client|getname", 2, client::get_name)
        .named("getname")
        .is("connection", "2.6.9", "Get the current connection name")
        .flags(CONNECTION),
    Spec::new("client|setname", 3, client::set_name)
        .named("setname")
        .is("connection", "2.6.9", "Set the current connection name")
        .flags(CONNECTION),
    Spec::new("client|setinfo", 4, client::set_info)
        .named("setinfo")
        .is("connection", "7.2.0", "Set client or connection specific info")
        .flags(CONNECTION),
];

static CONFIG: &[Spec] = &[Spec::new("config|get", -3, config::get)
    .named("get")
    .is("server", "2.0.0", "Get the values of configuration parameters")
    .flags(ADMIN)];

static COMMAND: &[Spec] = &[
    Spec::new("command|count", 2, describe::count)
        .named("count")
        .is("server", "2.8.13", "Get total number of Redis commands")
        .flags(ASK),
    Spec::new("command|docs", -2, describe::docs)
        .named("docs")
        .is("server", "7.0.0", "Get array of specific Redis command documentation")
        .flags(ASK),
    Spec::new("command|info", -2, describe::some)
        .named("info")
        .is("server", "2.8.13", "Get array of specific Redis command details")
        .flags(ASK),
    Spec::new("command|list", -2, describe::list)
        .named("list")
        .is("server", "7.0.0", "Get an array of Redis command names")
        .flags(ASK),
];
