use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Parts of the open files that a process may have: of each, a listener's clients may take one. What is left is for
/// backends of the gateway (one for each of its clients), plugins, records and the store.
const PARTS: u64 = 5;

/// Asks for as many open files as the machine's administrator allows this process, and says how many clients each listener
/// may have of them. Most systems give a process 1,024 unless it asks.
pub(crate) fn clients_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the bound on open files stays as it was");
    }
    share(getrlimit(Resource::Nofile).current)
}

/// None: there is no bound.
fn share(files: Option<u64>) -> usize {
    let share = files.map_or(u64::MAX, |files| (files / PARTS).max(1));
    usize::try_from(share).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_files_for_the_rest() {
        assert_eq!((share(Some(250)), share(Some(1)), share(None)), (50, 1, usize::MAX));
        clients_max();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
