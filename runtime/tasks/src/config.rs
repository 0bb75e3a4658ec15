use std::path::PathBuf;

use crate::disk::Files;

/// Tasks that a queue file holds unless configured. A waiting task takes about 400 bytes of memory beside its job, which
/// stays on disk.
const TASKS_MAX: usize = 1_000_000;
/// Dead letters that are kept unless configured; beyond it the oldest goes.
const DEAD_MAX: usize = 100_000;
/// Largest job unless configured, in bytes. A job names its data and does not carry it.
const JOB_BYTES_MAX: usize = 1 << 20;
/// Longest line of the protocol unless configured, in bytes: a `PUSHB` of a thousand jobs of 8 KiB.
const LINE_BYTES_MAX: usize = 8 << 20;
/// Clients at once unless configured.
const CONNECTIONS_MAX: usize = 10_000;
/// What the unfinished lines of all clients may take together unless configured, in bytes.
const INPUT_BYTES_MAX: usize = 256 << 20;
/// Bytes of the log beyond which there is a checkpoint unless configured.
const LOG_BYTES_MAX: u64 = 32 << 20;

/// What an answer promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The operating system has it: it survives the end of this process at any moment. A power loss takes
    /// what the system had not written back: half a minute as a rule.
    Process,
    /// The disk has it: it survives a power loss. Many answers share one wait for the disk.
    #[default]
    Disk,
}

/// What the tasks need.
#[derive(Debug, Clone)]
pub struct TasksConfig {
    /// The database; its folder is made, and the two files of its log are beside it.
    pub path: PathBuf,
    /// What an answer promises.
    pub durability: Durability,
    /// Bytes of the log beyond which it is put into the database. A start reads a few times as much at most, and it is in
    /// memory meanwhile.
    pub log_bytes_max: u64,
    /// Tasks of all queues together, dead letters included.
    pub tasks_max: usize,
    /// Dead letters of all queues together.
    pub dead_max: usize,
    /// Largest job, in bytes.
    pub job_bytes_max: usize,
    /// Longest line of the protocol, in bytes; at least a job fits.
    pub line_bytes_max: usize,
    /// Clients at once.
    pub connections_max: usize,
    /// Unfinished lines of all clients together, in bytes.
    pub input_bytes_max: usize,
    /// What clients must know; none: everybody may come in.
    pub password: Option<String>,
}

impl TasksConfig {
    /// Tasks in this file, at the durability of a disk.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::default(),
            log_bytes_max: LOG_BYTES_MAX,
            tasks_max: TASKS_MAX,
            dead_max: DEAD_MAX,
            job_bytes_max: JOB_BYTES_MAX,
            line_bytes_max: LINE_BYTES_MAX,
            connections_max: CONNECTIONS_MAX,
            input_bytes_max: INPUT_BYTES_MAX,
            password: None,
        }
    }
    pub(crate) fn files(&self) -> Files {
        Files { path: self.path.clone(), durability: self.durability, log_bytes_max: self.log_bytes_max }
    }
}
