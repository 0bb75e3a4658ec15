//! One request: admitted, given a route, sent to a backend and answered.

mod admit;
mod answer;
mod attempt;
mod forward;
mod headers;
mod outgoing;
mod patience;
mod problem;
mod tunnel;
mod upload;
mod visit;

use std::{convert::Infallible, future::Future, sync::Arc};

use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use switchyard_types::route::Protocol;
use tokio::time::Instant;

pub(crate) use answer::AnswerBody;
pub(crate) use upload::{BodyFailure, RequestBody};

use crate::{client::Peer, gateway::Shared, route::Route};
use forward::forward;
use outgoing::Outgoing;
use patience::Patience;
use problem::Problem;
use upload::Upload;
use visit::Visit;

/// Answers a request, whatever it is.
///
/// What needs no waiting is done before there is a future, and what is kept lies in a box: hyper moves the future of every
/// request a few times, and three kilobytes of it were four in a hundred of the work.
pub(crate) fn serve(
    shared: &Shared,
    peer: &Arc<Peer>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> + use<> {
    let begun = Instant::now();
    let busy = peer.busy(request.body().size_hint().exact());
    let placed = place(shared, peer, request, begun);
    // Counted before it is sent: a request that its client gives up is one too.
    let visit = match &placed {
        Ok(placed) => Visit::new(placed.route.clone(), placed.outgoing.upload.clone(), busy),
        Err(_) => Visit::nowhere(busy),
    };
    async move {
        let mut answer = match placed {
            Ok(placed) => routed(placed).await,
            Err(problem) => problem.answer(),
        };
        answer.body_mut().hold(visit);
        Ok(answer)
    }
}

async fn routed(placed: Box<Placed>) -> Response<AnswerBody> {
    let (route, begun) = (placed.route.clone(), placed.begun);
    let answer = forward(placed).await.unwrap_or_else(|problem| unanswered(&route, problem));
    route.counters.statuses.count(answer.status());
    route.counters.latency.record(begun.elapsed());
    answer
}

fn unanswered(route: &Route, problem: Problem) -> Response<AnswerBody> {
    if problem.status.is_server_error() {
        route.counters.unanswered.one();
    }
    problem.answer()
}

/// A request that has its route.
struct Placed {
    route: Arc<Route>,
    outgoing: Outgoing,
    patience: Patience,
    begun: Instant,
    /// The client wants a connection of another protocol.
    upgrade: Option<OnUpgrade>,
    peer: Arc<Peer>,
    /// Which instance of a strategy is asked and told.
    shard: usize,
}

fn place(
    shared: &Shared,
    peer: &Arc<Peer>,
    request: Request<Incoming>,
    begun: Instant,
) -> Result<Box<Placed>, Problem> {
    let (mut head, incoming) = request.into_parts();
    let host = admit::admit(&mut head, peer)?;
    let route = {
        let table = shared.routes.load();
        let name = host.as_ref().and_then(admit::without_port);
        let found = table.find(name, head.uri.path()).cloned();
        found.ok_or(Problem::new(StatusCode::NOT_FOUND, "no route takes this request"))?
    };
    let repeatable = route.may_repeat(&head.method);
    let bytes_max = route.spec.limits.body_bytes_max;
    if incoming.size_hint().lower() > bytes_max {
        return Err(Problem::closing(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than this route takes"));
    }
    let upgrade = tunnel::wanted(&mut head).filter(|_| route.spec.protocol == Protocol::Http1);
    headers::prepare(&mut head.headers, head.version, host.as_ref(), peer);
    if upgrade.is_some() {
        tunnel::mark(&mut head.headers);
    }
    let upload = (!incoming.is_end_stream()).then(|| Upload::new(incoming, bytes_max, repeatable));
    let patience = Patience::new(&route.spec.timeouts, begun, upload.clone());
    let uri = headers::origin_form(head.uri);
    let outgoing = Outgoing::new(head.method, uri, head.headers, upload, repeatable);
    Ok(Box::new(Placed { route, outgoing, patience, begun, upgrade, peer: peer.clone(), shard: 0 }))
}
