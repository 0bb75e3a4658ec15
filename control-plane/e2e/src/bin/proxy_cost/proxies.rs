use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use switchyard_e2e::{
    admin::{Answer, send},
    dev::Dev,
    paths,
    process::wait_for,
};
use switchyard_types::StrategyKind;

use crate::{configuration, free_address};

/// A proxy that does not answer by then does not start.
const DEADLINE: Duration = Duration::from_secs(20);

/// An HAProxy of its own, all of it in one process.
pub(crate) struct Haproxy {
    child: Child,
    address: SocketAddr,
}

impl Haproxy {
    /// Any client's request may use any connection to a backend that is there (`http-reuse always`), as in the node; checks
    /// come as often as the node's.
    pub(crate) fn start(folder: &Path, backends: &[SocketAddr; 2], threads: usize) -> Result<Self> {
        let address = free_address()?;
        let [first, second] = backends;
        let text = format!(
            "global
                nbthread {threads}
                maxconn 4096
             defaults
                mode http
                timeout connect 2s
                timeout client 75s
                timeout server 30s
                timeout check 1s
                option http-keep-alive
                http-reuse always
                option forwardfor
             frontend clients
                bind {address}
                default_backend backends
             backend backends
                balance roundrobin
                server first {first} check inter 2s
                server second {second} check inter 2s
            "
        );
        let child = Command::new(paths::peer("haproxy", "haproxy")?)
            .args(["-db", "-f"])
            .arg(configuration(folder, &text)?)
            .stdout(Stdio::null())
            .spawn()?;
        let haproxy = Self { child, address };
        answers("HAProxy", address)?;
        Ok(haproxy)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node of ours whose gateway has a route to the backends.
pub(crate) struct Node {
    dev: Dev,
    address: SocketAddr,
}

impl Node {
    /// Without a strategy the built-in fallback decides.
    pub(crate) async fn start(backends: &[SocketAddr; 2], strategy: Option<&str>) -> Result<Self> {
        let dev = Dev::start("100", 1)?;
        let address = dev.process().ready().gateway.parse().context("the gateway's address")?;
        if let Some(strategy) = strategy {
            let plugin = dev.publish(strategy).await?;
            dev.activate_for(StrategyKind::Routing, &plugin).await?;
        }
        let request = dev.admin().request(Method::PUT, "/v1/routes/backends").json(&route(backends));
        let declared: Answer<Value> = send(request).await?;
        declared.accepted().context("the route")?;
        answers("the node", address)?;
        Ok(Self { dev, address })
    }

    pub(crate) fn id(&self) -> Result<u32> {
        self.dev.process().id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn end(self) -> Result<()> {
        self.dev.end()
    }
}

fn route(backends: &[SocketAddr; 2]) -> Value {
    let [first, second] = backends;
    let backends = json!([{ "name": "first", "address": first }, { "name": "second", "address": second }]);
    json!({ "kind": "Route", "name": "backends", "spec": { "backends": backends } })
}

/// Waits until a request comes back with 200.
pub(crate) fn answers(what: &str, address: SocketAddr) -> Result<()> {
    wait_for(&format!("{what} answers"), DEADLINE, || Ok(ask(address).ok().filter(|good| *good).map(drop)))
}

fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET /small HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
