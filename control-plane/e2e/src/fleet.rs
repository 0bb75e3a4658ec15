//! A fleet as somebody would run it: an etcd of one member or three, servers that share it, nodes that join them. Every part
//! is a child process, and each can be killed, paused and started again.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use switchyard_store::{
    EtcdConfig, EtcdStore,
    testing::{EtcdCluster, EtcdOptions},
};
use tempfile::TempDir;

use crate::{
    admin::Admin,
    paths,
    process::{ANY_PORTS, Environment, LOG, Process, first_line, tail},
};

/// The file that every server of a fleet has a copy of.
const SERVER_KEY: &str = "server-key";

/// Etcd, servers and what nodes join with.
pub struct Fleet {
    folder: TempDir,
    /// The members of etcd.
    pub etcd: EtcdCluster,
    servers: Vec<Server>,
    token: String,
    node_token: PathBuf,
    environment: Environment,
}

/// How a node follows what is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// By a watch of its own.
    Etcd,
    /// Through the servers.
    Servers,
}

impl Fleet {
    /// Starts so many members and servers.
    pub async fn start(members: usize, servers: usize) -> Result<Self> {
        Self::start_with(members, &EtcdOptions::default(), servers).await
    }

    /// The same with options for etcd.
    pub async fn start_with(members: usize, options: &EtcdOptions, servers: usize) -> Result<Self> {
        Self::start_under(members, options, servers, Environment::new()).await
    }

    /// The same with more in the environment of servers and nodes.
    pub async fn start_under(
        members: usize,
        options: &EtcdOptions,
        servers: usize,
        environment: Environment,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("switchyard-fleet-").tempdir()?;
        let etcd = EtcdCluster::start_with(members, options).await;
        etcd.settled().await;
        let first = Server::start(folder.path(), 0, &etcd.addresses(), None, &environment)?;
        let token = first.ready.token.clone().context("the first server makes the admin token")?;
        let node_token = folder.path().join("node-token");
        write_secret(&node_token, first.ready.node_token.as_deref().context("and that of the nodes")?)?;
        let mut fleet = Self { folder, etcd, servers: vec![first], token, node_token, environment };
        for number in 1..servers {
            fleet.servers.push(fleet.start_server(number, None)?);
        }
        Ok(fleet)
    }

    /// With the key of the first one in its data folder, as the manual says.
    fn start_server(&self, number: usize, port: Option<u16>) -> Result<Server> {
        let (from, to) = (self.server_folder(0), self.server_folder(number));
        if number > 0 {
            fs::create_dir_all(to.join("server"))?;
            fs::copy(from.join("server").join(SERVER_KEY), to.join("server").join(SERVER_KEY))?;
        }
        Server::start(self.folder.path(), number, &self.etcd.addresses(), port, &self.environment)
    }

    fn server_folder(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("server-{number}"))
    }

    /// One of the servers.
    pub fn server(&self, number: usize) -> Result<&Server> {
        self.servers.get(number).context("there is no such server")
    }

    /// SIGKILL of a server.
    pub fn kill_server(&mut self, number: usize) -> Result<()> {
        self.servers.get_mut(number).context("there is no such server")?.kill()
    }

    /// Starts a killed server again, where it was.
    pub fn restart_server(&mut self, number: usize) -> Result<()> {
        let port = self.server(number)?.port;
        let server = self.start_server(number, Some(port))?;
        *self.servers.get_mut(number).context("there is no such server")? = server;
        Ok(())
    }

    /// The admin API of a server.
    pub fn admin(&self, number: usize) -> Result<Admin> {
        Admin::new(&self.server(number)?.url(), &self.token)
    }

    /// The store, as a server sees it.
    pub fn store(&self) -> Result<EtcdStore> {
        Ok(EtcdStore::new(EtcdConfig { endpoints: self.etcd.addresses(), user: None })?)
    }

    /// The file with the token that nodes join with.
    pub fn node_token(&self) -> &Path {
        &self.node_token
    }

    /// Starts a node with this name for its folder. The same name again is the same node.
    pub fn start_node(&self, name: &str, follows: Follows, more: &[&str]) -> Result<Process> {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder)?;
        Process::start_under(&folder, &self.node_arguments(name, follows, more)?, &self.environment)
    }

    /// What a node is started with.
    pub fn node_arguments(&self, name: &str, follows: Follows, more: &[&str]) -> Result<Vec<String>> {
        let data = self.folder.path().join(name).join("data");
        let mut arguments: Vec<String> = vec!["node".into(), "--data".into(), path(&data)?];
        arguments.extend(ANY_PORTS.map(str::to_owned));
        for server in &self.servers {
            arguments.extend(["--join".to_owned(), server.url()]);
        }
        arguments.extend(["--join-token-file".to_owned(), path(&self.node_token)?]);
        if follows == Follows::Etcd {
            arguments.extend(self.etcd.addresses().into_iter().flat_map(|address| ["--etcd".to_owned(), address]));
        }
        arguments.extend(more.iter().map(|one| (*one).to_owned()));
        Ok(arguments)
    }

    /// Everything that a node of this name has logged, over all its starts.
    pub fn node_log(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join(name).join(LOG))?)
    }

    /// Where everything lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn path(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a scratch folder has a plain name")?.to_owned())
}

fn write_secret(path: &Path, secret: &str) -> Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(writeln!(file, "{secret}")?)
}

/// What a server says when it listens.
#[derive(Debug, Clone, Deserialize)]
struct Ready {
    server: String,
    token: Option<String>,
    node_token: Option<String>,
}

/// A running `switchyard server`.
pub struct Server {
    child: Child,
    ready: Ready,
    port: u16,
    log: PathBuf,
}

impl Server {
    fn start(
        scratch: &Path,
        number: usize,
        etcd: &[String],
        port: Option<u16>,
        environment: &Environment,
    ) -> Result<Self> {
        let folder = scratch.join(format!("server-{number}"));
        fs::create_dir_all(&folder)?;
        let log = folder.join("log");
        let port = port.map_or_else(free_port, Ok)?;
        let mut command = Command::new(paths::switchyard()?);
        command.args(["server", "-o", "json", "--data", &path(&folder)?, "--listen", &format!("127.0.0.1:{port}")]);
        command.args(etcd.iter().flat_map(|address| ["--etcd", address]));
        command.env("SWITCHYARD_CONTEXT", folder.join("context.json"));
        command
            .env("SWITCHYARD_LOG", "info")
            .envs(environment)
            .env_remove("SWITCHYARD_SERVER")
            .env_remove("SWITCHYARD_TOKEN");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log)?);
        let mut child = command.spawn().context("the server does not start")?;
        let line = first_line(&mut child);
        let ready = line.and_then(|line| serde_json::from_str(&line).with_context(|| format!("not ready: {line:?}")));
        match ready {
            Ok(ready) => Ok(Self { child, ready, port, log }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.context(format!("the server does not become ready; its log ends:\n{}", tail(&log))))
            }
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.ready.server.clone()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its log.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGSTOP.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("not a process id")?;
        Ok(kill_process(id, signal)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago: a server that is started again must be where it was.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
