use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use semver::Version;
use serde::Deserialize;
use switchyard_types::{ErrorCode, Page, PluginManifest, PluginName, format_bytes};

use super::{
    App, body,
    extract::{PathOf, QueryOf, check_type},
    schemas::{self, ErrorAnswer},
};
use crate::{
    paging::{PageQuery, PageRequest},
    problem::Problem,
    registry::Published,
};

/// Of requests that can be tried without effect.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TrialQuery {
    /// Whether everything is checked and nothing changed.
    #[serde(default, rename = "dryRun")]
    #[param(rename = "dryRun", required = false)]
    pub(super) dry_run: bool,
}

/// Publishes a plugin: the body is the component's bytes. It is compiled, linked, described, held against its own schema,
/// configured with its default and self-tested before anything is written.
#[utoipa::path(
    post, path = "/v1/plugins", tag = "plugins", operation_id = "publishPlugin",
    params(TrialQuery),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component, at most 64 MiB"),
    responses(
        (status = 201, description = "Published", body = schemas::PluginManifest),
        (status = 200, description = "The same bytes were published before, or this was a dry run",
         body = schemas::PluginManifest),
        (status = 400, description = "The query is not valid, or the upload broke off", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 409, description = "This version is published with other bytes, or too many are", body = ErrorAnswer),
        (status = 413, description = "The upload is too large", body = ErrorAnswer),
        (status = 415, description = "The body is not declared as application/wasm", body = ErrorAnswer),
        (status = 422, description = "Refused at the stage that is named", body = ErrorAnswer),
        (status = 429, description = "Too many uploads at once", body = ErrorAnswer),
        (status = 503, description = "The store does not answer, or it took too long", body = ErrorAnswer),
    ),
)]
pub(super) async fn publish_plugin(
    State(app): State<App>,
    QueryOf(query): QueryOf<TrialQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<PluginManifest>), Problem> {
    check_type(&headers, "application/wasm")?;
    let _place = app.uploads.enter().await?;
    let bytes_max = app.config.upload_bytes_max;
    let too_large = || {
        let message = format!("the upload is over {}: make the plugin smaller", format_bytes(bytes_max));
        Problem::new(ErrorCode::TooLarge, message)
    };
    let bytes = body::read(body, bytes_max, too_large).await?;
    Ok(match app.registry.publish(bytes, query.dry_run).await? {
        Published::New(manifest) => (StatusCode::CREATED, Json(manifest)),
        Published::Unchanged(manifest) => (StatusCode::OK, Json(manifest)),
    })
}

/// The published plugins, by name and version.
#[utoipa::path(
    get, path = "/v1/plugins", tag = "plugins", operation_id = "listPlugins",
    params(PageQuery),
    responses(
        (status = 200, description = "Part of the plugins", body = schemas::PageOf<schemas::PluginManifest>),
        (status = 400, description = "limit or continue is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
    ),
)]
pub(super) async fn list_plugins(
    State(app): State<App>,
    request: PageRequest,
) -> Result<Json<Page<PluginManifest>>, Problem> {
    Ok(Json(app.registry.list(&request).await?))
}

/// One version of a plugin.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/{version}", tag = "plugins", operation_id = "getPlugin",
    params(("name" = String, Path, description = "Its name"), ("version" = String, Path, description = "Its version")),
    responses(
        (status = 200, description = "What it said of itself", body = schemas::PluginManifest),
        (status = 400, description = "Not a name, or not a version", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 404, description = "Not published", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_plugin(
    State(app): State<App>,
    PathOf((name, version)): PathOf<(PluginName, Version)>,
) -> Result<Json<PluginManifest>, Problem> {
    Ok(Json(app.registry.version(&name, &version).await?))
}
