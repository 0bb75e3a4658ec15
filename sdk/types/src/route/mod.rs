//! Routes: which requests a gateway takes, where they go, and what is too long or too much.

mod check;
mod claim;
mod spec;

use serde::{Deserialize, Serialize};

use crate::{Generation, RouteName};

pub use check::{BACKENDS_MAX, RouteSpecError};
pub use claim::RouteClaim;
pub use spec::{BackendSpec, HealthSpec, Protocol, RetryOn, RetrySpec, RouteLimits, RouteSpec, TimeoutSpec};

/// Routes of one gateway, and of everything that is declared: every node watches all of them.
pub const ROUTES_MAX: usize = 1_024;

/// A route by its name, as a gateway takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredRoute {
    /// Its name, unique on a gateway.
    pub name: RouteName,
    /// What it says.
    pub spec: RouteSpec,
}

/// What the server adds to an accepted route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// The desired state that this route, as it stands, first belonged to.
    pub generation: Generation,
    /// What looks like a mistake and is none by itself, one sentence each: told to whoever applies it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
