//! The store behind a server keeps the contract of every store, and what is its own: who may do what, and blobs in parts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use axum::http::{Method, header};
use switchyard_server::token::{self, StoredRole};
use switchyard_store::{
    BlobError, BlobSource, BlobStore, ConfigStore, Operation, StoreError, Transaction,
    contract::Fixture,
    keyspace,
    remote::{RemoteBlobs, RemoteStore, Servers},
};
use switchyard_types::Digest;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::support::Rig;

/// A server that listens, with what it is over.
struct Remote {
    rig: Rig,
    address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Remote {
    async fn new() -> Self {
        let rig = Rig::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let running = rig.server().run(listener, stop.clone());
        let running = tokio::spawn(async move { running.await.unwrap() });
        Self { rig, address, stop, running }
    }

    fn servers(&self) -> Arc<Servers> {
        Arc::new(Servers::new([format!("http://{}", self.address)]).unwrap())
    }

    fn store(&self, token: &str) -> RemoteStore {
        RemoteStore::new(self.servers(), token.to_owned()).unwrap()
    }

    async fn node_token(&self) -> String {
        let made = token::ensure(&self.rig.store, &self.rig.key, StoredRole::Node).await;
        made.unwrap().unwrap().as_str().to_owned()
    }
}

/// Opened anew by every test; the server goes on.
struct Behind(tokio::sync::OnceCell<Remote>);

#[async_trait]
impl Fixture for Behind {
    async fn open(&self) -> Arc<dyn ConfigStore> {
        let remote = self.0.get_or_init(Remote::new).await;
        Arc::new(remote.store(&remote.rig.token))
    }
}

switchyard_store::contract_suite!(Behind(tokio::sync::OnceCell::new()));

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_not_change_what_is_declared() {
    let remote = Remote::new().await;
    let token = remote.node_token().await;
    let store = remote.store(&token);
    assert!(store.snapshot(keyspace::DESIRED).await.is_ok());
    let put = |key: &str| Transaction { preconditions: vec![], operations: vec![Operation::put(key, "x")] };
    store.txn(put("/switchyard/v1/status/node-1")).await.unwrap();
    for key in [keyspace::SEAL, "/switchyard/v1/trust/admin-token", "/switchyard/v1/plugins/a/1.0.0"] {
        let refused = store.txn(put(key)).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Foreign(why) if why.contains("may not write")), "{refused}");
    }
    assert!(matches!(store.get(&keyspace::admin_token()).await, Err(StoreError::Foreign(_))));
    assert!(matches!(store.snapshot("/").await, Err(StoreError::Foreign(_))));
    // And of the admin API nothing at all.
    for path in ["/v1/strategies", "/v1/plugins", "/v1/nodes"] {
        let request = axum::http::Request::builder().method(Method::GET).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        let answer = remote.rig.send(request.body(axum::body::Body::empty()).unwrap()).await;
        answer.is_error(403, "forbidden", "the node token may not do this");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_server_or_has_another_token_is_told_apart() {
    let remote = Remote::new().await;
    let stranger = remote.store(&format!("swy_{}", "0".repeat(64)));
    let refused = stranger.snapshot(keyspace::DESIRED).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Foreign(why) if why.contains("refuses the token")), "{refused}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let nobody =
        RemoteStore::new(Arc::new(Servers::new([format!("http://{address}")]).unwrap()), String::new()).unwrap();
    assert!(matches!(nobody.get("/a").await, Err(StoreError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_asked_when_one_is_gone() {
    let remote = Remote::new().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone_at = gone.local_addr().unwrap();
    drop(gone);
    let servers = Servers::new([format!("http://{gone_at}"), format!("http://{}", remote.address)]).unwrap();
    let store = RemoteStore::new(Arc::new(servers), remote.rig.token.clone()).unwrap();
    let mut answered = 0;
    for _ in 0..2 {
        answered += u32::from(store.get("/a").await.is_ok());
    }
    assert!(answered >= 1);
    assert!(store.get("/a").await.is_ok(), "the one that answers is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_its_streams_at_once() {
    let remote = Remote::new().await;
    let store = remote.store(&remote.rig.token);
    let revision = store.snapshot(keyspace::DESIRED).await.unwrap().revision;
    let mut updates = store.updates(keyspace::DESIRED, revision).await.unwrap();
    remote.stop.cancel();
    // The drain would wait for them otherwise, until it gives up.
    remote.running.await.unwrap();
    let ended = loop {
        match futures_util::StreamExt::next(&mut updates).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("a stream ends with an error"),
        }
    };
    assert!(matches!(ended, StoreError::Unavailable(_)), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_fetched_from_where_it_broke_off() {
    let remote = Remote::new().await;
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let digest = BlobStore::open(remote.rig.folder.path().join("blobs")).unwrap().put(&bytes).await.unwrap();
    let path = format!("/v1/blobs/{digest}");
    let part = |range: &str| remote.rig.request(Method::GET, &path).header(header::RANGE, range);
    let send =
        |request: axum::http::request::Builder| remote.rig.send(request.body(axum::body::Body::empty()).unwrap());
    let answer = send(part("bytes=299999-")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.headers[header::CONTENT_RANGE].to_str().unwrap()),
        (206, "bytes 299999-299999/300000")
    );
    send(part("bytes=300000-")).await.is_error(416, "out-of-range", "300000 bytes");
    for whole in ["bytes=0-9", "bytes=-5", "lines=1-", "bytes=x-"] {
        assert_eq!(send(part(whole)).await.status.as_u16(), 200, "{whole}");
    }
    let blobs = RemoteBlobs::new(remote.servers(), remote.node_token().await).unwrap().at_once();
    assert_eq!(blobs.fetch(&digest).await.unwrap(), bytes);
    let unknown = Digest::of(b"nobody has this");
    assert!(matches!(blobs.fetch(&unknown).await, Err(BlobError::NotFound(_))));
}
