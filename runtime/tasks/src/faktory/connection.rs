use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use switchyard_listen::{Account, Share};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_util::sync::CancellationToken;

use super::{
    command::{self, Asked, Session},
    hello::Greeting,
    lines::{Line, Lines},
    reply,
};
use crate::{Tasks, TasksError, figures::Counters};

/// How long a client may take to say who it is.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest greeting of a client, in bytes: nobody has been let in yet.
const HELLO_BYTES_MAX: usize = 16 << 10;
/// How long a line may take to arrive once it has begun.
const LINE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a producer may say nothing: pools keep connections for a rainy day. Workers must beat.
const IDLE_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a client may not read before it is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Answers that are written before further lines are looked at, in bytes.
const OUTPUT_BYTES: usize = 64 << 10;
/// What is read at once, in bytes.
const READ_BYTES: usize = 16 << 10;

/// Why a connection ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The client or the service wants it.
    Closed,
    /// The client broke the protocol or its limits.
    Cut,
    /// The socket failed, or the client did not read.
    Failed,
}

/// One client.
pub(crate) struct Connection {
    stream: TcpStream,
    tasks: Tasks,
    session: Session,
    lines: Lines,
    out: Vec<u8>,
    share: Share,
    started: Instant,
    /// When the line that is not complete began.
    line_since: Option<Instant>,
    stop: CancellationToken,
    /// The worker has been given up.
    gone: CancellationToken,
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        tasks: Tasks,
        number: u64,
        account: &Arc<Account>,
        started: Instant,
        stop: CancellationToken,
    ) -> Self {
        let lines = Lines::new(HELLO_BYTES_MAX);
        let line_since = None;
        // A client that takes tasks without a name has its own for as long as it is here.
        let session = Session { worker: format!("connection {number}"), wid: None };
        let (share, gone) = (account.share(), CancellationToken::new());
        Self { stream, tasks, session, lines, out: Vec::new(), share, started, line_since, stop, gone }
    }

    /// Serves the client until it leaves or the service stops.
    pub(crate) async fn run(mut self) {
        let end = match tokio::time::timeout(HELLO_TIMEOUT, self.greet()).await {
            Ok(Ok(())) => self.serve().await,
            Ok(Err(end)) => end,
            Err(_) => End::Cut,
        };
        if let Some(wid) = &self.session.wid {
            self.tasks.workers().leave(wid);
        }
        if end != End::Closed {
            Counters::count(&self.tasks.shared().counters.cut);
            tracing::debug!(worker = self.session.worker, ?end, "a client was cut off");
        }
    }

    async fn greet(&mut self) -> Result<(), End> {
        let greeting = Greeting::new(self.tasks.config().password.clone()).map_err(|_| End::Failed)?;
        self.out.extend_from_slice(greeting.line().as_bytes());
        self.flush().await?;
        let line = loop {
            match self.lines.next() {
                Some(Line::Whole(line)) => break line,
                Some(_) => return Err(End::Cut),
                None => self.read(HELLO_TIMEOUT).await?,
            }
        };
        // Hashing is too long for a thread that serves others.
        let checked = tokio::task::spawn_blocking(move || greeting.check(&line)).await.map_err(|_| End::Failed)?;
        match checked {
            Ok(hello) => self.let_in(hello.wid),
            Err(message) => {
                reply::error(&mut self.out, message);
                self.flush().await?;
                return Err(End::Cut);
            }
        }
        reply::ok(&mut self.out);
        self.flush().await
    }

    fn let_in(&mut self, wid: Option<String>) {
        let config = self.tasks.config();
        self.lines.line_bytes_max = config.line_bytes_max.max(config.job_bytes_max + HELLO_BYTES_MAX);
        if let Some(wid) = wid.filter(|wid| !wid.is_empty()) {
            self.gone = self.tasks.workers().join(&wid);
            self.session = Session { worker: wid.clone(), wid: Some(wid) };
        }
    }

    async fn serve(&mut self) -> End {
        loop {
            match self.step().await {
                Ok(()) => {}
                // What was answered before the end is still sent.
                Err(End::Failed) => return End::Failed,
                Err(end) => return self.flush().await.err().unwrap_or(end),
            }
        }
    }

    /// Carries out the next line, or waits for it.
    async fn step(&mut self) -> Result<(), End> {
        let next = self.lines.next();
        if next.is_some() {
            self.line_since = None;
        }
        match next {
            Some(Line::Whole(line)) => self.carry_out(&line).await?,
            Some(Line::TooLong) => {
                let bytes_max = self.lines.line_bytes_max;
                reply::error(&mut self.out, format_args!("the line is longer than {bytes_max} bytes: it was not read"));
            }
            Some(Line::Endless) => {
                reply::error(&mut self.out, "the line does not end");
                return Err(End::Cut);
            }
            None => {
                self.flush().await?;
                let timeout = self.patience();
                return self.read(timeout).await;
            }
        }
        if self.out.len() >= OUTPUT_BYTES {
            self.flush().await?;
        }
        // Whoever sends without a pause is told here that the service stops.
        if self.stop.is_cancelled() { Err(End::Closed) } else { Ok(()) }
    }

    /// How long the client may take for the next bytes. A line has its time as a whole, however it trickles.
    fn patience(&mut self) -> Duration {
        if !self.lines.is_unfinished() {
            self.line_since = None;
            return IDLE_TIMEOUT;
        }
        let since = *self.line_since.get_or_insert_with(Instant::now);
        LINE_TIMEOUT.saturating_sub(since.elapsed())
    }

    async fn carry_out(&mut self, line: &bytes::Bytes) -> Result<(), End> {
        Counters::count(&self.tasks.shared().counters.commands);
        if let Some(wid) = &self.session.wid {
            self.tasks.workers().hear(wid);
        }
        let uptime = self.started.elapsed().as_secs();
        match command::run(&self.tasks, &self.session, uptime, line, &mut self.out).await {
            Asked::Answered => Ok(()),
            Asked::End => Err(End::Closed),
            Asked::Fetch(queues) => self.fetch(&queues).await,
        }
    }

    /// Waits for a task, and meanwhile for the client's leaving: then nobody has the task, and the next worker gets it.
    async fn fetch(&mut self, queues: &[String]) -> Result<(), End> {
        self.flush().await?;
        let found = {
            let Self { stream, tasks, session, lines, stop, gone, .. } = self;
            let mut fetch = std::pin::pin!(command::fetch(tasks, session, queues));
            loop {
                // A client that sends ahead is not read for longer than its next few lines.
                let listen = lines.input.len() < READ_BYTES;
                tokio::select! {
                    biased;
                    found = &mut fetch => break found,
                    () = stop.cancelled() => break Ok(None),
                    () = gone.cancelled() => return Err(End::Cut),
                    read = stream.read_buf(&mut lines.input), if listen => match read {
                        Ok(0) | Err(_) => return Err(End::Closed),
                        Ok(_) => {}
                    }
                }
            }
        };
        self.hand_over(found).await
    }

    async fn hand_over(&mut self, found: Result<Option<crate::Leased>, TasksError>) -> Result<(), End> {
        match found {
            Ok(None) => reply::bulk(&mut self.out, None),
            Err(error) => reply::error(&mut self.out, error),
            Ok(Some(leased)) => {
                reply::bulk(&mut self.out, Some(&leased.job));
                // A worker that could not be written to does not have the task.
                if let Err(end) = self.flush().await {
                    self.tasks.give_back(leased.id, leased.lease);
                    return Err(end);
                }
            }
        }
        Ok(())
    }

    /// Waits for input. While it waits, an idle connection holds no buffer.
    async fn read(&mut self, timeout: Duration) -> Result<(), End> {
        let Self { stream, lines, stop, gone, .. } = self;
        if lines.input.is_empty() {
            lines.input = BytesMut::new();
        }
        tokio::select! {
            biased;
            ready = tokio::time::timeout(timeout, stream.readable()) => {
                ready.map_err(|_| End::Cut)?.map_err(|_| End::Closed)?;
            }
            () = stop.cancelled() => return Err(End::Closed),
            () = gone.cancelled() => return Err(End::Cut),
        }
        lines.input.reserve(READ_BYTES);
        match stream.try_read_buf(&mut lines.input) {
            // It was not ready after all: whoever asks for the next line comes here again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Ok(0) | Err(_) => Err(End::Closed),
            Ok(_) => self.account(),
        }
    }

    /// A line's worth counts for nothing; what is more counts against all.
    fn account(&mut self) -> Result<(), End> {
        let held = self.lines.input.len();
        if self.share.hold(if held > READ_BYTES { held } else { 0 }).is_ok() {
            return Ok(());
        }
        reply::error(&mut self.out, "the unfinished lines of all clients use up their memory; try again later");
        Err(End::Cut)
    }

    /// Writes what there is, for a bounded time.
    async fn flush(&mut self) -> Result<(), End> {
        let mut bytes = self.out.as_slice();
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let writable = tokio::time::timeout(WRITE_TIMEOUT, self.stream.writable()).await;
                    writable.map_err(|_| End::Failed)?.map_err(|_| End::Failed)?;
                }
                Err(_) => return Err(End::Failed),
            }
        }
        self.out.clear();
        if self.out.capacity() > OUTPUT_BYTES {
            self.out = Vec::new();
        }
        Ok(())
    }
}
