use std::io;

use tracing_subscriber::EnvFilter;

/// Logs to standard error. A filter that cannot be read is said and replaced: a typing error in it stops nothing.
pub(crate) fn start() {
    let wanted = std::env::var("SWITCHYARD_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
        eprintln!(
            "SWITCHYARD_LOG={wanted:?} is not a filter ({error}): expected for example info or switchyard_node=debug"
        );
        EnvFilter::new("warn")
    });
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false).init();
}
