use std::future::Future;

use anyhow::{Context, Result};

/// Runs a verb that talks to somebody. Verbs that only compute stay without it.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("no threads can be started")?.block_on(future)
}
