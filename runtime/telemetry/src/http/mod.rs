//! What is served, and how its errors look.

mod alerts;
mod listener;
mod problem;
mod router;

pub(crate) use listener::BoundedListener;
pub use router::router;
