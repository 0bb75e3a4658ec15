use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use switchyard_e2e::paths;

use crate::{configuration, free_address, proxies::answers};

/// An answer of each size that is asked for, in pieces of 128 bytes: nginx takes no word that is longer than 4 KiB.
const ANSWERS: [(&str, usize); 2] = [("/small", 1), ("/large", 32)];

/// An nginx of its own, with everything that it writes in a folder: behind the proxies, and one of them.
pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// The two backends of all proxies: ports of one worker that answers from memory.
    pub(crate) fn backends(folder: &Path) -> Result<(Self, [SocketAddr; 2])> {
        let addresses = [free_address()?, free_address()?];
        let [first, second] = addresses;
        let answers =
            ANSWERS.map(|(path, pieces)| format!("location = {path} {{ return 200 {}; }}", "$piece".repeat(pieces)));
        let piece = "x".repeat(128);
        let server = format!("server {{ listen {first}; listen {second}; set $piece {piece}; {} }}", answers.concat());
        Ok((Self::start(folder, &server, 1, first)?, addresses))
    }

    /// Connections to the backends stay, as many as there are; what a backend hears is what the other proxies say too.
    pub(crate) fn proxy(folder: &Path, backends: &[SocketAddr; 2], workers: usize) -> Result<Self> {
        let address = free_address()?;
        let [first, second] = backends;
        let http = format!(
            "upstream backends {{ server {first}; server {second}; keepalive 64; keepalive_requests 1000000000; }}
             server {{
                 listen {address} reuseport;
                 location / {{
                     proxy_pass http://backends;
                     proxy_http_version 1.1;
                     proxy_set_header Connection '';
                     proxy_set_header Host $http_host;
                     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                 }}
             }}"
        );
        Self::start(folder, &http, workers, address)
    }

    fn start(folder: &Path, http: &str, workers: usize, address: SocketAddr) -> Result<Self> {
        let text = format!(
            "daemon off; worker_processes {workers}; pid nginx.pid; error_log error.log warn;
             events {{ worker_connections 4096; }}
             http {{
                 access_log off;
                 keepalive_requests 1000000000;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
                 scgi_temp_path scgi;
                 {http}
             }}"
        );
        let child = Command::new(paths::peer("nginx", "nginx-light")?)
            .arg("-p")
            .arg(folder)
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(configuration(folder, &text)?)
            .stdout(Stdio::null())
            .spawn()?;
        let nginx = Self { child, address };
        answers("nginx", address)?;
        Ok(nginx)
    }

    /// Its first process: the workers are children of it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Nginx {
    /// A master that is killed leaves its workers: it is asked to end instead.
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // Already gone is as good.
        let _ = id.map(|id| kill_process(id, Signal::TERM));
        let _ = self.child.wait();
    }
}
