//! The task engine: durable queues behind the Faktory work protocol.
//!
//! A [`Tasks`] owns the file and everything that is known of its tasks; a [`TasksService`] lets producers and workers in and
//! makes time pass; [`router`] shows the tasks over HTTP. A task is pushed, waits for its time and its turn, is leased to a
//! worker, and is gone when the worker acknowledges it. It runs at least once: a lease that ends gives the task to somebody
//! else, and fences whoever had it.
//!
//! What this is not: a place for policy (`placement.rs` is all there is, and it is the fallback), a log (what is done is
//! gone), or a broker for data (a job names its data, and is bounded). Start reading at `state/mod.rs` (what a task goes
//! through), then `writer.rs` (how many changes share one write), `disk/mod.rs` (what a write promises) and
//! `faktory/connection.rs`.

mod clock;
mod config;
mod decide;
mod disk;
mod error;
mod faktory;
mod fetch;
mod figures;
mod http;
mod id;
mod job;
mod payload;
mod placement;
mod rank;
mod service;
mod shared;
mod sight;
mod state;
mod storage;
mod table;
mod task;
mod tasks;
mod view;
mod workers;
mod writer;

pub use config::{Durability, TasksConfig};
pub use error::TasksError;
pub use fetch::Leased;
pub use figures::{Held, QueueFigures, TasksFigures};
pub use http::router;
pub use id::{LeaseId, TaskId};
pub use service::TasksService;
pub use task::Failure;
pub use tasks::{TaskFilter, Tasks};
pub use view::{TaskState, TaskView};
pub use workers::WorkerState;
