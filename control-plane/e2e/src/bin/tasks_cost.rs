//! What a task that does nothing costs, beside `beanstalkd` at the same durability, in one run: CPU time of the serving process
//! per task, by the kernel's own accounting, and the tasks of a second. A task is pushed, handed to a worker, and acknowledged
//! (there: put, reserved and deleted), each step by an answer of its own.
//!
//! `cargo run --release --workspace --bin tasks_cost -- --help`.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use clap::{Parser, ValueEnum};
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use switchyard_e2e::{
    faktory::FaktoryClient,
    machine, paths,
    process::{ANY_PORTS, Process, wait_for},
};

/// A beanstalkd that does not answer by then does not start.
const PEER_DEADLINE: Duration = Duration::from_secs(10);
/// How long a beanstalkd worker holds a task, in seconds: as long as Faktory's default.
const HOLD_SECONDS: u64 = 1_800;

/// What can be asked for.
#[derive(Debug, Parser)]
struct Options {
    /// Tasks of one measurement.
    #[arg(long, default_value_t = 20_000)]
    tasks: usize,
    /// Connections that push, and then as many that work.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Measurements of each kind; the lowest counts: what a busy machine adds is never negative.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// What an acknowledged task survives.
    #[arg(long, value_enum, default_value_t = Durability::Process)]
    durability: Durability,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Durability {
    /// The end of the process.
    Process,
    /// A loss of power.
    Disk,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let scratch = tempfile::Builder::new().prefix("switchyard-tasks-cost-").tempdir()?;
    let peer = Beanstalkd::start(scratch.path(), options.durability)?;
    let node = start_node(scratch.path(), options.durability)?;
    let (port, address) = (peer.port, node.ready().faktory.clone());
    let mut lowest = [Cost::MOST; 2];
    for _ in 0..options.rounds {
        let theirs = measure(&options, peer.child.id(), |_| Beanstalk::connect(port))?;
        let ours = measure(&options, node.id()?, |worker| {
            Ok(Faktory(FaktoryClient::connect(address.as_str(), worker.then_some("tasks-cost"))?))
        })?;
        lowest = [lowest[0].min(theirs), lowest[1].min(ours)];
    }
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["server", "CPU a task, µs", "tasks a second"]);
    for (name, cost) in ["beanstalkd", "node"].into_iter().zip(lowest) {
        table.add_row([name.to_owned(), format!("{:.2}", cost.cpu_us), format!("{:.0}", 1e6 / cost.wall_us)]);
    }
    emit(&format!(
        "{}\n\ndurability {:?}, {} connections\n",
        machine::describe(),
        options.durability,
        options.connections
    ));
    emit(&table.to_string());
    node.terminate()?;
    Ok(())
}

fn emit(text: &str) {
    // A reader that has gone away wants no more.
    let _ = writeln!(io::stdout(), "{text}");
}

fn start_node(scratch: &std::path::Path, durability: Durability) -> Result<Process> {
    let data = scratch.join("data").into_os_string();
    let kept = if durability == Durability::Disk { "disk" } else { "process" };
    let mut arguments = vec!["dev".into(), "--data".into(), data];
    arguments.extend(["--listen", "127.0.0.1:0", "--task-durability", kept].map(Into::into));
    arguments.extend(ANY_PORTS.map(Into::into));
    Process::start(scratch, &arguments)
}

/// Of one task, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu_us: f64,
    wall_us: f64,
}

impl Cost {
    const MOST: Self = Self { cpu_us: f64::INFINITY, wall_us: f64::INFINITY };

    fn min(self, other: Self) -> Self {
        Self { cpu_us: self.cpu_us.min(other.cpu_us), wall_us: self.wall_us.min(other.wall_us) }
    }
}

/// A connection to either server.
trait Connection: Send {
    fn push(&mut self, number: usize) -> io::Result<()>;
    /// Takes a task and acknowledges it.
    fn work(&mut self) -> io::Result<()>;
}

fn measure<C: Connection>(
    options: &Options,
    process: u32,
    connect: impl Fn(bool) -> io::Result<C> + Sync,
) -> Result<Cost> {
    let each = options.tasks.div_ceil(options.connections);
    let (before, begun) = (machine::cpu_seconds(process)?, Instant::now());
    let share = |worker: bool, of: usize| -> io::Result<()> {
        let mut connection = connect(worker)?;
        (0..each).try_for_each(|n| if worker { connection.work() } else { connection.push(of * each + n) })
    };
    let share = &share;
    for worker in [false, true] {
        thread::scope(|scope| {
            let all: Vec<_> = (0..options.connections).map(|of| scope.spawn(move || share(worker, of))).collect();
            all.into_iter()
                .try_for_each(|one| one.join().map_err(|_| anyhow!("a connection failed"))?.map_err(Into::into))
        })
        .map_err(|error: anyhow::Error| error)?;
    }
    let tasks = (each * options.connections) as f64;
    Ok(Cost {
        cpu_us: (machine::cpu_seconds(process)? - before) * 1e6 / tasks,
        wall_us: begun.elapsed().as_secs_f64() * 1e6 / tasks,
    })
}

struct Faktory(FaktoryClient);

impl Connection for Faktory {
    fn push(&mut self, number: usize) -> io::Result<()> {
        let said = self.0.say(&format!(r#"PUSH {{"jid":"job-{number:08}","jobtype":"nothing","args":[]}}"#))?;
        expect(said.as_deref() == Some("+OK"), "PUSH")
    }

    fn work(&mut self) -> io::Result<()> {
        let job = self.0.fetch("default")?;
        let jid = job.as_ref().and_then(|job| job.get("jid")?.as_str()).ok_or_else(|| wrong("FETCH"))?;
        let said = self.0.say(&format!(r#"ACK {{"jid":"{jid}"}}"#))?;
        expect(said.as_deref() == Some("+OK"), "ACK")
    }
}

/// The protocol of beanstalkd: a line, and a body behind it where there is one.
struct Beanstalk(BufReader<TcpStream>);

impl Beanstalk {
    fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn say(&mut self, bytes: &str) -> io::Result<String> {
        self.0.get_mut().write_all(bytes.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line)
    }
}

impl Connection for Beanstalk {
    fn push(&mut self, number: usize) -> io::Result<()> {
        // As many bytes as the other server's job has.
        let job = format!(r#"{{"jid":"job-{number:08}","jobtype":"nothing","args":[]}}"#);
        let said = self.say(&format!("put 5 0 {HOLD_SECONDS} {}\r\n{job}\r\n", job.len()))?;
        expect(said.starts_with("INSERTED"), "put")
    }

    fn work(&mut self) -> io::Result<()> {
        let said = self.say("reserve\r\n")?;
        let mut words = said.split_ascii_whitespace();
        let (Some("RESERVED"), Some(id), Some(length)) = (words.next(), words.next(), words.next()) else {
            return Err(wrong("reserve"));
        };
        let length: usize = length.parse().map_err(|_| wrong("reserve"))?;
        self.0.read_exact(&mut vec![0; length + 2])?;
        let said = self.say(&format!("delete {id}\r\n"))?;
        expect(said.starts_with("DELETED"), "delete")
    }
}

fn expect(as_it_should_be: bool, command: &str) -> io::Result<()> {
    if as_it_should_be { Ok(()) } else { Err(wrong(command)) }
}

fn wrong(command: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("another answer than expected to {command}"))
}

/// A beanstalkd of its own, with its log in a folder, on a free port.
struct Beanstalkd {
    child: Child,
    port: u16,
}

impl Beanstalkd {
    fn start(scratch: &std::path::Path, durability: Durability) -> Result<Self> {
        let folder = scratch.join("beanstalkd");
        std::fs::create_dir(&folder)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(paths::peer("beanstalkd", "beanstalkd")?);
        command.args(["-l", "127.0.0.1", "-p", &port.to_string(), "-b"]).arg(folder);
        // Every write waits for the disk, or none does.
        match durability {
            Durability::Disk => command.args(["-f", "0"]),
            Durability::Process => command.arg("-F"),
        };
        let server = Self { child: command.stdout(Stdio::null()).spawn()?, port };
        wait_for("beanstalkd answers", PEER_DEADLINE, || Ok(Beanstalk::connect(port).ok().map(drop)))?;
        Ok(server)
    }
}

impl Drop for Beanstalkd {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
