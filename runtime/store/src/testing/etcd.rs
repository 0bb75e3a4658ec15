use std::{path::Path, time::Duration};

use etcd_client::{AlarmAction, AlarmOptions, AlarmType, Client, ConnectOptions, MaintenanceClient};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::timeout;

use super::{DEADLINE, eventually, free_port, launch::Launched};

/// How long one question to a member may take before it is put again.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Between looking for a free port and listening on it somebody else may take it.
const STARTS_MAX: usize = 5;

/// How an etcd is started.
#[derive(Debug, Clone, Default)]
pub struct EtcdOptions {
    /// How much it may store, in bytes; none: its own default.
    pub quota_bytes: Option<u64>,
    /// How often it tells watches how far they are; none: its own default of ten minutes.
    pub progress_interval: Option<Duration>,
    /// What runs it, for instance in another network namespace: stands before the program.
    pub launcher: Vec<String>,
}

/// One member of an etcd as a child process, with its data in memory where the machine has a file system for that. It is
/// killed when it is dropped and when the thread that started it ends.
#[derive(Debug)]
pub struct EtcdProcess {
    // Before the folder: it is dropped first.
    launched: Launched,
    address: String,
    _folder: TempDir,
}

/// What tells a member of a cluster from the others.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    pub(super) name: String,
    pub(super) client: String,
    pub(super) peer: String,
    /// All of them: `name=http://peer,…`.
    pub(super) cluster: String,
}

impl Membership {
    fn alone() -> Self {
        let [client, peer] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        Self { name: "alone".to_owned(), cluster: format!("alone=http://{peer}"), client, peer }
    }
}

impl EtcdProcess {
    /// Starts an etcd of one member and waits until it serves.
    pub async fn start() -> Self {
        Self::start_with(&EtcdOptions::default()).await
    }

    /// The same, with options.
    pub async fn start_with(options: &EtcdOptions) -> Self {
        for _ in 0..STARTS_MAX {
            let mut process = Self::launch(&Membership::alone(), options);
            if process.serves().await {
                return process;
            }
        }
        panic!("etcd does not start {STARTS_MAX} times in a row")
    }

    /// Starts a member and does not wait.
    pub(super) fn launch(membership: &Membership, options: &EtcdOptions) -> Self {
        let folder = folder();
        let arguments = arguments(membership, options, folder.path());
        let launched = Launched::start(arguments, folder.path().join("etcd.log"));
        Self { launched, address: membership.client.clone(), _folder: folder }
    }

    /// Where clients connect: `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.launched.id().as_raw_nonzero().get()
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        self.launched.log()
    }

    /// SIGKILL: no last words.
    pub fn kill(&mut self) {
        self.launched.kill();
    }

    /// Starts it again on its data, after it was killed, and waits until it serves.
    pub async fn restart(&mut self) {
        self.relaunch();
        assert!(self.serves().await, "etcd does not start again:\n{}", self.log());
    }

    /// Starts it again on its data and does not wait.
    pub fn relaunch(&mut self) {
        self.launched.again();
    }

    /// SIGSTOP: it is there and does nothing.
    pub fn pause(&self) {
        self.launched.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.launched.signal(Signal::CONT);
    }

    /// Gives back the space that compaction has freed.
    pub async fn defragment(&self) {
        self.maintenance().await.expect("etcd answers").defragment().await.expect("defragmented");
    }

    /// Takes writes again after its space was used up.
    pub async fn disarm(&self) {
        let mut maintenance = self.maintenance().await.expect("etcd answers");
        let armed = maintenance.alarm(AlarmAction::Get, AlarmType::Nospace, None).await.expect("its alarms");
        for alarm in armed.alarms() {
            let mut options = AlarmOptions::new();
            options.with_member(alarm.member_id());
            maintenance.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(options)).await.expect("disarmed");
        }
    }

    /// Its id and the leader's, where it answers and there is a leader.
    pub(super) async fn leader(&self) -> Option<(u64, u64)> {
        let status = timeout(ANSWER_MAX, async { self.maintenance().await?.status().await.ok() }).await.ok()??;
        let member = status.header()?.member_id();
        (status.leader() != 0).then_some((member, status.leader()))
    }

    /// Waits until it serves; `false`: it has ended instead.
    pub(super) async fn serves(&mut self) -> bool {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while tokio::time::Instant::now() < deadline {
            if self.leader().await.is_some() {
                return true;
            }
            if self.launched.has_ended() {
                return false;
            }
            tokio::time::sleep(super::POLL).await;
        }
        panic!("etcd does not serve within {DEADLINE:?}:\n{}", self.log())
    }

    async fn maintenance(&self) -> Option<MaintenanceClient> {
        let options = ConnectOptions::new().with_connect_timeout(ANSWER_MAX);
        Client::connect([&self.address], Some(options)).await.ok().map(|client| client.maintenance_client())
    }
}

/// Waits until each of these sees a leader.
pub(super) async fn all_see_a_leader(members: &[EtcdProcess]) {
    for member in members {
        eventually("a leader", || member.leader()).await;
    }
}

/// An fsync to a disk that others use too may take seconds, for which an etcd gives up its leader.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

fn arguments(membership: &Membership, options: &EtcdOptions, folder: &Path) -> Vec<String> {
    let Membership { name, client, peer, cluster } = membership;
    let mut arguments = options.launcher.clone();
    arguments.push("etcd".to_owned());
    let data = folder.join("data").display().to_string();
    let mut flag = |name: &str, value: &str| arguments.extend([format!("--{name}"), value.to_owned()]);
    flag("name", name);
    flag("data-dir", &data);
    flag("listen-client-urls", &format!("http://{client}"));
    flag("advertise-client-urls", &format!("http://{client}"));
    flag("listen-peer-urls", &format!("http://{peer}"));
    flag("initial-advertise-peer-urls", &format!("http://{peer}"));
    flag("initial-cluster", cluster);
    flag("log-outputs", "stderr");
    flag("logger", "zap");
    if let Some(quota) = options.quota_bytes {
        flag("quota-backend-bytes", &quota.to_string());
    }
    if let Some(interval) = options.progress_interval {
        flag("experimental-watch-progress-notify-interval", &format!("{}ms", interval.as_millis()));
    }
    arguments
}
