use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{Peer, peer::Verdict, stream::ClientStream};
use crate::{GatewayConfig, config::HEADER_BYTES_MIN, gateway::Shared, proxy};

/// How often a connection is looked at, of its shorter time-out: it is found at most this much later.
const LOOKS: u64 = 4;
/// The shortest pause between two looks, in milliseconds.
const LOOK_MS_MIN: u64 = 10;
/// After a connection was asked to end, the time that HTTP/2 clients get to hear it, in milliseconds.
const FAREWELL_MS: u64 = 1_000;

/// Serves one client until it leaves, is found resting or stuck, or has been asked to end and did. What its connection
/// became is part of that: a client that speaks another protocol now holds its place like any.
pub(crate) async fn converse(stream: TcpStream, address: SocketAddr, shared: Arc<Shared>, stop: CancellationToken) {
    let peer = Peer::new(address, shared.config.hash, shared.clock);
    let _alone = Alone(&peer);
    serve(stream, peer.clone(), shared, &stop).await;
    if let Some(tunnel) = peer.take_tunnel() {
        tunnel.await;
    }
}

/// What a connection becomes holds the peer that holds it: it must not stay there when the client's task is dropped.
struct Alone<'a>(&'a Peer);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        drop(self.0.take_tunnel());
    }
}

async fn serve(stream: TcpStream, peer: Arc<Peer>, shared: Arc<Shared>, stop: &CancellationToken) {
    let timeout = Duration::from_millis(shared.config.write_ms);
    let io = TokioIo::new(ClientStream::new(stream, peer.clone(), timeout));
    let service = service_fn(|request: Request<Incoming>| proxy::serve(&shared, &peer, request));
    let builder = builder(&shared.config);
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    let mut watch = pin!(watch(&peer, &shared.config, stop));
    let verdict = tokio::select! {
        ended = connection.as_mut() => return log(ended),
        verdict = watch.as_mut() => verdict,
    };
    match verdict {
        Verdict::Stuck => shared.counters.stuck.one(),
        Verdict::Stalled => shared.counters.stalled.one(),
        Verdict::Resting => {
            connection.as_mut().graceful_shutdown();
            let farewell = Duration::from_millis(FAREWELL_MS);
            // A request that came at this very moment is answered.
            while tokio::time::timeout(farewell, connection.as_mut()).await.is_err() && peer.is_busy() {}
        }
        // Asked to end: what is in flight is answered first.
        Verdict::Well => {
            connection.as_mut().graceful_shutdown();
            log(connection.await);
        }
    }
}

/// Returns when the connection should end.
async fn watch(peer: &Peer, config: &GatewayConfig, stop: &CancellationToken) -> Verdict {
    let shortest_ms = config.header_ms.min(config.keep_alive_ms).min(config.write_ms);
    let pause = (shortest_ms / LOOKS).max(LOOK_MS_MIN);
    let mut stall = Stall::default();
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(pause))).await.is_some() {
        if stall.lasts_ms(peer, pause) >= config.write_ms {
            return Verdict::Stalled;
        }
        match peer.verdict(config) {
            Verdict::Well => {}
            verdict => return verdict,
        }
    }
    Verdict::Well
}

/// For how long a client has taken nothing although it could. On HTTP/2 it can refuse every byte of an answer (a window
/// that it never opens) while its socket looks well.
#[derive(Debug, Default)]
struct Stall {
    taken: Option<u64>,
    for_ms: u64,
}

impl Stall {
    fn lasts_ms(&mut self, peer: &Peer, since_last_ms: u64) -> u64 {
        let taken = peer.taken();
        self.for_ms = if taken.is_some() && taken == self.taken { self.for_ms + since_last_ms } else { 0 };
        self.taken = taken;
        self.for_ms
    }
}

fn builder(config: &GatewayConfig) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // hyper's own time-out for heads sets a timer for every request; `watch` does with one for a connection.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).half_close(false);
    // Not `pipeline_flush`: with it the answer to what cannot be parsed is never written, as unread bytes remain.
    builder.http1().max_buf_size(config.header_bytes_max.max(HEADER_BYTES_MIN));
    let header_bytes_max = u32::try_from(config.header_bytes_max).unwrap_or(u32::MAX);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(config.streams_max);
    builder.http2().max_header_list_size(header_bytes_max);
    builder
}

fn log<E: std::fmt::Display>(ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection ended early");
    }
}
