//! What a client of servers makes of answers that no good server gives.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::StreamExt;
use switchyard_store::{
    BlobError, BlobSource, ConfigStore, Revision, StoreError, Update,
    remote::{RemoteBlobs, RemoteStore, Servers},
    testing::DEADLINE,
};
use switchyard_types::Digest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

/// A server that answers each request, by its number and its head, with these bytes, and closes the connection.
async fn server(answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (answer, asked) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let bytes = answer(number, &String::from_utf8(head).unwrap());
                stream.write_all(&bytes).await.unwrap();
            });
        }
    });
    (address, asked)
}

fn response(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn store(address: &str) -> RemoteStore {
    RemoteStore::new(Arc::new(Servers::new([address]).unwrap()), "token".to_owned()).unwrap()
}

fn blobs(addresses: &[&str]) -> RemoteBlobs {
    RemoteBlobs::new(Arc::new(Servers::new(addresses).unwrap()), "token".to_owned()).unwrap().at_once()
}

/// Asked for again at the same revision it would come again, for ever.
#[tokio::test]
async fn an_update_that_cannot_be_read_leads_to_a_list() {
    let long = [&b"{\"progress\":7}\n"[..], &vec![b' '; 5 << 20]].concat();
    for lines in [b"{\"progress\":7}\n{\"teleported\":8}\n".to_vec(), long] {
        let (address, _) = server(move |_, _| response("200 OK", lines.len(), &lines)).await;
        let mut updates = store(&address).updates("/a/", Revision(3)).await.unwrap();
        assert_eq!(updates.next().await.unwrap().unwrap(), Update::Progress(Revision(7)));
        let error = updates.next().await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Compacted { after: Revision(7) }), "{error:?}");
        assert!(updates.next().await.is_none());
    }
}

/// There is nothing after the last byte to ask for.
#[tokio::test]
async fn a_blob_is_whole_although_the_connection_broke_after_its_last_byte() {
    let bytes = b"a plugin".to_vec();
    let digest = Digest::of(&bytes);
    let (address, asked) = server(move |_, _| response("200 OK", bytes.len() + 1, &bytes)).await;
    assert_eq!(blobs(&[&address]).fetch(&digest).await.unwrap(), b"a plugin".as_slice());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// What is there is more than there is: another server has sent it.
#[tokio::test]
async fn a_blob_is_begun_anew_where_a_server_has_nothing_after_what_came() {
    let bytes = b"a plugin".to_vec();
    let digest = Digest::of(&bytes);
    let (address, _) = server(move |number, head| match number {
        0 => response("200 OK", 100, b"some other bytes"),
        _ if head.contains("range: bytes=") => response("416 Range Not Satisfiable", 0, b""),
        _ => response("200 OK", bytes.len(), &bytes),
    })
    .await;
    assert_eq!(blobs(&[&address]).fetch(&digest).await.unwrap(), b"a plugin".as_slice());
}

/// Whoever fails is left for the next one; whoever fetches at the same time does not lead anybody back to it.
#[tokio::test]
async fn two_fetches_blame_the_server_that_they_have_asked() {
    let (bad, _) = server(|_, _| response("200 OK", 5, b"wrong")).await;
    let bytes = b"a plugin".to_vec();
    let digest = Digest::of(&bytes);
    let (good, _) = server(move |_, _| response("200 OK", bytes.len(), &bytes)).await;
    for _ in 0..8 {
        let servers = Arc::new(Servers::new([&bad, &good]).unwrap());
        let blobs = RemoteBlobs::new(Arc::clone(&servers), "token".to_owned()).unwrap().at_once();
        let fetched = futures_util::future::join_all((0..2).map(|_| blobs.fetch(&digest))).await;
        assert!(fetched.iter().all(Result::is_ok), "{fetched:?}");
        assert_eq!(servers.current().1.as_str(), format!("{good}/"));
    }
}

/// The last failure is told at once.
#[tokio::test(start_paused = true)]
async fn nobody_waits_after_the_last_try() {
    let (address, asked) = server(|_, _| response("503 Service Unavailable", 0, b"")).await;
    let begun = tokio::time::Instant::now();
    let error = blobs(&[&address]).fetch(&Digest::of(b"a plugin")).await.unwrap_err();
    assert!(matches!(error, BlobError::Unavailable(_)), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 6);
    // Windows of 500 ms, doubled four times: the clock stands still but for them.
    assert!(begun.elapsed().as_millis() <= 500 * 31, "{:?}", begun.elapsed());
}

const SERVER: &str = "SWITCHYARD_TEST_SERVER";

#[tokio::test]
#[ignore = "the child of the next test"]
async fn asker_with_a_proxy() {
    store(&std::env::var(SERVER).unwrap()).snapshot("/a/").await.unwrap();
}

/// A proxy that is there for the outside knows nothing of our servers, and must not be shown the token.
#[tokio::test]
async fn no_proxy_is_asked() {
    let (server_address, asked) = server(|_, _| {
        let body = br#"{"revision":7,"keys":[]}"#;
        response("200 OK", body.len(), body)
    })
    .await;
    let mut child = tokio::process::Command::from(Command::new(std::env::current_exe().unwrap()));
    child.args(["--exact", "asker_with_a_proxy", "--ignored"]).env(SERVER, &server_address);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        child.env(name, "http://127.0.0.1:1");
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = timeout(DEADLINE, child.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
