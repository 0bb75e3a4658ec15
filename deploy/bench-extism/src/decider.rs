use anyhow::{Result, bail};

use crate::question::Question;

/// The best backends, the best first.
pub(crate) type Order = [u32; 3];

/// Whoever answers questions: each holds an instance of least connections, and what was asked before counts.
pub(crate) trait Decider {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// From a question in memory to an answer in memory, with whatever lies between.
    fn decide(&mut self, question: &Question) -> Result<Order>;
}

/// An answer that was read.
pub(crate) fn order(backends: &[u32]) -> Result<Order> {
    match backends.try_into() {
        Ok(order) => Ok(order),
        Err(_) => bail!("an answer of {} backends", backends.len()),
    }
}
