use super::log;

/// A panic in WebAssembly is a trap without words: the hook puts the words into the node's log first.
pub(crate) fn log_panics() {
    // Natively the test harness prints panics itself.
    if cfg!(target_family = "wasm") {
        std::panic::set_hook(Box::new(|panic| log::error(&panic.to_string())));
    }
}
