//! Packets over a socket.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::packet::{Packet, decode, encode};

/// Bytes read at once.
const CHUNK: usize = 16 * 1024;
/// Whoever does not take what it is sent for so long is gone.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// Reads packets; a read that is given up loses nothing.
pub(super) struct PacketReader {
    socket: OwnedReadHalf,
    bytes: Vec<u8>,
    start: usize,
}

/// Collects packets and writes them at once.
pub(super) struct PacketWriter {
    socket: OwnedWriteHalf,
    bytes: Vec<u8>,
}

/// Both directions of a socket.
pub(super) fn framed(socket: TcpStream) -> (PacketReader, PacketWriter) {
    // Small packets must not wait for more of them.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!("no TCP_NODELAY: {error}");
    }
    let (read, write) = socket.into_split();
    (PacketReader { socket: read, bytes: Vec::new(), start: 0 }, PacketWriter { socket: write, bytes: Vec::new() })
}

impl PacketReader {
    /// The next packet; an error at the end too.
    pub(super) async fn next(&mut self) -> io::Result<Packet> {
        let mut chunk = [0_u8; CHUNK];
        loop {
            if let Some(packet) = self.buffered()? {
                return Ok(packet);
            }
            let read = self.socket.read(&mut chunk).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.bytes.extend_from_slice(&chunk[..read]);
        }
    }

    /// A packet that has come already.
    pub(super) fn buffered(&mut self) -> io::Result<Option<Packet>> {
        let decoded = decode(&self.bytes[self.start..]).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let Some((packet, length)) = decoded else {
            self.bytes.drain(..self.start);
            self.start = 0;
            return Ok(None);
        };
        self.start += length;
        Ok(Some(packet))
    }
}

impl PacketWriter {
    pub(super) fn push(&mut self, packet: &Packet) {
        encode(packet, &mut self.bytes);
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let written = tokio::time::timeout(WRITE_MAX, self.socket.write_all(&self.bytes)).await;
        self.bytes.clear();
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
