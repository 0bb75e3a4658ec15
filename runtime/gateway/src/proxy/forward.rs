use std::time::Duration;

use http::{Response, StatusCode, Version};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use switchyard_host::routing::OutcomeKind;
use switchyard_types::route::RetryOn;
use tokio::time::Instant;

use super::{
    Placed,
    answer::{AnswerBody, Download},
    attempt::{Answered, attempt},
    headers,
    problem::Problem,
    tunnel::{self, Tunnel},
};
use crate::{
    backend::{Failure, Flight},
    choose::{self, Choice},
    clock::micros,
    decide::Asked,
};

/// Tries the backends that the decision named, in its order, until one has answered.
pub(super) async fn forward(mut placed: Box<Placed>) -> Result<Response<AnswerBody>, Problem> {
    let route = placed.route.clone();
    let choice = choose(&mut placed)?;
    if choice.all_unhealthy {
        route.counters.all_unhealthy.one();
    }
    let mut tries = route.spec.retry.attempts as usize + 1;
    let mut begun = placed.begun;
    let mut last = None;
    for (place, position) in choice.order().iter().enumerate() {
        let Some(member) = route.members.get(*position) else { break };
        // One that is full was not tried.
        let Some(flight) = Flight::begin(&member.backend, begun) else { continue };
        if last.is_some() {
            route.counters.retries.one();
        }
        tries -= 1;
        let another = tries > 0 && place + 1 < choice.order().len();
        let tried = attempt(&member.backend, &mut placed, another).await;
        begun = Instant::now();
        match settle(&mut placed, flight, tried, another, begun) {
            Settled::Answer(answer) => return Ok(answer),
            Settled::Failed(failure) => return Err(Problem::of(failure, choice.all_unhealthy)),
            Settled::Again(failure) => last = Some(failure),
        }
    }
    Err(Problem::of(last.unwrap_or(Failure::Full), choice.all_unhealthy))
}

fn choose(placed: &mut Placed) -> Result<Choice, Problem> {
    let (route, outgoing) = (&placed.route, &placed.outgoing);
    let affinity = route.spec.affinity_header.as_ref().and_then(|name| outgoing.headers.get(name.as_str()));
    let client = placed.peer.number;
    let asked = Asked { method: &outgoing.method, path: outgoing.uri.path(), client, affinity };
    let (shard, decision) = choose::choose(route, &asked);
    placed.shard = shard;
    decision.map_err(|status| Problem::new(status, "the route's strategy refuses the request"))
}

enum Settled {
    Answer(Response<AnswerBody>),
    Failed(Failure),
    Again(Failure),
}

fn settle(
    placed: &mut Placed,
    flight: Flight,
    tried: Result<Answered, Failure>,
    another: bool,
    now: Instant,
) -> Settled {
    match tried {
        Ok((response, _)) if another && refused(placed, response.status(), now) => {
            tell(placed, &flight, Ok(response.status()), now);
            Settled::Again(Failure::Lost)
        }
        Ok(answered) => {
            tell(placed, &flight, Ok(answered.0.status()), now);
            accept(placed, answered, flight, now)
        }
        Err(failure) => {
            tell(placed, &flight, Err(failure), now);
            if another && may_retry(placed, failure, now) { Settled::Again(failure) } else { Settled::Failed(failure) }
        }
    }
}

/// How a try ended, to the figures and to the strategy.
fn tell(placed: &Placed, flight: &Flight, ended: Result<StatusCode, Failure>, now: Instant) {
    let latency = flight.latency(placed.patience.upload_moved_at(), now);
    match ended {
        Ok(status) => flight.answered(status, latency),
        Err(failure) => flight.failed(&failure),
    }
    let kind = match ended {
        Ok(status) if status.is_server_error() => OutcomeKind::Failed,
        Ok(_) => OutcomeKind::Answered,
        // The client's fault or the gateway's own says nothing about a backend.
        Err(Failure::Client(_) | Failure::Exhausted | Failure::Full) => return,
        Err(_) => OutcomeKind::Unreachable,
    };
    let latency_us = u32::try_from(micros(latency)).unwrap_or(u32::MAX);
    flight.backend.latency.heard(kind, latency_us);
    placed.route.decider.ended(placed.shard, flight.backend.number, kind, latency_us);
}

fn may_retry(placed: &Placed, failure: Failure, now: Instant) -> bool {
    let Some(reason) = failure.reason() else { return false };
    let outgoing = &placed.outgoing;
    let safe = if failure.nothing_sent() { outgoing.can_resend() } else { outgoing.can_repeat() };
    safe && placed.route.retries_on(reason) && !placed.patience.is_over(now)
}

/// Whether an answer says that another backend could do better, and the route wants it asked.
fn refused(placed: &Placed, status: StatusCode, now: Instant) -> bool {
    let gateway = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    gateway.contains(&status)
        && placed.route.retries_on(RetryOn::ServerError)
        && placed.outgoing.can_repeat()
        && !placed.patience.is_over(now)
}

fn accept(placed: &mut Placed, (mut response, link): Answered, flight: Flight, now: Instant) -> Settled {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let backend = response.extensions_mut().remove::<OnUpgrade>();
        let Some((client, backend)) = placed.upgrade.take().zip(backend) else {
            return Settled::Failed(Failure::Malformed);
        };
        let idle = Duration::from_millis(placed.route.spec.timeouts.idle_ms);
        let tunnel = Tunnel { client, backend, idle, flight, visit: None };
        let mut answer = answer(response, |_| AnswerBody::tunnel(tunnel));
        tunnel::mark(answer.headers_mut());
        return Settled::Answer(answer);
    }
    let download = |body| Download { body, link, flight, patience: placed.patience.clone(), moved_at: now };
    Settled::Answer(answer(response, |body| AnswerBody::backend(Box::new(download(body)))))
}

fn answer(response: Response<Incoming>, body: impl FnOnce(Incoming) -> AnswerBody) -> Response<AnswerBody> {
    let (mut head, incoming) = response.into_parts();
    headers::answer(&mut head.headers, head.version);
    head.version = Version::HTTP_11;
    Response::from_parts(head, body(incoming))
}
