use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use switchyard_types::{ListedNode, NodeId};

use super::{
    App,
    extract::{ListQuery, Listing, PathOf},
    schemas::{self, ErrorAnswer},
    watch::{self, watch},
};
use crate::problem::Problem;

/// The nodes by id, with what they report of themselves. One whose lease has ended is listed with `"status": "unknown"` and what
/// it ran last.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "nodes", operation_id = "listNodes",
    params(ListQuery),
    responses(
        (status = 200, description = "Part of the nodes; with `watch=1` lines of `{type, object}`",
         body = schemas::PageOf<schemas::ListedNode>),
        (status = 400, description = "The query is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 410, description = "The version to watch from is too old", body = ErrorAnswer),
        (status = 429, description = "Too many watches at once", body = ErrorAnswer),
    ),
)]
pub(super) async fn list_nodes(State(app): State<App>, listing: Listing) -> Result<Response, Problem> {
    match listing {
        Listing::Part(request) => Ok(Json(app.fleet.list(&request).await?).into_response()),
        Listing::Watch(from) => watch::<watch::Nodes>(&app, from).await,
    }
}

/// What one node reports: per slot what it received, staged and runs, and what failed last, at which stage and why.
#[utoipa::path(
    get, path = "/v1/nodes/{id}", tag = "nodes", operation_id = "getNode",
    params(("id" = String, Path, description = "The node's id")),
    responses(
        (status = 200, description = "Its last report", body = schemas::ListedNode),
        (status = 400, description = "Not an id", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 404, description = "No such node has reported", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_node(State(app): State<App>, PathOf(id): PathOf<NodeId>) -> Result<Json<ListedNode>, Problem> {
    Ok(Json(app.fleet.node(&id).await?))
}
