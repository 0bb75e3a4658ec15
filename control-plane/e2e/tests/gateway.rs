//! Routes and routing strategies on a live node: declared, swapped under load, refused, and remembered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use switchyard_e2e::{
    cli,
    dev::{Dev, Published},
    process::{ANY_PORTS, Process},
};
use switchyard_types::{NodeStatus, SlotStatus, StrategyKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Clients at once.
const CLIENTS: usize = 4;
/// Requests that must have gone through between two acts.
const REQUESTS_BETWEEN: u64 = 200;
/// No request takes a second; a machine that does three other things may take a while.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// A small HTTP server that answers everything; its connections break when it is killed.
struct Backend {
    address: SocketAddr,
    answered: Arc<AtomicU64>,
    serving: JoinHandle<()>,
}

impl Backend {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, answered) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let count = answered.clone();
        let serving = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                clients.spawn(answer_all(stream, count.clone()));
            }
        });
        Self { address, answered, serving }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }
}

async fn answer_all(mut stream: TcpStream, answered: Arc<AtomicU64>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(bytes @ 1..) = stream.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..bytes]);
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            answered.fetch_add(1, Relaxed);
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                return;
            }
        }
    }
}

fn client() -> Client {
    Client::builder().timeout(ANSWER_DEADLINE).no_proxy().build().unwrap()
}

/// Clients that ask as fast as they are answered.
struct Asking {
    answered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<String>>,
}

impl Asking {
    fn start(url: &str) -> Self {
        let (answered, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (client, url, answered, stop) = (client(), url.to_owned(), answered.clone(), stop.clone());
            clients.spawn(async move {
                let mut failures = Vec::new();
                while !stop.load(Relaxed) {
                    match client.get(&url).send().await {
                        Ok(answer) if answer.status() == StatusCode::OK => {}
                        Ok(answer) => failures.push(format!("{}: {:?}", answer.status(), answer.text().await)),
                        Err(error) => failures.push(format!("{error:?}")),
                    }
                    answered.fetch_add(1, Relaxed);
                }
                failures
            });
        }
        Self { answered, stop, clients }
    }

    async fn go_on(&self) {
        let before = self.answered.load(Relaxed);
        let enough = async {
            while self.answered.load(Relaxed) < before + REQUESTS_BETWEEN {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(ANSWER_DEADLINE, enough).await.expect("requests go on");
    }

    /// What failed.
    async fn end(self) -> Vec<String> {
        self.stop.store(true, Relaxed);
        self.clients.join_all().await.concat()
    }
}

fn manifest(plugin: Option<&Published>, route: &Value) -> String {
    let strategy = plugin.map(|plugin| {
        let spec = json!({"kind": "routing", "plugin": plugin.reference});
        json!({"kind": "Strategy", "name": "balance", "spec": spec})
    });
    strategy.iter().chain([route]).map(Value::to_string).collect::<Vec<_>>().join("\n---\n")
}

fn route(name: &str, path: &str, backends: &[SocketAddr]) -> Value {
    let backend = |(place, address): (usize, &SocketAddr)| json!({"name": format!("b{place}"), "address": address});
    let backends: Vec<_> = backends.iter().enumerate().map(backend).collect();
    json!({"kind": "Route", "name": name, "spec": {"path_prefix": path, "backends": backends}})
}

fn apply(dev: &Dev, manifest: &str) -> Value {
    let file = dev.folder().join("manifest.yaml");
    std::fs::write(&file, manifest).unwrap();
    run(dev, &["apply", "-f", file.to_str().unwrap()])
}

fn run(dev: &Dev, arguments: &[&str]) -> Value {
    let said = cli::switchyard(dev.process().context(), &[arguments, &["-o", "json"]].concat()).unwrap();
    serde_json::from_str(&said.done().unwrap()).unwrap()
}

fn routing(status: &NodeStatus) -> Option<&SlotStatus> {
    status.slots.iter().find(|slot| slot.slot.kind == StrategyKind::Routing)
}

fn decides(status: &NodeStatus, plugin: &Published) -> bool {
    routing(status).and_then(|slot| slot.last_healthy.as_ref()).is_some_and(|version| version.digest == plugin.digest)
}

fn has(status: &NodeStatus, route: &str) -> bool {
    let mut routes = status.routes.iter();
    routes.any(|one| one.name.as_str() == route && one.active.is_some() && one.active == one.received)
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_strategies_change_under_load_and_no_request_fails() {
    let dev = Dev::start("100", 1).unwrap();
    let plugins =
        [dev.publish("routing-round-robin").await.unwrap(), dev.publish("routing-least-connections").await.unwrap()];
    let (a, b, c) = (Backend::start().await, Backend::start().await, Backend::start().await);
    let shop = route("shop", "/shop", &[a.address, b.address, c.address]);
    let applied = apply(&dev, &manifest(Some(&plugins[0]), &shop));
    assert_eq!((&applied[0]["kind"], &applied[1]["kind"]), (&json!("strategy"), &json!("route")));
    assert_eq!(run(&dev, &["get", "routes"])[0]["name"], "shop");
    assert_eq!(run(&dev, &["get", "route", "shop"])["status"]["generation"], applied[1]["generation"]);
    dev.until("the route", |status| has(status, "shop") && decides(status, &plugins[0])).await.unwrap();

    let url = format!("http://{}/shop", dev.process().ready().gateway);
    let asking = Asking::start(&url);
    asking.go_on().await;
    for swap in 1..=4 {
        apply(&dev, &manifest(Some(&plugins[swap % 2]), &shop));
        dev.until("the swap", |status| decides(status, &plugins[swap % 2])).await.unwrap();
        asking.go_on().await;
    }
    c.serving.abort();
    asking.go_on().await;
    let smaller = route("shop", "/shop", &[a.address, b.address]);
    let applied = apply(&dev, &manifest(None, &smaller));
    assert_eq!(applied[0]["result"], "replaced");
    let generation = serde_json::from_value(applied[0]["generation"].clone()).unwrap();
    dev.until("the change", |status| status.routes.iter().any(|route| route.active == Some(generation))).await.unwrap();
    asking.go_on().await;
    assert_eq!(asking.end().await, Vec::<String>::new());
    assert!([&a, &b, &c].iter().all(|backend| backend.answered() > 0));
    let status = dev.status().await.unwrap().unwrap();
    let slot = routing(&status).unwrap();
    assert_eq!((slot.flips, &slot.last_failure, slot.shards.quarantined), (5, &None, 0));
    dev.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_to_the_gateway_itself_is_refused_and_another_goes_on() {
    let dev = Dev::start("100", 1).unwrap();
    let a = Backend::start().await;
    apply(&dev, &manifest(None, &route("shop", "/shop", &[a.address])));
    dev.until("the route", |status| has(status, "shop")).await.unwrap();
    let gateway: SocketAddr = dev.process().ready().gateway.parse().unwrap();
    apply(&dev, &manifest(None, &route("mirror", "/mirror", &[gateway])));
    apply(&dev, &manifest(None, &route("late", "/late", &[a.address])));
    let failure = |status: &NodeStatus| status.routes.iter().find_map(|route| route.failure.clone());
    let status = dev.until("the refusal", |status| failure(status).is_some()).await.unwrap();
    let reason = failure(&status).unwrap().reason;
    assert_eq!(reason, format!("route mirror: backend b0 is {gateway}, where this gateway itself listens ({gateway})"));
    let shown = cli::switchyard(dev.process().context(), &["get", "nodes"]).unwrap().done().unwrap();
    assert!(shown.contains("route/mirror") && shown.contains(&reason), "{shown}");
    dev.until("another route", |status| has(status, "late")).await.unwrap();
    for path in ["shop", "late"] {
        let answer = client().get(format!("http://{gateway}/{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(run(&dev, &["delete", "route", "mirror"])["result"], "deleted");
    dev.until("no refusal", |status| failure(status).is_none()).await.unwrap();
    dev.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_serves_its_routes() {
    let dev = Dev::start("100", 1).unwrap();
    let plugin = dev.publish("routing-least-connections").await.unwrap();
    let a = Backend::start().await;
    apply(&dev, &manifest(Some(&plugin), &route("shop", "/shop", &[a.address])));
    dev.until("the route", |status| has(status, "shop") && decides(status, &plugin)).await.unwrap();
    let data = dev.data();
    let folder = dev.kill().unwrap();
    let arguments = [&["node", "--data", data.to_str().unwrap()], &ANY_PORTS[..]].concat();
    let node = Process::start(folder.path(), &arguments).unwrap();
    let answer = client().get(format!("http://{}/shop", node.ready().gateway)).send().await.unwrap();
    assert_eq!((answer.status(), a.answered()), (StatusCode::OK, 1));
    assert!(node.terminate().unwrap().success());
}
