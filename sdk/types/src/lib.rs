//! The data that the parts of Switchyard share: identifiers, manifests, specifications, statuses, limits, errors of the
//! admin API.
//!
//! What this is not: there is no I/O here, no clock and no behaviour beyond checking that a value is well-formed. A
//! value that exists is valid: names, digests and references are parsed once, at the edge.
//!
//! Start reading at [`StrategySpec`] and [`route::RouteSpec`] (what an operator declares), [`PluginManifest`] (what a plugin says of itself) and
//! [`NodeStatus`] (what a node reports of the present) and [`ReportBatch`] (what it tells of the past).

mod api;
mod bytes;
mod digest;
mod document;
mod figure;
mod fleet;
mod generation;
mod id;
mod limits;
mod manifest;
mod report;
pub mod route;
mod selection;
mod slot;
mod stage;
mod status;
mod strategy;

pub use api::{ApiError, ErrorCode, Page};
pub use bytes::{ByteSizeError, format_bytes, parse_bytes};
pub use digest::{Digest, DigestError};
pub use document::{Declaration, Document, DocumentError, RouteDocument, StrategyDocument, parse_documents};
pub use figure::{Figure, FigureValue};
pub use fleet::{FleetCounts, ListedNode, NodeState, WatchKind, WatchLine};
pub use generation::Generation;
pub use id::{IdError, NodeId, PluginName, RouteName, StrategyName};
pub use limits::{Limits, LimitsError, LimitsSpec};
pub use manifest::{Interests, ManifestError, PluginManifest};
pub use report::{
    BATCH_BYTES_MAX, BATCH_ITEMS_MAX, Dropped, Event, EventKind, FailureCounts, FleetEvent, HookReport,
    LatencyHistogram, Measures, NumberedItem, ReportAnswer, ReportBatch, ReportItem, SessionId, SpanFigures, Window,
};
pub use selection::{Cohort, LabelMatch, NodeSelector, Percent, Selection};
pub use slot::SlotId;
pub use stage::{Stage, StageFailure};
pub use status::{
    HookFigures, NodeRecord, NodeRoute, NodeStatus, RouteFailure, ShardFigures, SlotFailure, SlotStaging, SlotStatus,
    SlotVersion,
};
pub use strategy::{PluginRef, PluginRefError, StrategyKind, StrategySpec, StrategyStatus};
