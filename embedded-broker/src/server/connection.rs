//! One connection: its frames are answered one after the other, as Kafka does, so answers are in order by construction.
//!
//! While a request waits (a long poll, a join) the socket is still watched: bytes that come are kept, up to a limit, and when the client
//! goes the waiting request is dropped at once.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::SemaphorePermit;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use crate::api::{self, Dropped, Frame};
use crate::codec::{FrameBounds, FrameError, LENGTH_BYTES, split_frame};
use crate::node::Node;
use crate::security::{BoundListener, Session, distinguished_name};
use crate::view::ConnectionCell;

use super::stream::Stream;

/// Room made for reading at a time. A frame's length is only a claim: memory follows the bytes that come.
const READ_STEP_BYTES: usize = 1024 * 1024 + 64 * 1024;
const READ_LEAST_BYTES: usize = 16 * 1024;
/// A buffer that grew larger for one frame is given back.
const KEEP_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// A client that asks nothing for this long holds no buffer until it asks again: thousands may be idle.
const IDLE_KEEPS_BUFFER: Duration = Duration::from_secs(1);
/// How long the last words to a client may take.
const MAX_GOODBYE: Duration = Duration::from_millis(500);

/// Serves one client until it goes or breaks the protocol.
pub(super) async fn run(
    node: &Arc<Node>,
    listener: &Arc<BoundListener>,
    cell: &Arc<ConnectionCell>,
    stream: TcpStream,
    peer: SocketAddr,
) -> Result<(), Closed> {
    stream.set_nodelay(true)?;
    let wait = node.security.quotas.connect(peer.ip(), node.clock().now_ms());
    if !wait.is_zero() {
        node.clock().sleep(wait).await;
    }
    let login_by = Instant::now() + node.config.limits.max_authentication;
    let stream = timeout_at(login_by, Stream::open(stream, listener.tls.as_ref())).await.map_err(|_| Closed::LoginTooSlow)?;
    let stream = stream.map_err(Closed::Handshake)?;
    let certificate_name = stream.client_certificate().and_then(distinguished_name);
    let session = Arc::new(Session::new(Arc::clone(listener), peer.ip(), certificate_name.as_deref()));
    cell.set_session(&session);
    let mut connection = Connection { node, cell, session, login_by, stream, buffer: BytesMut::new() };
    let served = tokio::select! {
        biased;
        served = connection.serve() => served,
        () = cell.told_to_close() => Err(Closed::Told),
    };
    if served.is_err() {
        // A client that does not read is not waited for.
        let _ = timeout(MAX_GOODBYE, connection.stream.close()).await;
    }
    served
}

struct Connection<'a> {
    node: &'a Arc<Node>,
    cell: &'a Arc<ConnectionCell>,
    session: Arc<Session>,
    /// Until when the client must have logged in, where a login is wanted.
    login_by: Instant,
    stream: Stream,
    buffer: BytesMut,
}

impl<'a> Connection<'a> {
    async fn serve(&mut self) -> Result<(), Closed> {
        let (node, session) = (self.node, Arc::clone(&self.session));
        while let Some((frame, _in_flight)) = self.next_frame().await? {
            if session.takes_raw_tokens() {
                self.raw_token(frame).await?;
                continue;
            }
            let answering = api::dispatch(node, &session, self.cell, frame);
            tokio::pin!(answering);
            let answer = tokio::select! {
                biased;
                answer = &mut answering => answer?,
                () = self.gone() => return Ok(()),
            };
            if let Some(answer) = answer {
                self.send(&answer.frame).await?;
            }
            if session.has_failed() {
                return Err(Closed::LoginFailed);
            }
            if !self.pause(session.take_muted()).await {
                return Ok(());
            }
            self.shrink();
        }
        Ok(())
    }

    /// Reads nothing for a while, for the client has used more than its quotas allow; whether it is still there.
    async fn pause(&mut self, wait: Duration) -> bool {
        if wait.is_zero() {
            return true;
        }
        let passed = self.node.clock().sleep(wait);
        tokio::select! {
            () = passed => true,
            () = self.gone() => false,
        }
    }

    /// A SASL token after a handshake of version 0: neither token nor answer has a header.
    async fn raw_token(&mut self, token: Bytes) -> Result<(), Closed> {
        let session = Arc::clone(&self.session);
        let progress = self.node.log_in(&session, token).await.map_err(|_| Closed::LoginFailed)?;
        let length = u32::try_from(progress.token.len()).unwrap_or(u32::MAX);
        self.send(&Frame::from(BytesMut::from([&length.to_be_bytes(), progress.token.as_slice()].concat().as_slice()))).await
    }

    fn bounds(&self) -> FrameBounds {
        let limits = &self.node.config.limits;
        if self.session.takes_raw_tokens() {
            FrameBounds::raw_tokens(limits)
        } else if self.session.is_authenticated() {
            FrameBounds::requests(limits)
        } else {
            FrameBounds::unauthenticated(limits)
        }
    }

    /// The next frame, with its share of the memory for frames; `None` when the client closed between two.
    ///
    /// The share is taken as soon as the frame's length is known: a thousand clients that each send most of a large frame would otherwise
    /// fill the memory before one of them is served.
    async fn next_frame(&mut self) -> Result<Option<(Bytes, Option<SemaphorePermit<'a>>)>, Closed> {
        let node = self.node;
        let limits = &node.config.limits;
        let bounds = self.bounds();
        let must_log_in = !self.session.is_authenticated();
        if must_log_in && Instant::now() >= self.login_by {
            return Err(Closed::LoginTooSlow);
        }
        let mut in_flight = None;
        let mut whole_by = None;
        loop {
            let missing = match split_frame(&mut self.buffer, bounds)? {
                Ok(frame) => {
                    if in_flight.is_none() {
                        in_flight = node.in_flight(frame.len()).await;
                    }
                    return Ok(Some((frame, in_flight)));
                }
                Err(missing) => missing,
            };
            if in_flight.is_none() && self.buffer.len() >= LENGTH_BYTES {
                in_flight = node.in_flight(self.buffer.len() + missing).await;
                // From here on the frame holds memory that others wait for. Until it had that, it was not read.
                whole_by = Some(Instant::now() + limits.max_request_read);
            }
            self.buffer.reserve(missing.clamp(READ_LEAST_BYTES, READ_STEP_BYTES));
            let is_idle = self.buffer.is_empty();
            let (patience, in_vain) = if must_log_in {
                (self.login_by.saturating_duration_since(Instant::now()), Closed::LoginTooSlow)
            } else if is_idle {
                (limits.max_connection_idle, Closed::Idle)
            } else {
                let left = whole_by.map_or(limits.max_request_read, |by| by.saturating_duration_since(Instant::now()));
                if left < limits.max_request_pause { (left, Closed::TooSlow) } else { (limits.max_request_pause, Closed::Stalled) }
            };
            let read = if is_idle { self.read_idle(patience).await } else { timeout(patience, self.stream.read(&mut self.buffer)).await };
            match read.map_err(|_| in_vain)?? {
                0 if is_idle => return Ok(None),
                0 => return Err(Closed::InsideFrame),
                read => self.cell.read(read),
            };
        }
    }

    /// Reads when there may be nothing for long.
    async fn read_idle(&mut self, patience: Duration) -> Result<io::Result<usize>, Elapsed> {
        let at_once = patience.min(IDLE_KEEPS_BUFFER);
        match timeout(at_once, self.stream.read(&mut self.buffer)).await {
            Err(_) if at_once < patience => {
                self.buffer = BytesMut::new();
                timeout(patience - at_once, self.stream.read_late(&mut self.buffer, READ_LEAST_BYTES)).await
            }
            read => read,
        }
    }

    /// Ends when the client has gone. Until then keeps what it sends.
    async fn gone(&mut self) {
        loop {
            if self.buffer.len() >= self.node.config.limits.max_read_ahead_bytes {
                // The client is there, and has sent more than we want to hold: its going will be seen after this request.
                return pending().await;
            }
            match self.stream.read_late(&mut self.buffer, READ_LEAST_BYTES).await {
                Ok(0) | Err(_) => return,
                Ok(read) => self.cell.read(read),
            }
        }
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), Closed> {
        let stream = &mut self.stream;
        let writing = timeout(self.node.config.limits.max_response_write, async {
            stream.write(&frame.head).await?;
            for (records, bytes) in &frame.rest {
                stream.write_slice(&records.slice).await?;
                if !bytes.is_empty() {
                    stream.write(bytes).await?;
                }
            }
            io::Result::Ok(())
        });
        writing.await.map_err(|_| Closed::NotReading)??;
        self.cell.wrote(frame.len());
        Ok(())
    }

    fn shrink(&mut self) {
        if self.buffer.capacity() > KEEP_BUFFER_BYTES {
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    /// The bytes are not Kafka's.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The request can't be answered.
    #[error(transparent)]
    Dropped(#[from] Dropped),
    /// TLS did not come about.
    #[error("the TLS handshake failed: {0} (is the client set to SSL or SASL_SSL, and does it trust this broker's authority?)")]
    Handshake(io::Error),
    /// Handshake and login take too long.
    #[error("the client did not log in in time (max_authentication)")]
    LoginTooSlow,
    /// Logged with its reason where it failed.
    #[error("the login failed")]
    LoginFailed,
    /// The client went in the middle of a request.
    #[error("the client closed the connection inside a request")]
    InsideFrame,
    /// No request for too long.
    #[error("no request came for too long (connections.max.idle.ms)")]
    Idle,
    /// The rest of a request does not come.
    #[error("the client stopped in the middle of a request")]
    Stalled,
    /// It comes, but too slowly.
    #[error("the client took too long to send a request (max_request_read)")]
    TooSlow,
    /// The answer can't be delivered.
    #[error("the client does not read its answer")]
    NotReading,
    /// Someone who looks at the broker wants it so.
    #[error("the connection was closed from inside the broker")]
    Told,
    /// The network failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Closed {
    /// Nobody is at fault.
    pub(super) fn is_ordinary(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        // TLS says UnexpectedEof when a client goes without its goodbye, as many do.
        let gone = [ConnectionReset, BrokenPipe, ConnectionAborted, UnexpectedEof];
        matches!(self, Self::Idle) || matches!(self, Self::Io(error) | Self::Handshake(error) if gone.contains(&error.kind()))
    }
}
