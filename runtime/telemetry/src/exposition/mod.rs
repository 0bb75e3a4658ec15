//! Prometheus exposition: every series as lines of text, in Prometheus's text format 0.0.4 or in OpenMetrics 1.0.
//!
//! A small writer of our own: `prometheus-client` has a registry of metrics that a program declares, and here families,
//! labels and buckets come and go with what is posted. What it would share is the escaping of three characters.

mod format;
mod names;
mod page;
mod writer;

pub(crate) use format::Format;
pub(crate) use page::render;
