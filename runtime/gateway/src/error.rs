use std::net::SocketAddr;

/// Why a gateway could not be changed or run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A route says something that cannot be.
    #[error("route {route:?}: {key} is {value}: {right}")]
    Route {
        /// Its name.
        route: String,
        /// The key of its specification.
        key: String,
        /// What stands there.
        value: String,
        /// What would be right.
        right: String,
    },
    /// Two routes would take the same requests.
    #[error("routes {first:?} and {second:?} both take {what}: a request must have one route")]
    Overlap {
        /// The one.
        first: String,
        /// The other.
        second: String,
        /// Host and path prefix, or the name that they share.
        what: String,
    },
    /// A route would send requests to the gateway that they came from.
    #[error("route {route:?}: backend {backend:?} is {address}, where this gateway itself listens ({listener})")]
    Itself {
        /// The route.
        route: String,
        /// Its backend.
        backend: String,
        /// The backend's address.
        address: String,
        /// Where the gateway listens.
        listener: SocketAddr,
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
