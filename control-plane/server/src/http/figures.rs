use axum::{Json, extract::State};
use serde::Deserialize;
use switchyard_types::{HookReport, Page, StrategyName};

use super::{
    App,
    extract::QueryOf,
    schemas::{self, ErrorAnswer},
};
use crate::problem::Problem;

/// Which figures.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FiguresQuery {
    /// Only of this strategy; absent: of all, and of the built-in fallback.
    #[param(value_type = Option<String>)]
    strategy: Option<StrategyName>,
}

/// What strategies have done over the last minute and the last ten, by version and hook, over all nodes that have told. Nodes
/// tell every ten seconds.
#[utoipa::path(
    get, path = "/v1/figures", tag = "reports", operation_id = "getFigures",
    params(FiguresQuery),
    responses(
        (status = 200, description = "The figures", body = schemas::PageOf<schemas::HookReport>),
        (status = 400, description = "The query is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 503, description = "No server leads, or the one that does cannot be reached", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_figures(
    State(app): State<App>,
    QueryOf(query): QueryOf<FiguresQuery>,
) -> Result<Json<Page<HookReport>>, Problem> {
    Ok(Json(Page::new(app.reports.figures(query.strategy.as_ref()), None)))
}
