use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Waits until somebody stops this process: Ctrl-C or SIGTERM.
pub(crate) async fn requested() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("Ctrl-C cannot be waited for")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
