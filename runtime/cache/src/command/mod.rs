//! The commands: what each takes, and what it does to the cache. Replies and errors are Redis's, word for word; the
//! differential test `tests/redis.rs` holds them against a real one.

mod client;
mod config;
mod connection;
mod describe;
mod expiry;
mod info;
mod keys;
mod session;
mod set;
mod spec;
mod strings;

use crate::{
    Cache, Value,
    resp::{Arguments, Writer},
};
pub(crate) use session::Session;
use spec::{SPECS, Spec};

/// The version of Redis whose replies these are, for clients that ask.
const REDIS_VERSION: &str = "7.0.15";
/// Bytes of unknown names and arguments that an error repeats.
const ECHO_BYTES_MAX: usize = 128;
/// Keys of one command that are served in one go before other clients get their turn.
const KEYS_PER_TURN: usize = 256;
/// Values up to this size are copied into the output under the shard's lock; larger ones are shared and written from
/// where they are.
const COPIED_BYTES_MAX: usize = 16 << 10;

/// One command that is being carried out.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) session: &'a mut Session,
    pub(crate) arguments: Arguments<'a>,
    pub(crate) writer: Writer<'a>,
    pub(crate) now_ms: u64,
    /// Where a command with many keys goes on.
    pub(crate) progress: Progress,
}

/// How far a command with many keys has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// The argument that is next; 0 at the beginning.
    pub(crate) next: usize,
    /// Keys counted so far.
    pub(crate) count: i64,
}

/// Work that gives a reply.
pub(crate) type Job = Box<dyn FnOnce() -> Vec<u8> + Send>;

/// How the connection goes on after a command.
pub(crate) enum Flow {
    /// The reply is complete.
    Done,
    /// The output is to be written, then the command goes on.
    More(Progress),
    /// The output is to be written, then these bytes and a line end; then the command goes on, if it does.
    Value(Value, Option<Progress>),
    /// This takes long or waits, and gives the reply: it is to be run where no other client is served.
    Apart(Job),
    /// The output is to be written and the connection closed.
    Close,
    /// The connection is to be closed without another word.
    Abort,
}

/// Carries out a command, or writes why not.
pub(crate) fn run(call: &mut Call<'_>) -> Flow {
    let name = call.arguments.get(0);
    let Some(command) = spec::find(SPECS, name) else { return unknown(call, name) };
    let Some(spec) = subcommand(command, call.arguments) else {
        let subcommand = clipped(call.arguments.get(1), ECHO_BYTES_MAX);
        let upper = command.name.to_ascii_uppercase();
        let parts = [b"ERR unknown subcommand '", subcommand, b"'. Try ", upper.as_bytes(), b" HELP."];
        call.writer.error(&parts.concat());
        return Flow::Done;
    };
    if !spec.takes(call.arguments.len()) {
        return call.wrong_number(spec.full_name);
    }
    (spec.handler)(call)
}

/// The subcommand that is meant, or the command itself where it has none; none where it has, but not this.
fn subcommand(command: &'static Spec, arguments: Arguments<'_>) -> Option<&'static Spec> {
    match arguments.find(1).filter(|_| !command.subcommands.is_empty()) {
        Some(name) => spec::find(command.subcommands, name),
        None => Some(command),
    }
}

#[cold]
fn unknown(call: &mut Call<'_>, name: &[u8]) -> Flow {
    if name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:") {
        // A browser that was led here: whatever it sends must not be taken for commands.
        tracing::warn!("a client speaks HTTP to the RESP port; its connection is closed");
        return Flow::Abort;
    }
    let mut beginning = Vec::new();
    for argument in call.arguments.from(1) {
        if beginning.len() >= ECHO_BYTES_MAX {
            break;
        }
        let room = ECHO_BYTES_MAX - beginning.len();
        beginning.extend([b"'", clipped(argument, room), b"' "].concat());
    }
    let name = clipped(name, ECHO_BYTES_MAX);
    call.writer.error(&[b"ERR unknown command '", name, b"', with args beginning with: ", &beginning].concat());
    Flow::Done
}

/// The beginning of a text, which ends at a NUL as it would in C.
fn clipped(text: &[u8], bytes_max: usize) -> &[u8] {
    let end = text.iter().take(bytes_max).position(|byte| *byte == 0).unwrap_or(text.len().min(bytes_max));
    text.get(..end).unwrap_or_default()
}

impl Call<'_> {
    pub(crate) fn ok(&mut self) -> Flow {
        self.writer.simple("OK");
        Flow::Done
    }

    pub(crate) fn integer(&mut self, value: i64) -> Flow {
        self.writer.integer(value);
        Flow::Done
    }

    pub(crate) fn error(&mut self, message: &str) -> Flow {
        self.writer.error(message.as_bytes());
        Flow::Done
    }

    pub(crate) fn syntax_error(&mut self) -> Flow {
        self.error("ERR syntax error")
    }

    pub(crate) fn not_an_integer(&mut self) -> Flow {
        self.error("ERR value is not an integer or out of range")
    }

    pub(crate) fn wrong_number(&mut self, name: &str) -> Flow {
        self.writer.err(format_args!("wrong number of arguments for '{name}' command"));
        Flow::Done
    }

    /// What Redis says when the memory of its budget is used up; here: the value could never fit.
    pub(crate) fn too_large(&mut self) -> Flow {
        self.error("OOM command not allowed when used memory > 'maxmemory'.")
    }

    /// Whether this option is given as an argument, in any case.
    pub(crate) fn is(&self, at: usize, option: &str) -> bool {
        self.arguments.get(at).eq_ignore_ascii_case(option.as_bytes())
    }

    /// Writes the value of a key. A large one is begun and handed back, to be written from where it is.
    #[inline]
    pub(crate) fn write_value(&mut self, key: &[u8]) -> Option<Value> {
        let writer = &mut self.writer;
        let read = self.cache.read(self.now_ms, key, |record| {
            let value = record.value();
            if value.len() <= COPIED_BYTES_MAX {
                writer.bulk(value);
                return None;
            }
            writer.bulk_header(value.len());
            Some(Value::new(record))
        });
        read.unwrap_or_else(|| {
            self.writer.null();
            None
        })
    }

    /// Writes a value that was read, or that there is none.
    pub(crate) fn write_read(&mut self, value: Option<Value>) -> Flow {
        match value {
            None => self.writer.null(),
            Some(value) if value.len() <= COPIED_BYTES_MAX => self.writer.bulk(&value),
            Some(value) => {
                self.writer.bulk_header(value.len());
                return Flow::Value(value, None);
            }
        }
        Flow::Done
    }
}
