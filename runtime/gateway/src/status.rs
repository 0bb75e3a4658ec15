use switchyard_types::RouteName;

use crate::{BackendFigures, Recent, RouteFigures};

/// A route and what it has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteStatus {
    /// Its name.
    pub name: RouteName,
    /// What it has done since it was declared, whatever changed about it.
    pub figures: RouteFigures,
    /// What it has done lately.
    pub recent: Recent,
    /// Its backends in the order of their declaration.
    pub backends: Vec<BackendStatus>,
}

/// A backend and what it has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendStatus {
    /// Its name.
    pub name: String,
    /// Its number on the route, never used twice.
    pub number: u32,
    /// Where it is.
    pub address: String,
    /// Whether it gets requests.
    pub healthy: bool,
    /// What it has done.
    pub figures: BackendFigures,
}
