//! A server of a fleet: the admin API for operators, and what nodes ask.

mod ready;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use clap::Args;
use switchyard_server::{Server, ServerConfig, key, token::StoredRole};
use switchyard_store::{BlobStore, ConfigStore, EmbeddedStore, EtcdConfig, EtcdStore};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::ready::Ready;
use crate::{
    arguments::Global, compile, etcd::EtcdUserArguments, failure::UsageError, http::normal, runtime::block_on,
    shutdown, token,
};

#[derive(Debug, Args)]
pub(crate) struct ServerVerb {
    /// The data folder: plugins, the key that seals what is declared, and without --etcd the store
    #[arg(long, default_value = ".switchyard", value_name = "FOLDER")]
    data: PathBuf,
    /// Where the server listens; port 0: any free port
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where other servers and nodes reach this one; default: where it listens
    #[arg(long, value_name = "URL")]
    advertise: Option<String>,
    /// A member of the etcd that the servers of the fleet share, HOST:PORT; several times for several. Without one the store is
    /// a file of this server alone
    #[arg(long, value_name = "ADDRESS")]
    etcd: Vec<String>,
    #[command(flatten)]
    etcd_user: EtcdUserArguments,
    /// Make a new admin token; the old one is no longer taken
    #[arg(long)]
    rotate_token: bool,
    /// Make a new token for nodes to join with; the old one is no longer taken
    #[arg(long)]
    rotate_node_token: bool,
}

pub(crate) fn run(verb: &ServerVerb, global: &Global) -> Result<()> {
    block_on(start(verb, global))
}

async fn start(verb: &ServerVerb, global: &Global) -> Result<()> {
    let folder = verb.data.join("server");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    let key = key::load(&folder)?;
    let store = verb.store()?;
    let blobs = BlobStore::open(folder.join("blobs"))?;
    let host = compile::host(Some(&folder.join("compiled")))?;
    let listener =
        TcpListener::bind(verb.listen).await.with_context(|| format!("--listen {} cannot be used", verb.listen))?;
    let url = format!("http://{}", listener.local_addr()?);
    key::publish(&*store, &key).await?;
    let advertise = Some(verb.advertised(&url)?);
    let config = ServerConfig { advertise, ..ServerConfig::default() };
    let server = Server::new(config, Arc::clone(&store), blobs, host, key.clone());
    let rotated = verb.rotate_node_token;
    let node_token = token::made(&*store, &key, StoredRole::Node, rotated, "--rotate-node-token").await?;
    let admin = token::prepare(&*store, &key, &url, verb.rotate_token).await?;
    Ready::new(url, verb, key.trust(), admin, node_token).print(global.output)?;

    let stop = CancellationToken::new();
    let serving = async {
        let ended = server.run(listener, stop.clone()).await;
        stop.cancel();
        ended.context("the server has stopped")
    };
    let signals = async {
        let requested = stop.run_until_cancelled(shutdown::requested()).await;
        stop.cancel();
        requested.transpose().map(drop)
    };
    let (serving, signals) = tokio::join!(serving, signals);
    serving.and(signals)
}

impl ServerVerb {
    fn store(&self) -> Result<Arc<dyn ConfigStore>> {
        if self.etcd.is_empty() {
            let path = self.data.join("server/store.redb");
            let store = EmbeddedStore::open(&path).with_context(|| format!("{} cannot be opened", path.display()))?;
            return Ok(Arc::new(store));
        }
        let (endpoints, user) = (self.etcd.clone(), self.etcd_user.read()?);
        Ok(Arc::new(EtcdStore::new(EtcdConfig { endpoints, user })?))
    }

    /// An address that nobody else can reach is no use to a fleet.
    fn advertised(&self, url: &str) -> Result<String> {
        match &self.advertise {
            Some(given) if given.starts_with("http://") => Ok(normal(given).to_owned()),
            Some(given) => {
                Err(UsageError(format!("--advertise {given:?} is not valid: expected http://HOST:PORT")).into())
            }
            None if self.listen.ip().is_unspecified() => Err(UsageError(format!(
                "--listen {} is every address of this machine: say with --advertise URL where others reach it",
                self.listen
            ))
            .into()),
            None => Ok(url.to_owned()),
        }
    }
}
