use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::Client;
use serde::Deserialize;
use switchyard_node::{NodeConfig, Secret, Upstream, pinned_trust};
use switchyard_store::{
    ConfigStore, EtcdConfig, EtcdStore, Recorder,
    histories::FileRecorder,
    remote::{RemoteBlobs, RemoteStore, Servers},
};
use switchyard_sync::TrustKey;
use switchyard_types::ApiError;

use crate::{etcd::EtcdUserArguments, http::normal, secret};

/// How long one server may take to say who it is.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The fleet that a node belongs to.
#[derive(Debug, Args)]
pub(crate) struct JoinArguments {
    /// A server of the fleet, for example http://10.0.0.1:7070; several times for several. Without one the node serves what it
    /// last ran well
    #[arg(long = "join", value_name = "URL")]
    servers: Vec<String>,
    /// The file whose first line is the token that nodes join with, as `switchyard server` showed it
    #[arg(long, value_name = "FILE", env = "SWITCHYARD_NODE_TOKEN_FILE", requires = "servers")]
    join_token_file: Option<PathBuf>,
    /// A member of the fleet's etcd, HOST:PORT, which the node then follows by itself; several times for several. Without one
    /// it follows through the servers
    #[arg(long, value_name = "ADDRESS", requires = "servers")]
    etcd: Vec<String>,
    #[command(flatten)]
    etcd_user: EtcdUserArguments,
    /// The public key of the fleet's servers, as they show it; without it the node takes the key that the first server gives
    /// it, and no other afterwards
    #[arg(long, value_name = "KEY", requires = "servers")]
    trust: Option<TrustKey>,
    /// Keep what the node is told in this file, a line of JSON each: for tests of faults
    #[arg(long, value_name = "FILE", requires = "servers", hide = true)]
    history: Option<PathBuf>,
}

impl JoinArguments {
    /// What the node follows; none: nobody. Only the first time a server must answer: after that the node knows whom it trusts
    /// and starts with everything else down.
    pub(crate) async fn upstream(&self, node: &NodeConfig) -> Result<Option<Upstream>> {
        if self.servers.is_empty() {
            return Ok(None);
        }
        let Some(file) = &self.join_token_file else {
            bail!("--join needs --join-token-file: the token that `switchyard server` showed when it started first");
        };
        let token = secret::read(file, "the token that nodes join with")?;
        let servers = Arc::new(Servers::new(&self.servers)?);
        let trust = self.trust(node, &token).await?;
        let store: Arc<dyn ConfigStore> = if self.etcd.is_empty() {
            Arc::new(RemoteStore::new(Arc::clone(&servers), token.clone())?)
        } else {
            Arc::new(EtcdStore::new(EtcdConfig { endpoints: self.etcd.clone(), user: self.etcd_user.read()? })?)
        };
        let blobs = Arc::new(RemoteBlobs::new(servers, token.clone())?);
        let (servers, token) = (self.servers.clone(), Some(Secret(token)));
        let recorder = match &self.history {
            Some(path) => Some(FileRecorder::create(path).context("--history cannot be written")? as Arc<dyn Recorder>),
            None => None,
        };
        Ok(Some(Upstream { store, blobs, trust, recorder, servers, token }))
    }

    /// The given key, else the one that the node has pinned, else what a server gives.
    async fn trust(&self, node: &NodeConfig, token: &str) -> Result<TrustKey> {
        if let Some(given) = self.trust {
            return Ok(given);
        }
        match pinned_trust(node)? {
            Some(pinned) => Ok(pinned),
            None => ask(&self.servers, token).await,
        }
    }
}

#[derive(Deserialize)]
struct Joined {
    trust: TrustKey,
}

/// The key that the first server gives which answers.
async fn ask(servers: &[String], token: &str) -> Result<TrustKey> {
    let http = Client::builder().timeout(ANSWER_MAX).redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let mut failures = Vec::new();
    for server in servers {
        let server = normal(server);
        match ask_one(&http, server, token).await {
            Ok(trust) => return Ok(trust),
            Err(error) => failures.push(format!("{server}: {error:#}")),
        }
    }
    bail!("the fleet cannot be joined, because no server gives its key: {}", failures.join("; "))
}

async fn ask_one(http: &Client, server: &str, token: &str) -> Result<TrustKey> {
    let response = http.get(format!("{server}/v1/join")).bearer_auth(token).send().await?;
    let status = response.status();
    let body = response.bytes().await?;
    if !status.is_success() {
        match serde_json::from_slice::<ApiError>(&body) {
            Ok(error) => bail!("{error}"),
            Err(_) => bail!("it answered {status}, which is not from Switchyard"),
        }
    }
    Ok(serde_json::from_slice::<Joined>(&body).context("its answer is of another shape than this version knows")?.trust)
}
