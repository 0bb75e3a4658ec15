//! The disk is full under the queue: it says so, goes on when there is room, and nothing that was acknowledged is lost. The
//! file system is a small one of memory where the test may mount one, and else a bound on the size of files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use support::{Client, Serving, job_with, wait_until};
use switchyard_tasks::{TaskFilter, Tasks, TasksConfig, TasksError};

const FOLDER: &str = "SWITCHYARD_TEST_FULL_DISK";
/// What makes the disk full, in bytes, until it is taken away.
const BALLAST_BYTES: usize = 8 << 20;

fn config(folder: &Path) -> TasksConfig {
    // So that checkpoints meet the full disk too.
    TasksConfig { log_bytes_max: 2 << 20, ..TasksConfig::new(folder.join("tasks/tasks.redb")) }
}

fn job(jid: &str) -> String {
    job_with(jid, &format!(r#","custom":{{"padding":"{}"}}"#, "x".repeat(20_000)))
}

/// Makes room, whichever way it was made scarce.
fn make_room(folder: &Path) {
    std::fs::remove_file(folder.join("ballast")).unwrap();
    let unlimited = ["--pid", &std::process::id().to_string(), "--fsize=unlimited:unlimited"].map(str::to_owned);
    assert!(Command::new("prlimit").args(unlimited).status().unwrap().success());
}

fn status(http: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_whitespace().nth(1).unwrap().to_owned()
}

/// Pushes until it is refused: what was taken, and what was said then.
fn fill(client: &mut Client, name: &str, taken: &mut BTreeSet<String>) -> String {
    for n in 0..10_000 {
        let jid = format!("{name}-{n:08}");
        let said = client.say(&format!("PUSH {}", job(&jid)));
        if said != "+OK" {
            return said;
        }
        taken.insert(jid);
    }
    panic!("the disk does not get full")
}

fn names(tasks: &Tasks) -> BTreeSet<String> {
    tasks.list(TaskFilter::default(), 99_999).0.into_iter().map(|task| task.jid).collect()
}

#[test]
#[ignore = "the child of the next tests"]
fn node_whose_disk_is_full() {
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    std::fs::write(folder.join("ballast"), vec![1; BALLAST_BYTES]).unwrap();
    let mut serving = Serving::open(config(&folder));
    let (mut client, mut taken) = (serving.client(Some("worker")), BTreeSet::new());
    assert_eq!(client.say(&format!("PUSH {}", job("held----"))), "+OK");
    let held = client.say("FETCH default");
    assert!(held.contains("held----"), "{held}");

    let said = fill(&mut client, "first", &mut taken);
    assert!(said.starts_with("-ERR the files of the tasks have failed") && said.contains("os error"), "{said}");
    assert!(taken.len() > 50, "{}", taken.len());
    assert!(serving.tasks.figures().storage_failed);
    assert!(client.say(r#"ACK {"jid":"held----"}"#).starts_with("-ERR"), "it cannot be written");
    assert!(client.say("FETCH default").starts_with("-ERR"));
    assert_eq!(
        (status(serving.http, "/v1/tasks/2").as_str(), status(serving.http, "/v1/tasks").as_str()),
        ("503", "200")
    );
    println!("refused after {}: {said}", taken.len());

    // A start on the full disk serves too, if only with that answer.
    serving.stop();
    drop((serving, client));
    let tasks = Tasks::open_in_time(&support::host(), config(&folder)).unwrap();
    let mut serving = Serving::with(tasks);
    let mut client = serving.client(Some("worker"));
    let said = fill(&mut client, "again", &mut taken);
    println!("refused again after {}: {said}", taken.len());
    make_room(&folder);
    let tasks = serving.tasks.clone();
    wait_until("it has healed", || !tasks.figures().storage_failed);
    assert_eq!(client.say(&format!("PUSH {}", job("healed--"))), "+OK");
    assert_eq!(client.say(r#"ACK {"jid":"held----"}"#), "+OK");
    taken.insert("healed--".to_owned());
    let left = names(&tasks);
    drop(tasks);
    serving.stop();
    drop((serving, client));
    let tasks = Tasks::open(&support::host(), config(&folder)).unwrap();
    assert_eq!(names(&tasks), left, "the memory and the files are of one mind");
    let left: BTreeSet<String> = left.into_iter().filter(|jid| jid != "held----").collect();
    assert_eq!(left, taken, "what was taken is there, what was refused is not");
    println!("ended in order with {}", taken.len());
}

/// A file that is no queue is a failure of that engine too, and heals when a person has seen to it.
#[tokio::test]
async fn files_that_cannot_be_opened_are_tried_until_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    std::fs::create_dir_all(config.path.parent().unwrap()).unwrap();
    std::fs::write(&config.path, "not tasks, ".repeat(1_000)).unwrap();
    let tasks = Tasks::open_in_time(&support::host(), config.clone()).unwrap();
    assert!(matches!(tasks.push(job("aaaaaaaa").into()).await, Err(TasksError::Failed { .. })));
    assert!(tasks.figures().storage_failed);
    assert!(std::fs::read(&config.path).unwrap().starts_with(b"not tasks"), "it is left alone");
    // The files of another queue take its place: their tasks are there then.
    let other = tempfile::tempdir().unwrap();
    let elsewhere = Tasks::open(&support::host(), self::config(other.path())).unwrap();
    elsewhere.push(job("bbbbbbbb").into()).await.unwrap();
    elsewhere.fetch("w", &["default"], std::time::Duration::ZERO).await.unwrap().unwrap();
    elsewhere.push(job("cccccccc").into()).await.unwrap();
    drop(elsewhere);
    std::fs::rename(self::config(other.path()).path, &config.path).unwrap();
    wait_until("it has healed", || !tasks.figures().storage_failed);
    assert_eq!(tasks.push(job("dddddddd").into()).await.unwrap().0, 3);
    assert_eq!(names(&tasks).len(), 3);
    let held = tasks.fetch("w", &["default"], std::time::Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(held.id.0, 2);
}

fn check(folder: &Path, shell: &str) {
    let output = Command::new("bash")
        .args(["-c", shell, "bash"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "node_whose_disk_is_full", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("ended in order"), "{said} {}", String::from_utf8_lossy(&output.stderr));
    said.lines().filter(|line| line.contains("refused") || line.contains("ended")).for_each(|line| eprintln!("{line}"));
}

#[test]
fn a_full_file_system_is_said_survived_and_healed() {
    let folder = tempfile::tempdir().unwrap();
    let of_its_own = ["--mount", "--map-root-user", "true"];
    if !Command::new("unshare").args(of_its_own).status().is_ok_and(|status| status.success()) {
        eprintln!("nothing can be mounted here: a bound on the size of files has to do");
        return;
    }
    let mount = r#"exec unshare --mount --map-root-user bash -c 'mount -t tmpfs -o size=24m tasks "$SWITCHYARD_TEST_FULL_DISK" && exec "$@"' bash "$@""#;
    check(folder.path(), mount);
}

#[test]
fn a_bound_on_the_size_of_files_is_said_survived_and_healed() {
    let folder = tempfile::tempdir().unwrap();
    // A write beyond the bound is an error, as on a full disk, where the signal that it sends is ignored. In KiB.
    check(folder.path(), "trap '' XFSZ; ulimit -S -f 8192; exec \"$@\"");
}
