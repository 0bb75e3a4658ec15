//! The peers of fault tests do what they say: a proxy harms what it should, and an etcd leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use switchyard_store::testing::{DEADLINE, EtcdCluster, EtcdProcess, Proxy, Traffic, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// A server that says again what it is told, and a proxy before it.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    Proxy::start(address).await
}

/// Whether what is said comes back; not: the connection ends instead.
async fn comes_back(stream: &mut TcpStream, words: &[u8]) -> bool {
    let mut said = vec![0; words.len()];
    let both = async {
        stream.write_all(words).await?;
        stream.read_exact(&mut said).await
    };
    timeout(DEADLINE, both).await.unwrap().is_ok() && said == words
}

/// Waits for the end of a connection on which nothing may come before.
async fn ends(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = timeout(DEADLINE, stream.read(&mut byte)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{byte:?}");
}

#[tokio::test]
async fn bytes_pass_at_once_or_late_and_in_order() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(comes_back(&mut stream, b"at once").await);
    proxy.set(Traffic::Delay(Duration::from_millis(50)));
    let begun = tokio::time::Instant::now();
    let long: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    assert!(comes_back(&mut stream, &long).await);
    assert!(begun.elapsed() >= Duration::from_millis(100), "both ways were delayed");
    proxy.set(Traffic::Pass);
    assert!(comes_back(&mut stream, b"at once again").await);
}

#[tokio::test]
async fn a_black_hole_is_silent_and_its_connections_do_not_outlive_it() {
    let proxy = echo().await;
    let mut before = TcpStream::connect(proxy.address()).await.unwrap();
    let mut quiet = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(comes_back(&mut before, b"before").await && comes_back(&mut quiet, b"before").await);
    proxy.set(Traffic::Swallow);
    let mut during = TcpStream::connect(proxy.address()).await.unwrap();
    before.write_all(b"lost").await.unwrap();
    during.write_all(b"lost").await.unwrap();
    // Enough for bytes to come back if anything let them.
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(200), before.read(&mut byte)).await.is_err(), "nobody is told");
    assert!(timeout(Duration::from_millis(1), during.read(&mut byte)).await.is_err());
    proxy.set(Traffic::Pass);
    ends(&mut before).await;
    ends(&mut during).await;
    assert!(comes_back(&mut quiet, b"has lost nothing").await);
    let mut after = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(comes_back(&mut after, b"after").await);
}

#[tokio::test]
async fn a_cut_ends_what_is_open_and_what_comes() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(comes_back(&mut stream, b"before").await);
    proxy.set(Traffic::Cut);
    ends(&mut stream).await;
    let mut during = TcpStream::connect(proxy.address()).await.unwrap();
    ends(&mut during).await;
    proxy.set(Traffic::Pass);
    let mut after = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(comes_back(&mut after, b"after").await);
    drop(proxy);
    ends(&mut after).await;
}

#[tokio::test]
#[ignore = "the child of the next test"]
async fn starter_that_is_killed() {
    let etcd = EtcdProcess::start().await;
    println!("started {}", etcd.id());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn an_etcd_ends_with_who_started_it() {
    let mut starter = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "starter_that_is_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(starter.stdout.take().unwrap()).lines().map(Result::unwrap);
    let id: i32 = lines.find_map(|line| Some(line.rsplit_once("started ")?.1.parse().unwrap())).unwrap();
    let running = PathBuf::from(format!("/proc/{id}/exe"));
    assert!(running.read_link().is_ok());
    starter.kill().unwrap();
    starter.wait().unwrap();
    eventually("its end", || async { running.read_link().is_err().then_some(()) }).await;
}

#[tokio::test]
async fn a_cluster_finds_another_leader() {
    let mut cluster = EtcdCluster::start(3).await;
    let first = cluster.leader().await;
    let leader = cluster.members.get_mut(first).unwrap();
    leader.kill();
    let second = cluster.leader().await;
    assert_ne!(first, second);
    cluster.members.get_mut(first).unwrap().restart().await;
    cluster.settled().await;
    cluster.members.get(second).unwrap().pause();
    assert_ne!(cluster.leader().await, second);
    cluster.members.get(second).unwrap().resume();
    cluster.settled().await;
}
