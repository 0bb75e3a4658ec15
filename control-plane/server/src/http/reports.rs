use axum::{Json, extract::State};
use switchyard_types::{BATCH_ITEMS_MAX, ReportAnswer, ReportBatch};

use super::{
    App,
    extract::JsonBody,
    forward,
    schemas::{self, ErrorAnswer},
};
use crate::problem::Problem;

/// Takes what a node has to tell: windows of figures, and events. Any server does; the one that leads keeps it. What was taken
/// before is passed over.
#[utoipa::path(
    post, path = "/v1/reports", tag = "reports", operation_id = "report",
    request_body = schemas::ReportBatch,
    responses(
        (status = 200, description = "What need not be told again, and which leader says so", body = schemas::ReportAnswer),
        (status = 400, description = "The batch is not of the right shape, or too large", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 413, description = "The batch is too large", body = ErrorAnswer),
        (status = 415, description = "The body is not declared as application/json", body = ErrorAnswer),
        (status = 503, description = "No server leads, or the one that does cannot be reached", body = ErrorAnswer),
    ),
)]
pub(super) async fn report(
    State(app): State<App>,
    JsonBody(batch): JsonBody<ReportBatch>,
) -> Result<Json<ReportAnswer>, Problem> {
    let items = batch.items.len();
    if items > BATCH_ITEMS_MAX {
        return Err(Problem::invalid(format_args!("the batch has {items} items: at most {BATCH_ITEMS_MAX} are taken")));
    }
    Ok(Json(app.reports.take(batch, forward::own_term(&app)?)))
}
