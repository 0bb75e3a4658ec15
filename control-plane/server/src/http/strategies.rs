use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use switchyard_types::{StrategyDocument, StrategyName};

use super::{
    App,
    extract::{JsonBody, ListQuery, Listing, PathOf, QueryOf},
    plugins::TrialQuery,
    schemas::{self, ErrorAnswer},
    watch::{self, watch},
};
use crate::{
    declarations::{Declared, Intent, Strategies},
    problem::Problem,
};

/// Of a deletion.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteQuery {
    /// Only if the document still is at this version.
    #[serde(rename = "resourceVersion")]
    #[param(rename = "resourceVersion")]
    pub(super) resource_version: Option<u64>,
    /// Whether everything is checked and nothing changed.
    #[serde(default, rename = "dryRun")]
    #[param(rename = "dryRun", required = false)]
    pub(super) dry_run: bool,
}

/// Declares a strategy that does not exist yet.
#[utoipa::path(
    post, path = "/v1/strategies", tag = "strategies", operation_id = "createStrategy",
    params(TrialQuery),
    request_body = schemas::StrategyDocument,
    responses(
        (status = 201, description = "Declared", body = schemas::StrategyDocument),
        (status = 400, description = "The document is not of the right shape", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 404, description = "The plugin is not published", body = ErrorAnswer),
        (status = 409, description = "The name is taken, or another strategy claims the slot", body = ErrorAnswer),
        (status = 413, description = "The document is too large", body = ErrorAnswer),
        (status = 415, description = "The body is not declared as application/json", body = ErrorAnswer),
        (status = 422, description = "Refused at the stage that is named", body = ErrorAnswer),
        (status = 429, description = "Too many trials at once", body = ErrorAnswer),
        (status = 503, description = "The store does not answer, or it took too long", body = ErrorAnswer),
    ),
)]
pub(super) async fn create_strategy(
    State(app): State<App>,
    QueryOf(query): QueryOf<TrialQuery>,
    JsonBody(document): JsonBody<StrategyDocument>,
) -> Result<(StatusCode, Json<StrategyDocument>), Problem> {
    let mut declared = app.strategies.apply(document, Intent::Create, query.dry_run).await?;
    warn(&app, declared.document()).await;
    Ok(answer(declared))
}

/// Creates or replaces a strategy. With a `resourceVersion` in the document, only the version that was read is replaced.
/// What changes nothing for any node keeps its generation.
#[utoipa::path(
    put, path = "/v1/strategies/{name}", tag = "strategies", operation_id = "putStrategy",
    params(("name" = String, Path, description = "Its name, the same as in the document"), TrialQuery),
    request_body = schemas::StrategyDocument,
    responses(
        (status = 200, description = "Replaced, or the same as before", body = schemas::StrategyDocument),
        (status = 201, description = "Created", body = schemas::StrategyDocument),
        (status = 400, description = "The document is not of the right shape", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 404, description = "The plugin is not published", body = ErrorAnswer),
        (status = 409, description = "It has changed since it was read, or another strategy claims the slot",
         body = ErrorAnswer),
        (status = 413, description = "The document is too large", body = ErrorAnswer),
        (status = 415, description = "The body is not declared as application/json", body = ErrorAnswer),
        (status = 422, description = "Refused at the stage that is named", body = ErrorAnswer),
        (status = 429, description = "Too many trials at once", body = ErrorAnswer),
        (status = 503, description = "The store does not answer, or it took too long", body = ErrorAnswer),
    ),
)]
pub(super) async fn put_strategy(
    State(app): State<App>,
    PathOf(name): PathOf<StrategyName>,
    QueryOf(query): QueryOf<TrialQuery>,
    JsonBody(document): JsonBody<StrategyDocument>,
) -> Result<(StatusCode, Json<StrategyDocument>), Problem> {
    if document.name != name {
        let message = format!("the path names the strategy {name}, the document {}: make them the same", document.name);
        return Err(Problem::invalid(message));
    }
    let mut declared = app.strategies.apply(document, Intent::Apply, query.dry_run).await?;
    warn(&app, declared.document()).await;
    Ok(answer(declared))
}

/// Takes a strategy away. Its slot runs the next one that matches, or the built-in fallback.
#[utoipa::path(
    delete, path = "/v1/strategies/{name}", tag = "strategies", operation_id = "deleteStrategy",
    params(("name" = String, Path, description = "Its name"), DeleteQuery),
    responses(
        (status = 200, description = "The strategy as it was last", body = schemas::StrategyDocument),
        (status = 400, description = "The name or the query is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 404, description = "There is none of this name", body = ErrorAnswer),
        (status = 409, description = "It has changed since it was read", body = ErrorAnswer),
        (status = 503, description = "The store does not answer, or it took too long", body = ErrorAnswer),
    ),
)]
pub(super) async fn delete_strategy(
    State(app): State<App>,
    PathOf(name): PathOf<StrategyName>,
    QueryOf(query): QueryOf<DeleteQuery>,
) -> Result<Json<StrategyDocument>, Problem> {
    Ok(Json(app.desired.delete::<Strategies>(&name, query.resource_version, query.dry_run).await?))
}

/// The declared strategies, by name.
#[utoipa::path(
    get, path = "/v1/strategies", tag = "strategies", operation_id = "listStrategies",
    params(ListQuery),
    responses(
        (status = 200, description = "Part of the strategies; with `watch=1` lines of `{type, object}`",
         body = schemas::PageOf<schemas::StrategyDocument>),
        (status = 400, description = "The query is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 410, description = "The version to watch from is too old", body = ErrorAnswer),
        (status = 429, description = "Too many watches at once", body = ErrorAnswer),
    ),
)]
pub(super) async fn list_strategies(State(app): State<App>, listing: Listing) -> Result<Response, Problem> {
    let request = match listing {
        Listing::Part(request) => request,
        Listing::Watch(from) => return watch::<watch::Strategies>(&app, from).await,
    };
    let mut page = app.desired.list::<Strategies>(&request).await?;
    app.fleet.count(&mut page.items).await?;
    Ok(Json(page).into_response())
}

/// One strategy.
#[utoipa::path(
    get, path = "/v1/strategies/{name}", tag = "strategies", operation_id = "getStrategy",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The strategy and what the server added", body = schemas::StrategyDocument),
        (status = 400, description = "Not a name", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 404, description = "There is none of this name", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_strategy(
    State(app): State<App>,
    PathOf(name): PathOf<StrategyName>,
) -> Result<Json<StrategyDocument>, Problem> {
    let mut document = app.desired.get::<Strategies>(&name).await?;
    app.fleet.count(std::slice::from_mut(&mut document)).await?;
    Ok(Json(document))
}

async fn warn(app: &App, document: &mut StrategyDocument) {
    let warnings = app.fleet.warnings(document.spec.selection()).await;
    if let Some(status) = &mut document.status {
        status.warnings = warnings;
    }
}

pub(super) fn answer<D>(declared: Declared<D>) -> (StatusCode, Json<D>) {
    match declared {
        Declared::Created(document) => (StatusCode::CREATED, Json(document)),
        Declared::Replaced(document) => (StatusCode::OK, Json(document)),
    }
}
