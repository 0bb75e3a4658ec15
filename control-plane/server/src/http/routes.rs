use axum::{Json, extract::State, http::StatusCode};
use switchyard_types::{Page, RouteDocument, RouteName};

use super::{
    App,
    extract::{JsonBody, PathOf, QueryOf},
    plugins::TrialQuery,
    schemas::{self, ErrorAnswer},
    strategies::{DeleteQuery, answer},
};
use crate::{
    declarations::{Intent, Routes},
    paging::{PageQuery, PageRequest},
    problem::Problem,
};

/// Declares a route that does not exist yet.
#[utoipa::path(
    post, path = "/v1/routes", tag = "routes", operation_id = "createRoute",
    params(TrialQuery),
    request_body = schemas::RouteDocument,
    responses(
        (status = 201, description = "Declared", body = schemas::RouteDocument),
        (status = 400, description = "The document is not of the right shape", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 409, description = "The name is taken, or another route takes the same requests", body = ErrorAnswer),
        (status = 413, description = "The document is too large", body = ErrorAnswer),
        (status = 415, description = "The body is not declared as application/json", body = ErrorAnswer),
        (status = 503, description = "The store does not answer, or it took too long", body = ErrorAnswer),
    ),
)]
pub(super) async fn create_route(
    State(app): State<App>,
    QueryOf(query): QueryOf<TrialQuery>,
    JsonBody(document): JsonBody<RouteDocument>,
) -> Result<(StatusCode, Json<RouteDocument>), Problem> {
    Ok(answer(app.routes.apply(document, Intent::Create, query.dry_run).await?))
}

/// Creates or replaces a route. With a `resourceVersion` in the document, only the version that was read is replaced.
/// The same specification keeps its generation.
#[utoipa::path(
    put, path = "/v1/routes/{name}", tag = "routes", operation_id = "putRoute",
    params(("name" = String, Path, description = "Its name, the same as in the document"), TrialQuery),
    request_body = schemas::RouteDocument,
    responses(
        (status = 200, description = "Replaced, or the same as before", body = schemas::RouteDocument),
        (status = 201, description = "Created", body = schemas::RouteDocument),
        (status = 400, description = "The document is not of the right shape", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 409, description = "It has changed since it was read, or another route takes the same requests",
         body = ErrorAnswer),
        (status = 413, description = "The document is too large", body = ErrorAnswer),
        (status = 415, description = "The body is not declared as application/json", body = ErrorAnswer),
        (status = 503, description = "The store does not answer, or it took too long", body = ErrorAnswer),
    ),
)]
pub(super) async fn put_route(
    State(app): State<App>,
    PathOf(name): PathOf<RouteName>,
    QueryOf(query): QueryOf<TrialQuery>,
    JsonBody(document): JsonBody<RouteDocument>,
) -> Result<(StatusCode, Json<RouteDocument>), Problem> {
    if document.name != name {
        let message = format!("the path names the route {name}, the document {}: make them the same", document.name);
        return Err(Problem::invalid(message));
    }
    Ok(answer(app.routes.apply(document, Intent::Apply, query.dry_run).await?))
}

/// Takes a route away. What only it took is answered 404.
#[utoipa::path(
    delete, path = "/v1/routes/{name}", tag = "routes", operation_id = "deleteRoute",
    params(("name" = String, Path, description = "Its name"), DeleteQuery),
    responses(
        (status = 200, description = "The route as it was last", body = schemas::RouteDocument),
        (status = 400, description = "The name or the query is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 404, description = "There is none of this name", body = ErrorAnswer),
        (status = 409, description = "It has changed since it was read", body = ErrorAnswer),
        (status = 503, description = "The store does not answer, or it took too long", body = ErrorAnswer),
    ),
)]
pub(super) async fn delete_route(
    State(app): State<App>,
    PathOf(name): PathOf<RouteName>,
    QueryOf(query): QueryOf<DeleteQuery>,
) -> Result<Json<RouteDocument>, Problem> {
    Ok(Json(app.desired.delete::<Routes>(&name, query.resource_version, query.dry_run).await?))
}

/// The declared routes, by name.
#[utoipa::path(
    get, path = "/v1/routes", tag = "routes", operation_id = "listRoutes",
    params(PageQuery),
    responses(
        (status = 200, description = "Part of the routes", body = schemas::PageOf<schemas::RouteDocument>),
        (status = 400, description = "limit or continue is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
    ),
)]
pub(super) async fn list_routes(
    State(app): State<App>,
    request: PageRequest,
) -> Result<Json<Page<RouteDocument>>, Problem> {
    Ok(Json(app.desired.list::<Routes>(&request).await?))
}

/// One route.
#[utoipa::path(
    get, path = "/v1/routes/{name}", tag = "routes", operation_id = "getRoute",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The route and what the server added", body = schemas::RouteDocument),
        (status = 400, description = "Not a name", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 404, description = "There is none of this name", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_route(
    State(app): State<App>,
    PathOf(name): PathOf<RouteName>,
) -> Result<Json<RouteDocument>, Problem> {
    Ok(Json(app.desired.get::<Routes>(&name).await?))
}
