//! Scenarios over the whole, and the demo.
