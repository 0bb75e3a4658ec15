use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 16 << 10;
/// Chunks that wait for their time in one direction of a connection.
const CHUNKS_MAX: usize = 1_024;

/// What a [`Proxy`] does with the bytes of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// They go on at once.
    Pass,
    /// They go on after this, in order.
    Delay(Duration),
    /// They are read and go nowhere; nobody is told. New connections are taken, and nothing answers on them.
    Swallow,
    /// Every connection is closed, new ones too.
    Cut,
}

/// Stands between a client and a server that speak TCP, and does them harm on request. What it does may be changed while
/// it runs. A connection that has lost bytes is closed when bytes pass again: no TCP has holes.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port for connections to `target`.
    pub async fn start(target: impl Into<String>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (traffic, _) = watch::channel(Traffic::Pass);
        let accepting = tokio::spawn(accept(listener, target.into().into(), traffic.subscribe()));
        Self { address, traffic, accepting }
    }

    /// Where it listens: `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What happens from now on, to open connections too.
    pub fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: Arc<str>, traffic: watch::Receiver<Traffic>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        if *traffic.borrow() == Traffic::Cut {
            continue;
        }
        tokio::spawn(connection(client, Arc::clone(&target), traffic.clone()));
    }
}

/// Lives until either side closes or the traffic says so.
async fn connection(client: TcpStream, target: Arc<str>, mut traffic: watch::Receiver<Traffic>) {
    let swallowed_first = *traffic.borrow() == Traffic::Swallow;
    let server = if swallowed_first { None } else { TcpStream::connect(&*target).await.ok() };
    let Some(server) = server else {
        // A connection that begins in a black hole stays there until the hole is gone.
        if swallowed_first {
            let _ = traffic.wait_for(|now| *now != Traffic::Swallow).await;
        }
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = direction(from_client, to_server, traffic.clone()) => {}
        () = direction(from_server, to_client, traffic.clone()) => {}
        // Also when nobody holds the proxy any more.
        _ = traffic.wait_for(|now| *now == Traffic::Cut) => {}
    }
}

async fn direction(from: OwnedReadHalf, to: OwnedWriteHalf, traffic: watch::Receiver<Traffic>) {
    let (queue, queued) = mpsc::channel(CHUNKS_MAX);
    tokio::join!(read(from, queue, traffic), write(to, queued));
}

async fn read(mut from: OwnedReadHalf, queue: mpsc::Sender<(Instant, Vec<u8>)>, mut traffic: watch::Receiver<Traffic>) {
    let mut lost = false;
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = tokio::select! {
            read = from.read(&mut chunk) => read,
            _ = traffic.wait_for(|now| lost && *now != Traffic::Swallow) => return,
        };
        let Ok(bytes @ 1..) = read else { return };
        chunk.truncate(bytes);
        let now = *traffic.borrow();
        let due = match now {
            Traffic::Pass => Instant::now(),
            Traffic::Delay(delay) => Instant::now() + delay,
            Traffic::Swallow | Traffic::Cut => {
                lost = true;
                continue;
            }
        };
        if queue.send((due, chunk)).await.is_err() {
            return;
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut queued: mpsc::Receiver<(Instant, Vec<u8>)>) {
    while let Some((due, chunk)) = queued.recv().await {
        sleep_until(due).await;
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
}
