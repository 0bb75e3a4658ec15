//! What a node tells of the past: windows of figures, and events. Both travel in numbered batches to a server, beside the
//! status, which tells of the present and lives in the store.
//!
//! Whoever reads them is of another version than whoever wrote them, some day: fields that are not known are passed over, and
//! an item that cannot be read is counted and stops no other.

mod batch;
mod event;
mod figures;
mod histogram;
mod window;

pub use batch::{
    BATCH_BYTES_MAX, BATCH_ITEMS_MAX, Dropped, NumberedItem, ReportAnswer, ReportBatch, ReportItem, SessionId,
};
pub use event::{Event, EventKind, FleetEvent};
pub use figures::{HookReport, SpanFigures};
pub use histogram::LatencyHistogram;
pub use window::{FailureCounts, Measures, Window};
