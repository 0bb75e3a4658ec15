use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use switchyard_types::{RouteDocument, RouteName};

use super::{
    App,
    extract::{JsonBody, ListQuery, Listing, PathOf, QueryOf},
    plugins::TrialQuery,
    schemas::{self, ErrorAnswer},
    strategies::{DeleteQuery, answer},
    watch::{self, watch},
};
use crate::{
    declarations::{Intent, Routes},
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
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
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
    let mut declared = app.routes.apply(document, Intent::Create, query.dry_run).await?;
    warn(&app, declared.document()).await;
    Ok(answer(declared))
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
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
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
    let mut declared = app.routes.apply(document, Intent::Apply, query.dry_run).await?;
    warn(&app, declared.document()).await;
    Ok(answer(declared))
}

/// Takes a route away. What only it took is answered 404.
#[utoipa::path(
    delete, path = "/v1/routes/{name}", tag = "routes", operation_id = "deleteRoute",
    params(("name" = String, Path, description = "Its name"), DeleteQuery),
    responses(
        (status = 200, description = "The route as it was last", body = schemas::RouteDocument),
        (status = 400, description = "The name or the query is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
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
    params(ListQuery),
    responses(
        (status = 200, description = "Part of the routes; with `watch=1` lines of `{type, object}`",
         body = schemas::PageOf<schemas::RouteDocument>),
        (status = 400, description = "The query is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 410, description = "The version to watch from is too old", body = ErrorAnswer),
        (status = 429, description = "Too many watches at once", body = ErrorAnswer),
    ),
)]
pub(super) async fn list_routes(State(app): State<App>, listing: Listing) -> Result<Response, Problem> {
    match listing {
        Listing::Part(request) => Ok(Json(app.desired.list::<Routes>(&request).await?).into_response()),
        Listing::Watch(from) => watch::<watch::Routes>(&app, from).await,
    }
}

/// One route.
#[utoipa::path(
    get, path = "/v1/routes/{name}", tag = "routes", operation_id = "getRoute",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The route and what the server added", body = schemas::RouteDocument),
        (status = 400, description = "Not a name", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 404, description = "There is none of this name", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_route(
    State(app): State<App>,
    PathOf(name): PathOf<RouteName>,
) -> Result<Json<RouteDocument>, Problem> {
    Ok(Json(app.desired.get::<Routes>(&name).await?))
}

async fn warn(app: &App, document: &mut RouteDocument) {
    let warnings = app.fleet.warnings(document.spec.selection()).await;
    if let Some(status) = &mut document.status {
        status.warnings = warnings;
    }
}
