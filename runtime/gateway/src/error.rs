use std::net::SocketAddr;

use switchyard_types::{RouteName, route::RouteSpecError};

/// Why a gateway could not be changed or run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A route says something that cannot be.
    #[error("route {route}: {wrong}")]
    Route {
        /// Its name.
        route: RouteName,
        /// Key, value and what would be right.
        wrong: RouteSpecError,
    },
    /// Two routes would take the same requests.
    #[error("routes {first} and {second} both take {what}: a request must have one route")]
    Overlap {
        /// The one.
        first: RouteName,
        /// The other.
        second: RouteName,
        /// Host and path prefix, or the name that they share.
        what: String,
    },
    /// A route would send requests to the gateway that they came from.
    #[error("route {route}: backend {backend} is {address}, where this gateway itself listens ({listener})")]
    Itself {
        /// The route.
        route: RouteName,
        /// Its backend.
        backend: String,
        /// The backend's address.
        address: String,
        /// Where the gateway listens.
        listener: SocketAddr,
    },
    /// More backends than a gateway takes.
    #[error("route {route}: with its backends there are more than the {max} that a gateway takes")]
    TooManyBackends {
        /// The route with which they are too many.
        route: RouteName,
        /// How many may be.
        max: usize,
    },
    /// More routes than a gateway takes.
    #[error("{routes} routes: a gateway takes up to {max}")]
    TooManyRoutes {
        /// How many were given.
        routes: usize,
        /// How many may be.
        max: usize,
    },
    /// The listener failed for good.
    #[error("the HTTP listener failed")]
    Listen(#[source] std::io::Error),
}

impl GatewayError {
    /// The route that is to be changed, where there is one.
    pub fn route(&self) -> Option<&RouteName> {
        match self {
            Self::Route { route, .. } | Self::Itself { route, .. } | Self::TooManyBackends { route, .. } => Some(route),
            Self::Overlap { second, .. } => Some(second),
            Self::TooManyRoutes { .. } | Self::Listen(_) => None,
        }
    }
}
