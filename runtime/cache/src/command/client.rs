use super::{Call, Flow};

/// Longest name that a client may give itself, in bytes. Redis has no bound of its own here.
const NAME_BYTES_MAX: usize = 4 << 10;

/// `CLIENT ID`
pub(super) fn id(call: &mut Call<'_>) -> Flow {
    call.integer(call.session.id as i64)
}

/// `CLIENT GETNAME`
pub(super) fn get_name(call: &mut Call<'_>) -> Flow {
    if call.session.name.is_empty() {
        call.writer.null();
    } else {
        call.writer.bulk(&call.session.name);
    }
    Flow::Done
}

/// `CLIENT SETNAME name`
pub(super) fn set_name(call: &mut Call<'_>) -> Flow {
    let name = call.arguments.get(2);
    match check_name(name) {
        Ok(()) => {
            call.session.name = name.to_vec();
            call.ok()
        }
        Err(error) => {
            call.writer.error(error);
            Flow::Done
        }
    }
}

/// `CLIENT SETINFO LIB-NAME | LIB-VER value`: taken so that clients do not stumble, and kept nowhere.
pub(super) fn set_info(call: &mut Call<'_>) -> Flow {
    let (attribute, value) = (call.arguments.get(2), call.arguments.get(3));
    if !call.is(2, "lib-name") && !call.is(2, "lib-ver") {
        call.writer.error(&[b"ERR Unrecognized option '", attribute, b"'"].concat());
        return Flow::Done;
    }
    if !printable(value) {
        let attribute = attribute.to_ascii_lowercase();
        call.writer.error(&[b"ERR ", &*attribute, b" cannot contain spaces, newlines or special characters."].concat());
        return Flow::Done;
    }
    call.ok()
}

/// Whether a client may call itself so.
pub(super) fn check_name(name: &[u8]) -> Result<(), &'static [u8]> {
    if name.len() > NAME_BYTES_MAX {
        return Err(b"ERR Client names cannot be longer than 4096 bytes.");
    }
    if printable(name) {
        Ok(())
    } else {
        Err(b"ERR Client names cannot contain spaces, newlines or special characters.")
    }
}

fn printable(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}
