use std::io;

use rustix::io::Errno;

/// Whether an error of `accept` says nothing about the listener: the machine has no room for another client now, or the
/// client has left. However many of these come, a listener is not given up for them, and those that are here are served on.
pub fn is_passing(error: &io::Error) -> bool {
    let passing =
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::CONNABORTED, Errno::CONNRESET, Errno::PERM];
    Errno::from_io_error(error).is_some_and(|errno| passing.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_lacks_passes_and_a_bad_listener_does_not() {
        let check = |errno: Errno, expected| assert_eq!(is_passing(&errno.into()), expected, "{errno}");
        check(Errno::MFILE, true);
        check(Errno::NFILE, true);
        check(Errno::CONNABORTED, true);
        check(Errno::BADF, false);
        check(Errno::INVAL, false);
    }
}
