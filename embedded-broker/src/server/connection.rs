//! One connection: its frames are answered one after the other, as Kafka does, so answers are in order by construction.
//!
//! While a request waits (a long poll, a join) the socket is still watched: bytes that come are kept, up to a limit, and when the client
//! goes the waiting request is dropped at once.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use crate::api::{self, Dropped};
use crate::codec::{FrameError, LENGTH_BYTES, split_frame};
use crate::node::Node;

/// Room made for reading at a time. A frame's length is only a claim: memory follows the bytes that come.
const READ_STEP_BYTES: usize = 1024 * 1024 + 64 * 1024;
const READ_LEAST_BYTES: usize = 16 * 1024;
/// Bytes read ahead while a request waits.
const READ_AHEAD_BYTES: usize = 64 * 1024;
/// A buffer that grew larger for one frame is given back.
const KEEP_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Serves one client until it goes or breaks the protocol.
pub(super) async fn run(node: &Arc<Node>, stream: TcpStream, peer: SocketAddr) -> Result<(), Closed> {
    stream.set_nodelay(true)?;
    let mut connection = Connection { node, stream, buffer: BytesMut::new() };
    while let Some((frame, _in_flight)) = connection.next_frame().await? {
        let answering = api::dispatch(node, peer.ip(), frame);
        tokio::pin!(answering);
        let answer = tokio::select! {
            biased;
            answer = &mut answering => answer?,
            () = connection.gone() => return Ok(()),
        };
        if let Some(answer) = answer {
            connection.send(&answer.frame).await?;
        }
        connection.shrink();
    }
    Ok(())
}

struct Connection<'a> {
    node: &'a Node,
    stream: TcpStream,
    buffer: BytesMut,
}

impl<'a> Connection<'a> {
    /// The next frame, with its share of the memory for frames; `None` when the client closed between two.
    ///
    /// The share is taken as soon as the frame's length is known: a thousand clients that each send most of a large frame would otherwise
    /// fill the memory before one of them is served.
    async fn next_frame(&mut self) -> Result<Option<(Bytes, Option<SemaphorePermit<'a>>)>, Closed> {
        let node = self.node;
        let limits = &node.config.limits;
        let mut in_flight = None;
        loop {
            let missing = match split_frame(&mut self.buffer, limits)? {
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
            }
            self.buffer.reserve(missing.clamp(READ_LEAST_BYTES, READ_STEP_BYTES));
            let is_idle = self.buffer.is_empty();
            let (patience, in_vain) =
                if is_idle { (limits.max_connection_idle, Closed::Idle) } else { (limits.max_request_pause, Closed::Stalled) };
            let reading = timeout(patience, self.stream.read_buf(&mut self.buffer));
            match reading.await.map_err(|_| in_vain)?? {
                0 if is_idle => return Ok(None),
                0 => return Err(Closed::InsideFrame),
                read => self.node.stats.bytes_in.fetch_add(read as u64, Relaxed),
            };
        }
    }

    /// Ends when the client has gone. Until then keeps what it sends.
    async fn gone(&mut self) {
        loop {
            if self.buffer.len() >= READ_AHEAD_BYTES {
                // The client is there, and has sent more than we want to hold: its going will be seen after this request.
                return pending().await;
            }
            if self.stream.readable().await.is_err() {
                return;
            }
            self.buffer.reserve(READ_LEAST_BYTES);
            match self.stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return,
                Ok(read) => _ = self.node.stats.bytes_in.fetch_add(read as u64, Relaxed),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    async fn send(&mut self, answer: &[u8]) -> Result<(), Closed> {
        let writing = timeout(self.node.config.limits.max_response_write, self.stream.write_all(answer));
        writing.await.map_err(|_| Closed::NotReading)??;
        self.node.stats.bytes_out.fetch_add(answer.len() as u64, Relaxed);
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
    /// The client went in the middle of a request.
    #[error("the client closed the connection inside a request")]
    InsideFrame,
    /// No request for too long.
    #[error("no request came for too long (connections.max.idle.ms)")]
    Idle,
    /// The rest of a request does not come.
    #[error("the client stopped in the middle of a request")]
    Stalled,
    /// The answer can't be delivered.
    #[error("the client does not read its answer")]
    NotReading,
    /// The network failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Closed {
    /// Nobody is at fault.
    pub(super) fn is_ordinary(&self) -> bool {
        let gone = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionAborted];
        matches!(self, Self::Idle) || matches!(self, Self::Io(error) if gone.contains(&error.kind()))
    }
}
