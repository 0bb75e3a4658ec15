use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::atomic::Ordering,
    task::Poll,
    time::Duration,
};

use switchyard_listen::{Exhausted, Share};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    Cache, Value,
    buffer::{self, BUFFER_BYTES},
    command::{self, Call, Flow, Progress, Session},
    figures::ServiceCounters,
    resp::{Limits, Parser, Writer},
};

/// Output that is written before further requests are looked at.
const OUTPUT_BYTES: usize = 64 << 10;
/// How long a client may not read before it is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A request that grows the input takes at most so much at a time: a length alone must not take memory.
const INPUT_STEP_BYTES_MAX: usize = 1 << 20;

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client or the service wants it.
    Closed,
    /// The client broke the protocol or its limits and has been told.
    Cut,
    /// The socket failed, or the client did not read.
    Failed,
}

/// Whether time has passed while bytes were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrote {
    AtOnce,
    AfterWaiting,
}

/// One client.
pub(crate) struct Connection {
    stream: TcpStream,
    cache: Cache,
    session: Session,
    parser: Parser,
    input: Vec<u8>,
    out: Vec<u8>,
    /// What commands take for now. Read anew after every wait: a client that reads slowly would else have its next requests
    /// carried out in the past, with entries that have expired since.
    now_ms: u64,
    held: Share,
    stop: CancellationToken,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, cache: Cache, id: u64, held: Share, stop: CancellationToken) -> Self {
        let limits = Limits { bulk_bytes_max: cache.config().value_bytes_max };
        Self {
            stream,
            cache,
            session: Session::new(id),
            parser: Parser::new(limits),
            input: Vec::new(),
            out: Vec::new(),
            now_ms: 0,
            held,
            stopped: Box::pin(stop.clone().cancelled_owned()),
            stop,
        }
    }

    /// Serves the client until it leaves or the service stops.
    pub(crate) async fn run(mut self) {
        loop {
            let end = match self.read().await {
                Ok(0) | Err(_) => End::Closed,
                Ok(_) => match self.serve().await {
                    // Whoever sends without a pause is told here that the service stops.
                    Ok(()) if self.stop.is_cancelled() => End::Closed,
                    Ok(()) => continue,
                    Err(end) => end,
                },
            };
            if !matches!(end, End::Closed) {
                ServiceCounters::count(&self.cache.counters().cut);
                tracing::debug!(client = self.session.id, ?end, "a client was cut off");
            }
            return;
        }
    }

    /// Waits for input; none: the client or the service has ended. While it waits, an idle connection holds no buffer.
    async fn read(&mut self) -> io::Result<usize> {
        let Self { stream, input, stopped, parser, .. } = self;
        poll_fn(|context| {
            if input.capacity() == 0 {
                *input = buffer::take();
            } else if input.capacity() - input.len() < BUFFER_BYTES {
                input.reserve(parser.awaits(input).clamp(BUFFER_BYTES, INPUT_STEP_BYTES_MAX));
            }
            // One future a poll: it has no state of its own.
            let polled = pin!(stream.read_buf(input)).poll(context);
            if polled.is_pending() {
                if input.is_empty() {
                    buffer::give(std::mem::take(input));
                }
                if stopped.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Ok(0));
                }
            }
            polled
        })
        .await
    }

    /// Carries out every request that is complete, and writes the answers at once.
    async fn serve(&mut self) -> Result<(), End> {
        self.now_ms = self.cache.now_ms();
        let mut commands = 0;
        self.out = buffer::take();
        let served = self.serve_all(&mut commands).await;
        self.cache.counters().commands.fetch_add(commands, Ordering::Relaxed);
        // After a failed write nobody knows what has arrived: nothing more is sent.
        let written = if matches!(served, Err(End::Failed)) { Ok(()) } else { self.flush().await };
        buffer::give(std::mem::take(&mut self.out));
        served.and(written)?;
        self.compact().await
    }

    async fn serve_all(&mut self, commands: &mut u64) -> Result<(), End> {
        loop {
            match self.parser.next(&self.input) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    Writer::new(&mut self.out, self.session.protocol).error(&error.message());
                    return Err(End::Cut);
                }
            }
            *commands += 1;
            let mut flow = self.command(Progress::default());
            while let Some(progress) = self.follow(flow).await? {
                flow = self.command(progress);
            }
            if self.out.len() >= OUTPUT_BYTES {
                self.flush().await?;
            }
        }
    }

    /// Carries out the request that was read last, or goes on with it.
    #[inline]
    fn command(&mut self, progress: Progress) -> Flow {
        let now_ms = self.now_ms;
        let writer = Writer::new(&mut self.out, self.session.protocol);
        let arguments = self.parser.arguments(&self.input);
        command::run(&mut Call { cache: &self.cache, session: &mut self.session, arguments, writer, now_ms, progress })
    }

    /// Does what a command leaves to its connection. Returns where the command goes on, if it does.
    async fn follow(&mut self, flow: Flow) -> Result<Option<Progress>, End> {
        match flow {
            Flow::Done => Ok(None),
            Flow::Close => Err(End::Closed),
            Flow::Abort => {
                self.out.clear();
                Err(End::Cut)
            }
            Flow::More(progress) => {
                self.flush().await?;
                tokio::task::yield_now().await;
                self.now_ms = self.cache.now_ms();
                Ok(Some(progress))
            }
            Flow::Value(value, progress) => {
                self.flush().await?;
                self.write_value(value).await?;
                self.out.extend_from_slice(b"\r\n");
                Ok(progress)
            }
            Flow::Apart(job) => {
                let reply = tokio::task::spawn_blocking(job).await.map_err(|_| End::Failed)?;
                self.out.extend_from_slice(&reply);
                self.now_ms = self.cache.now_ms();
                Ok(None)
            }
        }
    }

    async fn write_value(&mut self, value: Value) -> Result<(), End> {
        let waiting = held_by(&self.input);
        let wrote = write_all(&self.stream, &mut self.held, waiting, &value).await?;
        self.went_on(wrote);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        let waiting = held_by(&self.input);
        let wrote = write_all(&self.stream, &mut self.held, waiting, &self.out).await?;
        self.out.clear();
        self.went_on(wrote);
        Ok(())
    }

    /// Mostly nobody has waited, and reading the clock would cost for nothing.
    #[inline]
    fn went_on(&mut self, wrote: Wrote) {
        if wrote == Wrote::AfterWaiting {
            self.now_ms = self.cache.now_ms();
        }
    }

    /// Forgets the requests that are done. What is left of the next one counts against the account.
    async fn compact(&mut self) -> Result<(), End> {
        let done = self.parser.forget();
        if done >= self.input.len() {
            self.input.clear();
            if self.input.capacity() > OUTPUT_BYTES {
                self.input = Vec::new();
            }
        } else {
            self.input.drain(..done);
        }
        let waiting = held_by(&self.input);
        if self.held.hold(waiting) == Err(Exhausted) {
            let told = b"-OOM the unfinished requests of all clients use up their memory; try again later\r\n";
            write_all(&self.stream, &mut self.held, waiting, told).await?;
            return Err(End::Cut);
        }
        Ok(())
    }
}

/// What an input takes while its request is not complete.
fn held_by(input: &Vec<u8>) -> usize {
    if input.is_empty() { 0 } else { input.capacity() }
}

/// Writes all bytes. Mostly the socket takes them at once; where the client does not read, what waits (beside the `waiting`
/// bytes of its input) counts against the account, for a bounded time.
async fn write_all(stream: &TcpStream, held: &mut Share, waiting: usize, mut bytes: &[u8]) -> Result<Wrote, End> {
    let mut wrote = Wrote::AtOnce;
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                held.hold(waiting + bytes.len()).map_err(|Exhausted| End::Failed)?;
                let writable = tokio::time::timeout(WRITE_TIMEOUT, stream.writable()).await;
                writable.map_err(|_| End::Failed)?.map_err(|_| End::Failed)?;
                wrote = Wrote::AfterWaiting;
            }
            Err(_) => return Err(End::Failed),
        }
    }
    Ok(wrote)
}
