use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::fleet::Fleet;
use crate::{
    admin::{Answer, send},
    dev::Dev,
};

/// Of the cache, which has no part in this act.
const CACHE_BUDGET: &str = "1000";

/// Everything that the act is played on: a running `dev`, the API behind its gateway, the worker on its queue.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) dev: Dev,
    pub(super) fleet: Fleet,
}

impl Stage {
    pub(super) async fn set() -> Result<Self> {
        let dev = Dev::start(CACHE_BUDGET, 1)?;
        let ready = dev.process().ready();
        let fleet = Fleet::start(dev.folder(), format!("http://{}", ready.http), &ready.faktory)?;
        let stage = Self { dev, fleet };
        stage.route().await?;
        Ok(stage)
    }

    /// Where clients send their requests.
    pub(super) fn gateway(&self) -> String {
        format!("http://{}", self.dev.process().ready().gateway)
    }

    /// Where the node tells alerts and scores.
    pub(super) fn node_http(&self) -> String {
        format!("http://{}", self.dev.process().ready().http)
    }

    /// Ends everything, or says where it goes on.
    pub(super) fn end(self, keep: bool) -> Result<()> {
        if !keep {
            // First: the worker would complain about a node that ends before it.
            drop(self.fleet);
            return self.dev.end();
        }
        let context = self.dev.process().context().to_owned();
        let groups = self.fleet.release().into_iter().map(|group| format!("-{group}")).collect::<Vec<_>>().join(" ");
        let (id, ready, folder) = self.dev.keep()?;
        eprintln!("\nStill running as process {id} and groups of Python; `kill -- {id} {groups}` ends them.");
        eprintln!("  admin API  {}", ready.server.unwrap_or_default());
        eprintln!("  the API    http://{}", ready.gateway);
        eprintln!("  node       http://{}", ready.http);
        eprintln!("  context    SWITCHYARD_CONTEXT={}", context.display());
        eprintln!("  data       {}", folder.display());
        Ok(())
    }

    async fn route(&self) -> Result<()> {
        let request = self.dev.admin().request(Method::PUT, "/v1/routes/videos").json(&route(&self.fleet));
        let answer: Answer<Value> = send(request).await?;
        answer.accepted().context("the route")?;
        Ok(())
    }
}

/// The API takes a write with a key twice and carries it out once, so the gateway may try one again too.
fn route(fleet: &Fleet) -> Value {
    let backend = |(name, address)| json!({ "name": name, "address": address });
    let backends: Vec<_> = fleet.addresses().into_iter().map(backend).collect();
    json!({
        "kind": "Route",
        "name": "videos",
        "spec": {
            "backends": backends,
            "health": { "path": "/health", "interval_ms": 500 },
            "retry": { "attempts": 2, "methods": ["GET", "POST"] },
        },
    })
}
