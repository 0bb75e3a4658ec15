use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, stream};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use switchyard_types::{EventKind, NodeId, Page, StrategyName, WatchKind};
use tokio::{sync::watch, time::timeout};

use super::{
    App,
    extract::{Flag, QueryOf},
    forward,
    schemas::{self, ErrorAnswer},
    watch::line,
};
use crate::{
    lead::Lead,
    paging::{LIMIT_MAX, limit},
    problem::Problem,
    reports::{EventFilter, Place, Reports},
};

/// How often at least a watch says something, so that a client that is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Which events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Only of this node.
    #[param(value_type = Option<String>)]
    node: Option<NodeId>,
    /// Only of this strategy.
    #[param(value_type = Option<String>)]
    strategy: Option<StrategyName>,
    /// Only of this kind.
    #[param(value_type = Option<schemas::EventKind>)]
    kind: Option<Kind>,
    /// From an earlier answer's `continue`, or a bookmark's: what came after it.
    after: Option<String>,
    /// Events wanted, 1 to 500; 100 unless given.
    limit: Option<usize>,
    /// `1`: the answer goes on with what happens, one JSON value a line.
    #[serde(default)]
    #[param(value_type = Option<u8>)]
    watch: Flag,
}

/// What happened on the nodes, in the order in which the leading server heard of it: the last 10,000. A watch begins with what is
/// there. An event may come twice when another server begins to lead; node, session and sequence name it.
#[utoipa::path(
    get, path = "/v1/events", tag = "reports", operation_id = "listEvents",
    params(EventsQuery),
    responses(
        (status = 200, description = "Part of the events; with `watch=1` lines of `{type, object}`",
         body = schemas::PageOf<schemas::FleetEvent>),
        (status = 400, description = "The query is not valid", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 429, description = "Too many watches at once", body = ErrorAnswer),
        (status = 503, description = "No server leads, or the one that does cannot be reached", body = ErrorAnswer),
    ),
)]
pub(super) async fn list_events(
    State(app): State<App>,
    QueryOf(query): QueryOf<EventsQuery>,
) -> Result<Response, Problem> {
    let term = forward::own_term(&app)?;
    let EventsQuery { node, strategy, kind, after, limit: wanted, watch } = query;
    let filter = EventFilter { node, strategy, kind: kind.map(|Kind(kind)| kind) };
    let after = after.as_deref().map(place).transpose()?.and_then(|place| place.of(term));
    if watch.0 {
        let place = app.streams.enter()?;
        let news = app.reports.news();
        let watcher = Watcher { reports: Arc::clone(&app.reports), lead: app.lead.clone(), news, filter, term, after };
        return Ok(place.lines(watcher.lines()));
    }
    let page = app.reports.events(&filter, after, limit(wanted)?);
    let next = Place { term, after: page.next };
    Ok(Json(Page::new(page.items, (!page.is_last).then(|| next.to_string()))).into_response())
}

/// A kind that this server knows. Events of newer nodes have others, but whoever asks for one of those has mistyped it.
#[derive(Debug)]
struct Kind(EventKind);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = EventKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.map(Self).ok_or_else(|| {
            let known = EventKind::ALL.map(EventKind::as_str).join(", ");
            serde::de::Error::custom(format_args!("there is no kind {text:?} of events: expected one of {known}"))
        })
    }
}

fn place(text: &str) -> Result<Place, Problem> {
    let wrong = |()| Problem::invalid("after is not from an answer of this list: take it from one, or leave it out");
    text.parse().map_err(wrong)
}

/// Follows the events in one term of office.
struct Watcher {
    reports: Arc<Reports>,
    lead: Lead,
    news: watch::Receiver<u64>,
    filter: EventFilter,
    term: u64,
    after: Option<Place>,
}

impl Watcher {
    fn lines(self) -> impl Stream<Item = Bytes> {
        stream::unfold(Some((self, false)), |state| async {
            let (mut watcher, told) = state?;
            watcher.news.mark_unchanged();
            if told && watcher.is_over().await {
                let object = json!({"code": "unavailable", "message": "another server leads now: begin again"});
                return Some((line(WatchKind::Error, &object), None));
            }
            let lines = watcher.next();
            Some((lines, Some((watcher, true))))
        })
    }

    /// Waits for news or the next heartbeat. Whether the term of office is over.
    async fn is_over(&mut self) -> bool {
        let reports = Arc::clone(&self.reports);
        if !reports.events(&self.filter, self.after, 1).is_last {
            return false;
        }
        tokio::select! {
            () = self.lead.lost(self.term) => true,
            _ = timeout(HEARTBEAT, self.news.changed()) => false,
        }
    }

    /// What there is, and where it ends.
    fn next(&mut self) -> Bytes {
        let page = self.reports.events(&self.filter, self.after, LIMIT_MAX);
        let next = Place { term: self.term, after: page.next };
        self.after = Some(next);
        let bookmark = line(WatchKind::Bookmark, &json!({"continue": next.to_string()}));
        let events = page.items.iter().map(|event| line(WatchKind::Added, event));
        events.chain([bookmark]).collect::<Vec<_>>().concat().into()
    }
}
