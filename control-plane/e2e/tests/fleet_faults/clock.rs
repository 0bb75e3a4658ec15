use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use serde_json::json;
use switchyard_e2e::{
    admin::Admin,
    clock::FakeClock,
    faktory::FaktoryClient,
    fleet::{Fleet, Follows},
    load::Load,
    process::Process,
    resp::{Reply, RespClient},
};
use switchyard_store::{ConfigStore, EtcdStore, Revision, Update, keyspace, testing::EtcdOptions};
use switchyard_types::{Digest, EventKind, FleetEvent, HookReport, NodeRecord, NodeStatus, Page};

use super::{
    STRATEGY, decides, declare, ended_without_an_error, eventually, goes_on, healthy, load, measured, nothing_panicked,
    published, reported, soak,
};

const NODE: &str = "node";
const HOUR: i64 = 3_600;
/// Where the time of day is set, in seconds from the right one: an hour forward, an hour back, ten days back, and those forward.
const JUMPS: [i64; 4] = [HOUR, 0, -240 * HOUR, 0];
/// A time of day is taken for the one that was set if it is this near: nothing that is set is nearer to another.
const NEAR_SECONDS: i64 = HOUR / 2;
const KEYS: usize = 1_000;
/// How long most keys live, and how long one lives that must be gone.
const LONG: Duration = Duration::from_secs(300);
const SHORT_MS: &[u8] = b"1500";
/// How exactly a cache knows the time, and the kernel the processes.
const GRAIN: Duration = Duration::from_secs(1);

fn rounds() -> usize {
    if soak() { 10 } else { 1 }
}

/// Keys that were set at one time, and what was said of them last.
struct Keys {
    client: RespClient,
    /// Just before the first was set and just after the last was.
    set: (Instant, Instant),
    left: Vec<Duration>,
}

impl Keys {
    fn set(node: &Process, round: usize) -> Self {
        let mut client = RespClient::connect(node.ready().resp.as_str()).unwrap();
        let (begun, seconds) = (Instant::now(), LONG.as_secs().to_string());
        for key in 0..KEYS {
            let (name, value) = (key_name(key), round.to_string());
            let words: [&[u8]; 5] = [b"SET", name.as_bytes(), value.as_bytes(), b"EX", seconds.as_bytes()];
            assert_eq!(client.call(&words).unwrap(), Reply::Status("OK".to_owned()));
        }
        Self { client, set: (begun, Instant::now()), left: vec![LONG; KEYS] }
    }

    /// All are there, and each has as much time left as the monotonic clock says.
    fn check(&mut self) {
        for (key, before) in self.left.iter_mut().enumerate() {
            let asked = Instant::now();
            let reply = self.client.call(&[b"PTTL", key_name(key).as_bytes()]).unwrap();
            let Reply::Integer(left) = reply else { panic!("{reply:?}") };
            let left = Duration::from_millis(u64::try_from(left).unwrap_or_else(|_| panic!("{key} is gone: {left}")));
            let passed = (asked.duration_since(self.set.1), self.set.0.elapsed());
            assert!(left <= *before, "{key} has {left:?} left, and had {before:?}");
            assert!(left + passed.0 <= LONG + GRAIN, "{key} has {left:?} left after {passed:?}");
            assert!(left + passed.1 + GRAIN >= LONG, "{key} has {left:?} left after {passed:?}");
            *before = left;
        }
    }

    fn set_short(&mut self) {
        assert_eq!(
            self.client.call(&[b"SET", b"short", b"x", b"PX", SHORT_MS]).unwrap(),
            Reply::Status("OK".to_owned())
        );
    }

    async fn short_goes(&mut self) {
        let client = std::sync::Mutex::new(&mut self.client);
        let gone = || (client.lock().unwrap().call(&[b"GET", b"short"]).unwrap() == Reply::Bulk(None)).then_some(());
        eventually("the key with a short life is gone", || async { gone() }).await;
    }
}

fn key_name(key: usize) -> String {
    format!("key-{key}")
}

/// A job that one worker holds, while another one asks.
struct Held {
    holder: FaktoryClient,
    other: FaktoryClient,
    jid: String,
}

impl Held {
    fn start(node: &Process, round: usize) -> Self {
        let address = node.ready().faktory.as_str();
        let mut holder = FaktoryClient::connect(address, Some("holder")).unwrap();
        let jid = format!("held-{round:04}");
        let job = format!(r#"PUSH {{"jid":"{jid}","jobtype":"t","args":[],"reserve_for":1800}}"#);
        assert_eq!(holder.say(&job).unwrap().as_deref(), Some("+OK"));
        assert_eq!(holder.fetch("default").unwrap().unwrap()["jid"], jid.as_str());
        Self { holder, other: FaktoryClient::connect(address, Some("other")).unwrap(), jid }
    }

    /// `FETCH` itself waits two seconds for a job that somebody gives up.
    fn check(&mut self) {
        for client in [&mut self.holder, &mut self.other] {
            assert_eq!(client.fetch("default").unwrap(), None, "it is handed out to nobody else");
        }
    }

    /// The acknowledgement of the worker that holds it counts: nothing is left.
    async fn end(mut self, http: &str) {
        assert_eq!(self.holder.say(&format!(r#"ACK {{"jid":"{}"}}"#, self.jid)).unwrap().as_deref(), Some("+OK"));
        self.check();
        let tasks: serde_json::Value =
            reqwest::get(format!("http://{http}/v1/tasks")).await.unwrap().json().await.unwrap();
        assert_eq!(tasks["items"].as_array().map(Vec::len), Some(0), "{tasks}");
    }
}

/// How far a time of day is from the one that was set.
fn error_seconds(unix_seconds: i64, offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    (unix_seconds - i64::try_from(now).unwrap() - offset).abs()
}

/// The time of day at which a program last logged something.
fn logged_at(log: &str) -> Option<i64> {
    let time = |line: &str| DateTime::parse_from_rfc3339(line.split_once(' ')?.0).ok();
    log.lines().rev().find_map(time).map(|time| time.timestamp())
}

/// Waits until the server and the node live by the time that was set: else nothing was injected. The server logs each request; not
/// the `Date` of its answers is looked at, which the library behind it makes once a second and, once the time of day is put
/// back, not until that time comes again.
async fn is_set(fleet: &Fleet, admin: &Admin, node: &Process, offset: i64) {
    eventually("the server has the time that was set", || async {
        admin.strategies().await.ok()?;
        let logged = logged_at(&fleet.server(0).unwrap().log().unwrap())?;
        (error_seconds(logged, offset) < NEAR_SECONDS).then_some(())
    })
    .await;
    let said = |status: &NodeStatus| i64::try_from(status.at_unix_ms / 1_000).unwrap();
    reported(admin, node, "the node has the time that was set", |status| {
        error_seconds(said(status), offset) < NEAR_SECONDS
    })
    .await;
}

/// What the store says of the node and of who leads.
struct Presence {
    store: EtcdStore,
    leader: Revision,
    seen: Revision,
    status_key: String,
    node_key: String,
}

impl Presence {
    async fn of(store: EtcdStore, node: &Process) -> Self {
        let leader = eventually("somebody leads", || async { store.get(keyspace::LEADER).await.ok()? }).await.revision;
        let id = node.ready().node.parse().unwrap();
        let (status_key, node_key) = (keyspace::status(&id), keyspace::node(&id));
        eventually("the node has a status", || async { store.get(&status_key).await.ok()? }).await;
        let seen = store.snapshot(keyspace::ROOT).await.unwrap().revision;
        Self { store, leader, seen, status_key, node_key }
    }

    /// Since the last look the lease of the node has held, it was not noted as lost, and nobody else leads.
    async fn lasts(&mut self) {
        let now = self.store.snapshot(keyspace::ROOT).await.unwrap().revision;
        let mut updates = self.store.updates(keyspace::ROOT, self.seen).await.unwrap();
        while self.seen < now {
            let update = futures_util::StreamExt::next(&mut updates).await.unwrap().unwrap();
            let changes = match update {
                Update::Changed { revision, changes } => {
                    self.seen = revision;
                    changes
                }
                Update::Progress(revision) => {
                    self.seen = revision;
                    continue;
                }
                Update::Alive => continue,
            };
            for change in changes {
                assert!(change.key != keyspace::LEADER, "somebody else leads: {change:?}");
                assert!(change.key != self.status_key || change.entry.is_some(), "its lease has ended");
                if change.key == self.node_key {
                    let record: NodeRecord = serde_json::from_slice(&change.entry.unwrap().value).unwrap();
                    assert_eq!(record.lost_at_unix_ms, None);
                }
            }
        }
        assert_eq!(self.store.get(keyspace::LEADER).await.unwrap().unwrap().revision, self.leader);
    }
}

/// Waits until the leader has heard that the node flipped to this generation.
async fn told_of(admin: &Admin, node: &Process, generation: u64) {
    let path = format!("/v1/events?limit=500&kind=flipped&node={}", node.ready().node);
    eventually("the event arrives", || async {
        let page: Page<FleetEvent> = admin.get(&path).await.ok()?.accepted().ok()?;
        let told = |event: &FleetEvent| {
            event.event.kind == EventKind::Flipped
                && event.event.generation.is_some_and(|told| told.counter == generation)
        };
        page.items.iter().any(told).then_some(())
    })
    .await;
}

async fn figures(admin: &Admin) -> Option<Vec<HookReport>> {
    let page: Page<HookReport> = admin.get(&format!("/v1/figures?strategy={STRATEGY}")).await.ok()?.accepted().ok()?;
    Some(page.items)
}

/// Calls over the last minute of the generations that are meant.
fn calls(reports: &[HookReport], meant: impl Fn(u64) -> bool) -> u64 {
    let counter = |report: &HookReport| report.version.as_ref().map(|version| version.generation.counter);
    reports.iter().filter(|report| counter(report).is_some_and(&meant)).map(|report| report.last_1m.calls).sum()
}

/// Waits until the figures of this generation arrive. The one before it decided for a moment after the time of day was put back;
/// what was counted of those before that is of no last minute any more, though the time at which it was is still to come.
async fn figures_arrive(admin: &Admin, generation: u64) {
    eventually("the figures arrive", || async {
        let reports = figures(admin).await?;
        let (now, long_ago) = (calls(&reports, |of| of == generation), calls(&reports, |of| of + 1 < generation));
        (now > 0 && long_ago == 0).then_some(())
    })
    .await;
}

/// Everything that must go on after the time of day was moved.
struct Fleeting<'a> {
    admin: &'a Admin,
    node: &'a Process,
    load: &'a Load,
    plugins: [Digest; 2],
    generation: u64,
}

impl Fleeting<'_> {
    async fn goes_on(&mut self) {
        // More than the first requests after the jump, which may have been under way.
        goes_on(self.load, 100).await;
        let plugin = self.plugins[self.generation as usize % 2];
        let generation = declare(self.admin, plugin).await;
        assert_eq!(generation, self.generation + 1);
        self.generation = generation;
        decides(self.node, plugin).await;
        healthy(self.admin, self.node, plugin).await;
        told_of(self.admin, self.node, generation).await;
    }
}

/// F27: the server and the node, while their time of day jumps under them. Etcd's own is right.
#[tokio::test(flavor = "multi_thread")]
async fn f27_the_time_of_day_jumps() {
    let folder = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(folder.path()).unwrap();
    let mut environment = clock.environment();
    environment.extend([("SWITCHYARD_LOG", "info,tower_http=debug".into()), ("NO_COLOR", "1".into())]);
    let fleet = Fleet::start_under(1, &EtcdOptions::default(), 1, environment).await.unwrap();
    let admin = fleet.admin(0).unwrap();
    let node = fleet.start_node(NODE, Follows::Etcd, &[]).unwrap();
    let plugins = published(&admin).await;
    let generation = declare(&admin, plugins[0]).await;
    decides(&node, plugins[0]).await;
    told_of(&admin, &node, generation).await;
    let load = load(&node);
    let mut presence = Presence::of(fleet.store().unwrap(), &node).await;
    let mut fleeting = Fleeting { admin: &admin, node: &node, load: &load, plugins, generation };
    let (begun, mut jumps) = (Instant::now(), 0);
    for round in 0..rounds() {
        let (mut keys, mut held) = (Keys::set(&node, round), Held::start(&node, round));
        for offset in JUMPS {
            keys.set_short();
            clock.set(offset).unwrap();
            is_set(&fleet, &admin, &node, offset).await;
            jumps += 1;
            keys.check();
            keys.short_goes().await;
            held.check();
            fleeting.goes_on().await;
            if offset < 0 {
                figures_arrive(&admin, fleeting.generation).await;
            }
            keys.check();
            presence.lasts().await;
        }
        held.end(&node.ready().http).await;
    }
    let generation = fleeting.generation;
    let requests = ended_without_an_error(load);
    nothing_panicked(&fleet, &[NODE]);
    measured(
        "F27",
        json!({
            "what": "the time of day of a server and a node jumps by +1 h, -1 h, -10 d, +10 d", "jumps": jumps,
            "over_s": begun.elapsed().as_secs(), "requests": requests, "failed_requests": 0, "keys_with_ttl": KEYS,
            "keys_lost": 0, "jobs_handed_out_twice": 0, "nodes_lost": 0, "leaders": 1,
            "strategies_taken": generation,
        }),
    );
}
