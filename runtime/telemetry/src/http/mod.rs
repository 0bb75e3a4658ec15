//! What is served, and how its errors look.

mod alerts;
mod problem;
mod router;

pub use router::router;
