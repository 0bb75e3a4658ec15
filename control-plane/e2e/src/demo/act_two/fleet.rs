use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::Client;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::program::Program;

/// Processes of the API.
const BACKENDS: [&str; 3] = ["api-1", "api-2", "api-3"];
/// Asking a backend itself takes no more.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// The API's processes and the worker, on one file.
#[derive(Debug)]
pub(super) struct Fleet {
    folder: PathBuf,
    /// Where the backends queue tasks.
    node_http: String,
    backends: Vec<Backend>,
    worker: Program,
    http: Client,
}

#[derive(Debug)]
struct Backend {
    name: &'static str,
    port: u16,
    /// None: it was killed.
    program: Option<Program>,
}

impl Fleet {
    /// Starts all of them, one after the other: the first makes the file.
    pub(super) fn start(folder: &Path, node_http: String, node_faktory: &str) -> Result<Self> {
        let start = |name| {
            let (program, port) = start_backend(folder, &node_http, name, 0)?;
            anyhow::Ok(Backend { name, port, program: Some(program) })
        };
        let backends = BACKENDS.into_iter().map(start).collect::<Result<_>>()?;
        let data = data(folder);
        let arguments = ["--data", &data, "--node", node_faktory];
        let (worker, _) = Program::start(folder, "worker", "worker.py", &arguments)?;
        let http = Client::builder().no_proxy().timeout(ANSWER_DEADLINE).build()?;
        Ok(Self { folder: folder.to_owned(), node_http, backends, worker, http })
    }

    /// Names and addresses, as a route has them.
    pub(super) fn addresses(&self) -> Vec<(&'static str, String)> {
        self.backends.iter().map(|backend| (backend.name, format!("127.0.0.1:{}", backend.port))).collect()
    }

    /// Every request to it takes so much longer from now on.
    pub(super) async fn slow(&self, name: &str, ms: u64) -> Result<()> {
        let request = self.http.post(self.url(name, "/demo/slow")?).json(&json!({ "ms": ms }));
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// SIGKILL, in the middle of whatever it does.
    pub(super) fn kill(&mut self, name: &str) -> Result<()> {
        let backend = self.backends.iter_mut().find(|backend| backend.name == name).context("no such backend")?;
        backend.program.take().with_context(|| format!("{name} does not run"))?;
        Ok(())
    }

    /// Starts one that was killed again, at its address.
    pub(super) fn restart(&mut self, name: &str) -> Result<()> {
        let backend = self.backends.iter_mut().find(|backend| backend.name == name).context("no such backend")?;
        let (program, _) = start_backend(&self.folder, &self.node_http, backend.name, backend.port)?;
        backend.program = Some(program);
        Ok(())
    }

    /// How many requests of clients a backend has had.
    pub(super) async fn served(&self, name: &str) -> Result<u64> {
        let answer: Value = self.get(name, "/demo/served").await?;
        answer.get("served").and_then(Value::as_u64).context("a backend does not say what it has served")
    }

    /// How often each video was cut, by its id.
    pub(super) async fn runs(&mut self) -> Result<HashMap<String, u64>> {
        if !self.worker.is_running() {
            bail!("the worker has ended");
        }
        let alive = self.backends.iter().find(|backend| backend.program.is_some()).context("no backend runs")?;
        self.get(alive.name, "/demo/runs").await
    }

    /// Leaves everything running: the process groups.
    pub(super) fn release(self) -> Vec<i32> {
        let backends = self.backends.into_iter().filter_map(|backend| backend.program);
        backends.chain([self.worker]).map(Program::release).collect()
    }

    async fn get<T: DeserializeOwned>(&self, name: &str, path: &str) -> Result<T> {
        let answer = self.http.get(self.url(name, path)?).send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    fn url(&self, name: &str, path: &str) -> Result<String> {
        let backend = self.backends.iter().find(|backend| backend.name == name).context("no such backend")?;
        Ok(format!("http://127.0.0.1:{}{path}", backend.port))
    }
}

fn data(folder: &Path) -> String {
    folder.join("videos.db").display().to_string()
}

fn start_backend(folder: &Path, node_http: &str, name: &str, port: u16) -> Result<(Program, u16)> {
    let arguments = ["--data", &data(folder), "--node", node_http, "--port", &port.to_string()];
    let (program, ready) = Program::start(folder, name, "api.py", &arguments)?;
    let port = ready.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    Ok((program, port.context("a backend does not say its port")?))
}
