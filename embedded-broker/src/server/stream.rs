//! A connection's bytes, in the clear or through TLS.

use std::io;

use bytes::BytesMut;
#[cfg(target_os = "linux")]
use tokio::io::Interest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::log::Slice;
use crate::security::Tls;

/// Bytes copied at a time where the system can't send a file by itself.
const COPY_BYTES: usize = 64 * 1024;

/// Either kind of stream.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Shakes hands, if the listener wants it.
    pub(super) async fn open(stream: TcpStream, tls: Option<&Tls>) -> io::Result<Self> {
        match tls {
            None => Ok(Self::Plain(stream)),
            Some(tls) => Ok(Self::Tls(Box::new(tls.acceptor.accept(stream).await?))),
        }
    }

    /// The certificate the client showed, which the handshake has verified.
    pub(super) fn client_certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.get_ref().1.peer_certificates()?.first().map(AsRef::as_ref),
        }
    }

    /// Reads what is there into the buffer's spare room. Nothing is lost when the future is dropped.
    pub(super) async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }

    /// The same with room of `least` bytes, which a plain stream takes only when bytes are there: thousands may wait.
    pub(super) async fn read_late(&mut self, buffer: &mut BytesMut, least: usize) -> io::Result<usize> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => {
                buffer.reserve(least);
                return stream.read_buf(buffer).await;
            }
        };
        loop {
            stream.readable().await?;
            buffer.reserve(least);
            match stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// Writes all of it and sees it off.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Writes records as they lie in the log.
    pub(super) async fn write_slice(&mut self, slice: &Slice) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Self::Plain(stream) = self
            && slice.place().0.descriptor().is_some()
        {
            return send_file(stream, slice).await;
        }
        let mut buffer = vec![0; COPY_BYTES.min(slice.bytes())];
        let mut done = 0;
        while done < slice.bytes() {
            let chunk = buffer.len().min(slice.bytes() - done);
            slice.read_at(done, &mut buffer[..chunk])?;
            self.write(&buffer[..chunk]).await?;
            done += chunk;
        }
        Ok(())
    }

    /// Says goodbye, so that the client does not take the end for an attack. Best effort.
    pub(super) async fn close(&mut self) {
        let _ = match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        };
    }
}

/// From the page cache to the socket inside the kernel: half the CPU time of a read and a write.
#[cfg(target_os = "linux")]
async fn send_file(stream: &TcpStream, slice: &Slice) -> io::Result<()> {
    let (file, mut position) = slice.place();
    let mut left = slice.bytes();
    while left > 0 {
        let sending = || {
            let descriptor = file.descriptor().ok_or(io::ErrorKind::Unsupported)?;
            Ok(rustix::fs::sendfile(stream, descriptor, Some(&mut position), left)?)
        };
        match stream.async_io(Interest::WRITABLE, sending).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            sent => left = left.saturating_sub(sent),
        }
    }
    Ok(())
}
