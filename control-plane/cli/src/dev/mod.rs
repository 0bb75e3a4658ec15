//! A server and one node in one process, on one data folder, with the embedded store between them.

mod ready;

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context, Result};
use clap::Args;
use switchyard_node::{Node, Secret, Upstream, compiled_dir};
use switchyard_server::{Server, ServerConfig, key};
use switchyard_store::{BlobStore, ConfigStore, EmbeddedStore};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::ready::Ready;
use crate::{arguments::Global, compile, node::NodeArguments, runtime::block_on, shutdown, token};

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Where the server listens; port 0: any free port
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDRESS")]
    listen: SocketAddr,
    #[command(flatten)]
    node: NodeArguments,
    /// Make a new admin token; the old one is no longer taken
    #[arg(long)]
    rotate_token: bool,
}

pub(crate) fn run(verb: &Dev, global: &Global) -> Result<()> {
    block_on(start(verb, global))
}

async fn start(verb: &Dev, global: &Global) -> Result<()> {
    let data = verb.node.data.as_path();
    let folder = data.join("server");
    let (store, blobs) = open(&folder)?;
    let key = key::load(&folder)?;
    key::publish(&*store, &key).await?;
    let host = compile::host(Some(&compiled_dir(data)))?;
    let listener =
        TcpListener::bind(verb.listen).await.with_context(|| format!("--listen {} cannot be used", verb.listen))?;
    let server_url = format!("http://{}", listener.local_addr()?);

    let server = Server::new(ServerConfig::default(), Arc::clone(&store), blobs.clone(), host.clone(), key.clone());
    let blobs = Arc::new(blobs);
    let upstream = Upstream {
        store: Arc::clone(&store),
        blobs,
        trust: key.trust(),
        recorder: None,
        servers: vec![server_url.clone()],
        // Both are one process: what shows one server to another shows the node too.
        token: Some(Secret(key.peer_token())),
    };
    let node = Node::start(verb.node.config()?, host, Some(upstream)).await.context("the node cannot start")?;
    let token = token::prepare(&*store, &key, &server_url, verb.rotate_token).await?;
    Ready::new(server_url, data, &node.handle(), token).print(global.output)?;

    serve(server, listener, node).await
}

/// Both until somebody stops the process, or one of them ends by itself: the other then ends too.
async fn serve(server: Server, listener: TcpListener, node: Node) -> Result<()> {
    let stop = CancellationToken::new();
    let (server_stop, node_stop) = (stop.clone(), stop.clone());
    let server = async {
        let ended = server.run(listener, server_stop.clone()).await;
        server_stop.cancel();
        ended.context("the server has stopped")
    };
    let node = async {
        let ended = node.run(node_stop.clone()).await;
        node_stop.cancel();
        ended.context("the node has stopped")
    };
    let signals = async {
        let requested = stop.run_until_cancelled(shutdown::requested()).await;
        stop.cancel();
        requested.transpose().map(drop)
    };
    let (server, node, signals) = tokio::join!(server, node, signals);
    server.and(node).and(signals)
}

fn open(folder: &Path) -> Result<(Arc<dyn ConfigStore>, BlobStore)> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    let path = folder.join("store.redb");
    let store = EmbeddedStore::open(&path).with_context(|| format!("{} cannot be opened", path.display()))?;
    let path = folder.join("blobs");
    let blobs = BlobStore::open(&path).with_context(|| format!("{} cannot be opened", path.display()))?;
    Ok((Arc::new(store), blobs))
}
