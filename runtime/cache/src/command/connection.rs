use super::{Call, Flow, REDIS_VERSION, client};
use crate::resp::{Protocol, parse_integer};

/// `PING [message]`
pub(super) fn ping(call: &mut Call<'_>) -> Flow {
    match call.arguments.len() {
        1 => call.writer.simple("PONG"),
        2 => call.writer.bulk(call.arguments.get(1)),
        _ => return call.wrong_number("ping"),
    }
    Flow::Done
}

/// `ECHO message`
pub(super) fn echo(call: &mut Call<'_>) -> Flow {
    call.writer.bulk(call.arguments.get(1));
    Flow::Done
}

/// `SELECT index`: there is one database.
pub(super) fn select(call: &mut Call<'_>) -> Flow {
    match parse_integer(call.arguments.get(1)) {
        Some(0) => call.ok(),
        Some(index) if i32::try_from(index).is_ok() => call.error("ERR DB index is out of range"),
        Some(_) => call.error("ERR value is out of range, value must between -2147483648 and 2147483647"),
        None => call.not_an_integer(),
    }
}

/// `QUIT`
pub(super) fn quit(call: &mut Call<'_>) -> Flow {
    call.writer.simple("OK");
    Flow::Close
}

/// `RESET`: as if the client had just connected.
pub(super) fn reset(call: &mut Call<'_>) -> Flow {
    call.session.protocol = Protocol::Resp2;
    call.session.name = Vec::new();
    call.writer.simple("RESET");
    Flow::Done
}

/// A command that is only the beginning of others is never called by itself: its arity asks for one more word, and that
/// word is then looked up.
pub(super) fn needs_subcommand(call: &mut Call<'_>) -> Flow {
    call.syntax_error()
}

/// What HELLO asks for.
#[derive(Debug)]
struct Hello<'a> {
    protocol: Protocol,
    name: Option<&'a [u8]>,
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`
pub(super) fn hello(call: &mut Call<'_>) -> Flow {
    let asked = match greeting(call) {
        Ok(asked) => asked,
        Err(error) => {
            call.writer.error(&error);
            return Flow::Done;
        }
    };
    if let Some(name) = asked.name {
        call.session.name = name.to_vec();
    }
    call.session.protocol = asked.protocol;
    call.writer.set_protocol(asked.protocol);
    let id = call.session.id as i64;
    let writer = &mut call.writer;
    writer.map(7);
    for (key, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        writer.bulk(key.as_bytes());
        writer.bulk(value.as_bytes());
    }
    for (key, value) in [("proto", asked.protocol.number()), ("id", id)] {
        writer.bulk(key.as_bytes());
        writer.integer(value);
    }
    for (key, value) in [("mode", "standalone"), ("role", "master")] {
        writer.bulk(key.as_bytes());
        writer.bulk(value.as_bytes());
    }
    writer.bulk(b"modules");
    writer.array(0);
    Flow::Done
}

fn greeting<'a>(call: &Call<'a>) -> Result<Hello<'a>, Vec<u8>> {
    let words = call.arguments;
    let mut hello = Hello { protocol: call.session.protocol, name: None };
    if let Some(version) = words.find(1) {
        hello.protocol = match parse_integer(version) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(b"NOPROTO unsupported protocol version".to_vec()),
            None => return Err(b"ERR Protocol version is not an integer or out of range".to_vec()),
        };
    }
    let mut at = 2;
    while let Some(option) = words.find(at) {
        let left = words.len() - at - 1;
        if call.is(at, "auth") && left >= 2 {
            authenticate(words.get(at + 1))?;
            at += 3;
        } else if call.is(at, "setname") && left >= 1 {
            let name = words.get(at + 1);
            client::check_name(name).map_err(<[u8]>::to_vec)?;
            hello.name = Some(name);
            at += 2;
        } else {
            return Err([b"ERR Syntax error in HELLO option '", option, b"'"].concat());
        }
    }
    Ok(hello)
}

/// There is one user, who has no password: as in a Redis that nobody has configured, any password is right.
fn authenticate(user: &[u8]) -> Result<(), Vec<u8>> {
    if user == b"default" {
        return Ok(());
    }
    Err(b"WRONGPASS invalid username-password pair or user is disabled.".to_vec())
}
