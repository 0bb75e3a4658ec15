//! What is served, and how its errors look.

mod problem;
mod router;

pub use router::router;
