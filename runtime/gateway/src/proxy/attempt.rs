use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use http::Response;
use hyper::body::Incoming;
use switchyard_types::route::Protocol;
use tokio::time::Instant;

use super::{Placed, answer::Link, outgoing::Outgoing, patience::Patience};
use crate::backend::{Backend, Failure, Http1, send_h2, send_upgradable, upgradable};

/// An answer's head, and what its body comes on.
pub(crate) type Answered = (Response<Incoming>, Link);

/// One try at one backend. `another`: if it fails there may be a next one.
pub(crate) async fn attempt(backend: &Arc<Backend>, placed: &mut Placed, another: bool) -> Result<Answered, Failure> {
    let (outgoing, patience) = (&mut placed.outgoing, &placed.patience);
    let answered = match backend.protocol {
        // In boxes, so that the future of the usual case stays small.
        Protocol::Http1 if placed.upgrade.is_some() => Box::pin(upgrade(backend, outgoing, patience, another)).await,
        Protocol::Http1 => http1(backend, outgoing, patience, another).await,
        Protocol::H2 => Box::pin(multiplexed(backend, outgoing, patience, another)).await,
    };
    // Whatever the connection says: if the body from the client failed, that is why.
    let client =
        |failure| outgoing.upload.as_ref().and_then(|upload| upload.failure()).map_or(failure, Failure::Client);
    answered.map_err(client)
}

/// A connection from the pool may have been closed by the backend at the moment of its use. That is nobody's failure: the
/// request is sent once more, on a new connection.
async fn http1(
    backend: &Arc<Backend>,
    outgoing: &mut Outgoing,
    patience: &Patience,
    another: bool,
) -> Result<Answered, Failure> {
    if let Some(connection) = backend.pooled().await {
        match on(connection, backend, outgoing, patience, true).await {
            Err(failure) if stale(failure, outgoing) => backend.distrust_pooled(),
            done => return done,
        }
    }
    let connection = Box::pin(backend.connect(patience.connect())).await?;
    on(connection, backend, outgoing, patience, another && outgoing.repeatable).await
}

fn stale(failure: Failure, outgoing: &Outgoing) -> bool {
    match failure {
        Failure::Unsent => outgoing.can_resend(),
        Failure::Lost => outgoing.can_repeat(),
        _ => false,
    }
}

async fn on(
    mut connection: Box<Http1>,
    backend: &Backend,
    outgoing: &mut Outgoing,
    patience: &Patience,
    another: bool,
) -> Result<Answered, Failure> {
    let begun = Instant::now();
    connection.set_timer(patience.first_at(begun));
    let response = connection.send(outgoing.request(backend, another), || patience.overdue(begun)).await?;
    connection.set_timer(patience.idle_at(Instant::now()));
    Ok((response, Link::Http1(Some(connection))))
}

async fn multiplexed(
    backend: &Arc<Backend>,
    outgoing: &mut Outgoing,
    patience: &Patience,
    another: bool,
) -> Result<Answered, Failure> {
    let first = backend.multiplexed(patience.connect()).await?;
    let request = outgoing.request(backend, first.reused || (another && outgoing.repeatable));
    match elsewhere(send_h2(first.sender.clone(), request), patience).await {
        Err(failure) if first.reused && stale(failure, outgoing) => backend.distrust_multiplexed(&first),
        Err(Failure::Timeout) => {
            // A slow backend costs a connection, a dead one no second request.
            backend.distrust_multiplexed(&first);
            return Err(Failure::Timeout);
        }
        done => return done,
    }
    let second = backend.multiplexed(patience.connect()).await?;
    let request = outgoing.request(backend, another && outgoing.repeatable);
    elsewhere(send_h2(second.sender, request), patience).await
}

/// What may become another protocol has a new connection, which does not come back.
async fn upgrade(
    backend: &Arc<Backend>,
    outgoing: &mut Outgoing,
    patience: &Patience,
    another: bool,
) -> Result<Answered, Failure> {
    let sender = upgradable(backend.open(patience.connect()).await?).await?;
    elsewhere(send_upgradable(sender, outgoing.request(backend, another)), patience).await
}

/// Waits for an answer on a connection that another task drives.
async fn elsewhere(
    answer: impl Future<Output = Result<Response<Incoming>, Failure>>,
    patience: &Patience,
) -> Result<Answered, Failure> {
    let begun = Instant::now();
    let mut timer = Box::pin(tokio::time::sleep_until(patience.first_at(begun)));
    let mut answer = pin!(answer);
    let response = poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        while timer.as_mut().poll(cx).is_ready() {
            match patience.overdue(begun) {
                Ok(at) => timer.as_mut().reset(at),
                Err(failure) => return Poll::Ready(Err(failure)),
            }
        }
        Poll::Pending
    });
    let response = response.await?;
    timer.as_mut().reset(patience.idle_at(Instant::now()));
    Ok((response, Link::Elsewhere(timer)))
}
