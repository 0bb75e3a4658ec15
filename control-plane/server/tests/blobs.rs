//! Plugins that another server has: whom it is asked of, and what stands in no way.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::http::Method;
use serde_json::json;
use support::{PluginText, Rig, until};
use switchyard_store::{ConfigStore, Range, keyspace};
use switchyard_sync::sign_record;
use tokio::net::TcpListener;

/// A server that takes connections and says nothing on them; how many it has taken.
async fn dead() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, asked) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_dead_is_asked_once_and_a_full_disk_keeps_nothing_from_anybody() {
    let rig = Rig::new().await;
    let published = rig.publish(&PluginText::default()).await;
    let digest = published.is(201)["digest"].as_str().unwrap().to_owned();
    let has = rig.serve_as_one_of_several().await;
    // It comes before the one that has the plugin.
    let (url, asked) = dead().await;
    let key = keyspace::server("server-0");
    let record = json!({"id": "server-0", "url": url, "version": "0.1.0"});
    let signed = sign_record(&rig.key, &key, &record).unwrap();
    rig.write(&[(key, serde_json::from_slice(&signed).unwrap())]).await;
    // And one that nobody has signed comes before both.
    let (forged, nobody) = dead().await;
    let record = json!({"id": "server-", "url": forged, "version": "0.1.0"});
    rig.write(&[(keyspace::server("server-"), record)]).await;

    // Nothing can be written where the plugin would be kept.
    let folder = rig.folder.path().join("other");
    let hex = digest.strip_prefix("sha256:").unwrap();
    std::fs::create_dir_all(folder.join(hex).join("in the way")).unwrap();
    let lacks = rig.serve_as_one_of_several_with(&folder).await;
    until("all are there", async || {
        let range = Range { prefix: keyspace::SERVERS, after: None, limit: 10 };
        (rig.store.list(range).await.unwrap().entries.len() == 4).then_some(())
    })
    .await;
    let path = format!("/v1/blobs/{digest}");
    let answer = lacks.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.bytes().await.unwrap(), PluginText::default().component());
    assert_eq!((asked.load(Ordering::Relaxed), nobody.load(Ordering::Relaxed)), (1, 0));
    has.stop().await;
    lacks.stop().await;
}
