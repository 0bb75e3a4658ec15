//! The gateway engine: a reverse proxy for HTTP/1.1 and HTTP/2 (cleartext) whose routes are data.
//!
//! A [`Gateway`] is the handle on the routes, a [`GatewayService`] lets clients in. A
//! [`RouteSpec`](switchyard_types::route::RouteSpec) says which requests a
//! route takes, its backends, and what is too long, too much or worth another try. The set of routes is swapped as a whole:
//! a request keeps the one that it began with, and what is the same in the new one keeps its connections and figures.
//!
//! A request is handled by one task from its client's socket to its backend's and back: connections to HTTP/1.1 backends
//! are driven by the request that uses them, not by tasks of their own (`backend/http1.rs` says why). Bodies stream both
//! ways; up to 64 KiB of a request's body are kept while it may be tried a second time.
//!
//! Where a request goes is decided in one place, `choose.rs`: the strategy in the route's slot names up to three backends in
//! order or refuses, and without an answer of it round robin goes on. `decide/` holds what the strategy is asked and told.
//!
//! What this is not: a place for policy, a cache, or an end of TLS.
//! Start reading at `proxy/mod.rs`, then `proxy/forward.rs` and `backend/http1.rs`.

mod backend;
mod choose;
mod client;
mod clock;
mod config;
mod decide;
mod error;
mod figures;
mod gateway;
mod list;
mod proxy;
mod route;
mod server;
mod slot;
mod status;
mod together;
mod totals;
mod window;

pub use config::GatewayConfig;
pub use error::GatewayError;
pub use figures::{BackendFigures, Latency, ListenerFigures, RouteFigures};
pub use gateway::Gateway;
pub use server::GatewayService;
pub use slot::GatewaySlot;
pub use status::{BackendStatus, RouteStatus};
pub use window::Recent;
