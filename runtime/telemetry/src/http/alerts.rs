use axum::{
    Json,
    extract::{Query, State},
    http::Uri,
};
use serde::Deserialize;
use switchyard_types::Page;

use super::{problem::Problem, router::blocking};
use crate::{
    Telemetry,
    alerting::{ListedAlert, Phase},
};

/// Alerts of a page unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 100;
/// Alerts of a page at most.
const LIMIT_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    state: Option<Phase>,
    limit: Option<usize>,
    /// The last alert of an earlier page.
    #[serde(rename = "continue")]
    after: Option<String>,
}

/// Listed off the async threads: ten thousand alerts are put in order.
pub(super) async fn list(State(telemetry): State<Telemetry>, uri: Uri) -> Result<Json<Page<ListedAlert>>, Problem> {
    let query = Query::<ListQuery>::try_from_uri(&uri);
    let Query(ListQuery { state, limit, after }) =
        query.map_err(|error| Problem::invalid(format_args!("the query is not valid: {}", error.body_text())))?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::invalid(format_args!("limit is {limit}: expected 1 to {LIMIT_MAX}")));
    }
    let page = blocking(move || telemetry.alerts().page(state, after.as_deref(), limit)).await?;
    let gone = "the alert at which the last page ended is gone or has changed: list again from the beginning";
    page.map(Json).ok_or_else(|| Problem::expired(gone))
}
