//! Clients that others wrote for Faktory, unmodified: they push jobs and work them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::{
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use faktory::{Client, Job, JobBuilder, Worker};
use support::{Serving, in_target, wait_until};
use switchyard_tasks::{TaskFilter, TaskState};

const PASSWORD: &str = "p-ss:w/rd";
/// As it stands in an address.
const PASSWORD_ENCODED: &str = "p-ss%3Aw%2Frd";
/// Jobs that every client pushes; each works them itself.
const JOBS: u64 = 20;

fn start() -> (Serving, String) {
    let serving = Serving::start_with(|config| config.password = Some(PASSWORD.into()));
    let url = format!("tcp://:{PASSWORD_ENCODED}@{}", serving.address);
    (serving, url)
}

/// A client in a process of its own, ended when the test ends.
struct Program(Child);

impl Program {
    fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// It ran into an error where it has ended.
    fn check(&mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "the client has ended: see its output");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All jobs were done, and the one that fails for good is a dead letter with what the client said of it.
fn check_worked(serving: &Serving, message: &str) {
    let (dead, _) = serving.tasks.list(TaskFilter { state: Some(TaskState::Dead), ..TaskFilter::default() }, 10);
    assert_eq!(dead.len(), 1);
    let failure = dead[0].failure.as_ref().unwrap();
    assert!(failure.message.contains(message), "{failure:?}");
    let figures = serving.tasks.figures();
    assert_eq!((figures.done, figures.failed, figures.late), (JOBS, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crate_faktory() {
    let (serving, _) = start();
    // It takes the password as it stands in the address.
    let stream = || async {
        let stream = tokio::net::TcpStream::connect(serving.address).await.unwrap();
        tokio::io::BufStream::new(stream)
    };
    let mut client = Client::connect_with(stream().await, Some(PASSWORD.into())).await.unwrap();
    for n in 0..JOBS / 2 {
        client.enqueue(Job::new("work", vec![n])).await.unwrap();
    }
    let many: Vec<Job> = (JOBS / 2..JOBS).map(|n| Job::new("work", vec![n])).collect();
    assert_eq!(client.enqueue_many(many).await.unwrap(), (10, None));
    client.enqueue(JobBuilder::new("break").retry(-1_isize).build()).await.unwrap();
    let info = client.current_info().await.unwrap();
    assert_eq!((info.data.queues["default"], info.data.total_queues), (JOBS + 1, 1));

    static SUM: AtomicU64 = AtomicU64::new(0);
    let worked = |job: Job| async move {
        SUM.fetch_add(job.args()[0].as_u64().unwrap(), Ordering::Relaxed);
        Ok::<(), std::io::Error>(())
    };
    let broken = |_| async { Err(std::io::Error::other("broken on purpose")) };
    let builder = Worker::builder().register_fn("work", worked).register_fn("break", broken);
    let mut worker = builder.connect_with(stream().await, Some(PASSWORD.into())).await.unwrap();
    for _ in 0..=JOBS {
        assert!(worker.run_one(0, &["default"]).await.unwrap());
    }
    assert_eq!(SUM.load(Ordering::Relaxed), (0..JOBS).sum::<u64>());
    check_worked(&serving, "broken on purpose");
    client.queue_pause_all().await.unwrap();
    client.enqueue(Job::new("work", vec![1])).await.unwrap();
    assert!(!worker.run_one(0, &["default"]).await.unwrap());
}

const PYTHON: &str = r#"
import sys
from pyfaktory import Client, Consumer, Job, Producer

def work(n):
    return n + 1

def broken():
    raise ValueError("broken on purpose")

if __name__ == "__main__":
    url, jobs = sys.argv[1], int(sys.argv[2])
    with Client(faktory_url=url, role="both", worker_id="python-worker") as client:
        producer = Producer(client=client)
        for n in range(jobs // 2):
            assert producer.push(Job(jobtype="work", args=[n], queue="python")) is True
        many = [Job(jobtype="work", args=[n], queue="python", custom={"n": n}) for n in range(jobs // 2, jobs)]
        assert producer.push_bulk(many) == {}, "all are taken"
        producer.push(Job(jobtype="broken", args=[], queue="python", retry=-1))
        assert client.info()["faktory"]["queues"]["python"] == jobs + 1
        consumer = Consumer(client=client, queues=["python"], concurrency=2)
        consumer.register("work", work)
        consumer.register("broken", broken)
        consumer.run()
"#;

#[test]
fn pyfaktory() {
    // It does not decode the password of an address: one without signs.
    let serving = Serving::start_with(|config| config.password = Some("plain".into()));
    let folder = tempfile::tempdir().unwrap();
    // Its workers are processes that import the program again: it has to be a file.
    let script = folder.path().join("client.py");
    std::fs::write(&script, PYTHON).unwrap();
    let mut python = Command::new(in_target("python/bin/python"));
    python.arg(script).args([format!("tcp://:plain@{}", serving.address), JOBS.to_string()]);
    let mut python = Program::start(python);
    wait_until("all is worked", || {
        python.check();
        let figures = serving.tasks.figures();
        figures.done == JOBS && figures.failed == 1
    });
    check_worked(&serving, "broken on purpose");
}

const NODE: &str = r#"
const faktory = require("faktory-worker");
const [url, jobs] = [process.argv[2], Number(process.argv[3])];
const assert = require("assert");

(async () => {
  const client = await faktory.connect({ url });
  for (let n = 0; n < jobs / 2; n++) await client.job("work", n).push();
  const many = [];
  for (let n = jobs / 2; n < jobs; n++) many.push(client.job("work", n));
  assert.deepStrictEqual(await client.pushBulk(many), {});
  const broken = client.job("broken");
  broken.retry = -1;
  await broken.push();
  assert.strictEqual((await client.info()).faktory.queues.default, jobs + 1);
  await client.close();

  faktory.register("work", async (n) => { assert(Number.isInteger(n)); });
  faktory.register("broken", async () => { throw new Error("broken on purpose"); });
  await faktory.work({ url, wid: "node-worker", concurrency: 4 });
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[test]
fn faktory_worker_of_npm() {
    let (serving, url) = start();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("client.js");
    std::fs::write(&script, NODE).unwrap();
    let mut node = Command::new("node");
    node.arg(&script).args([&url, &JOBS.to_string()]).env("NODE_PATH", in_target("node/node_modules"));
    let mut node = Program::start(node);
    wait_until("all is worked", || {
        node.check();
        let figures = serving.tasks.figures();
        figures.done == JOBS && figures.failed == 1
    });
    check_worked(&serving, "broken on purpose");
}
