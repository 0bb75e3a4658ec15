use axum::{Json, extract::State};
use switchyard_types::{NodeId, NodeStatus, Page};

use super::{
    App,
    extract::PathOf,
    schemas::{self, ErrorAnswer},
};
use crate::{
    paging::{PageQuery, PageRequest},
    problem::Problem,
};

/// What the nodes report of themselves, by id.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "nodes", operation_id = "listNodes",
    params(PageQuery),
    responses(
        (status = 200, description = "Part of the nodes", body = schemas::PageOf<schemas::NodeStatus>),
        (status = 400, description = "limit or continue is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
    ),
)]
pub(super) async fn list_nodes(
    State(app): State<App>,
    request: PageRequest,
) -> Result<Json<Page<NodeStatus>>, Problem> {
    Ok(Json(app.fleet.list(&request).await?))
}

/// What one node reports: per slot what it received, staged and runs, and what failed last, at which stage and why.
#[utoipa::path(
    get, path = "/v1/nodes/{id}", tag = "nodes", operation_id = "getNode",
    params(("id" = String, Path, description = "The node's id")),
    responses(
        (status = 200, description = "Its last report", body = schemas::NodeStatus),
        (status = 400, description = "Not an id", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 404, description = "No such node has reported", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_node(State(app): State<App>, PathOf(id): PathOf<NodeId>) -> Result<Json<NodeStatus>, Problem> {
    Ok(Json(app.fleet.node(&id).await?))
}
