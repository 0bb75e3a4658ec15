use std::any::Any;

use axum::{
    Json, Router,
    http::{Method, Uri},
    middleware,
    response::{IntoResponse, Response},
};
use switchyard_types::ErrorCode;
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    App, auth, blobs, epoch, events, figures, forward, health, join, nodes, plugins, reports, routes as route_handlers,
    schemas::ErrorAnswer, strategies, sync, timing,
};
use crate::problem::Problem;

/// Characters of a path or method that a message repeats.
const SHOWN_CHARS_MAX: usize = 100;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Switchyard admin API",
        description = "Publishes plugins, declares strategies and routes, and shows what nodes make of them.",
    ),
    components(schemas(ErrorAnswer)),
    security(("token" = [])),
    modifiers(&BearerToken),
    tags(
        (name = "plugins", description = "WebAssembly components that decide"),
        (name = "strategies", description = "A plugin, its configuration, and where it decides"),
        (name = "routes", description = "Which requests a gateway takes and where they go"),
        (name = "nodes", description = "What nodes report of themselves"),
        (name = "reports", description = "What nodes tell of the past, and what comes of it"),
        (name = "server", description = "The server itself"),
    ),
)]
struct Api;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// The OpenAPI 3.1 document of the admin API.
pub fn openapi() -> Document {
    let mut document = Api::openapi();
    document.merge(open().into_openapi());
    document.merge(uploads().into_openapi());
    document.merge(guarded().into_openapi());
    document.merge(nodes_own().into_openapi());
    document.merge(told().into_openapi());
    document.merge(led().into_openapi());
    document
}

/// Needs no token.
fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health::get_health))
}

/// May take as long as an upload.
fn uploads() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(plugins::publish_plugin))
}

/// What nodes ask.
fn nodes_own() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(join::join)).routes(routes!(blobs::get_blob))
}

/// What nodes tell, to the server that leads, whichever they find.
fn told() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(reports::report))
}

/// What comes of it, answered by the server that leads, whichever is asked.
fn led() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events::list_events)).routes(routes!(figures::get_figures))
}

/// Everything else.
fn guarded() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(plugins::list_plugins))
        .routes(routes!(plugins::get_plugin))
        .routes(routes!(strategies::list_strategies, strategies::create_strategy))
        .routes(routes!(strategies::get_strategy, strategies::put_strategy, strategies::delete_strategy))
        .routes(routes!(route_handlers::list_routes, route_handlers::create_route))
        .routes(routes!(route_handlers::get_route, route_handlers::put_route, route_handlers::delete_route))
        .routes(routes!(nodes::list_nodes))
        .routes(routes!(nodes::get_node))
        .routes(routes!(epoch::raise_epoch))
        .routes(routes!(get_openapi))
}

/// Every route with what stands around it. From the outside: log, panics, time, token.
pub(crate) fn router(app: App) -> Router {
    let admin = || middleware::from_fn_with_state(app.clone(), auth::require_admin);
    let node = || middleware::from_fn_with_state(app.clone(), auth::require_node);
    let within = |bound| middleware::from_fn_with_state(bound, timing::within);
    let (request, upload) = (app.config.request_time_max, app.config.upload_time_max);

    let open = Router::from(open()).layer(within(request));
    let uploads = Router::from(uploads()).layer(admin()).layer(within(upload));
    let guarded = Router::from(guarded()).layer(admin()).layer(within(request));
    let nodes = Router::from(nodes_own()).merge(sync::router()).layer(node()).layer(within(request));
    let streams = sync::streams().layer(node());
    let by_leader = || middleware::from_fn_with_state(app.clone(), forward::by_leader);
    let told = Router::from(told()).layer(by_leader()).layer(node()).layer(within(request));
    let led = Router::from(led()).layer(by_leader()).layer(admin()).layer(within(request));
    open.merge(uploads)
        .merge(guarded)
        .merge(nodes)
        .merge(streams)
        .merge(told)
        .merge(led)
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TraceLayer::new_for_http())
        .with_state(app)
}

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "server", operation_id = "getOpenApi",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
    ),
)]
async fn get_openapi() -> Json<Document> {
    Json(openapi())
}

async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found(format_args!("there is no path {:?}: GET /v1/openapi.json lists them", shown(uri.path())))
}

async fn unknown_method(method: Method, uri: Uri) -> Problem {
    let (path, method) = (shown(uri.path()), shown(method.as_str()));
    let message = format!("{path} does not take {method}: the Allow header says what it takes");
    Problem::new(ErrorCode::MethodNotAllowed, message)
}

/// What a client sent, as long as a message may repeat it.
fn shown(sent: &str) -> String {
    sent.chars().take(SHOWN_CHARS_MAX).collect()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Problem::internal(format!("panic: {}", text.unwrap_or_default())).into_response()
}
